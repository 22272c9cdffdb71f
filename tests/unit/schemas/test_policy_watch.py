"""The policy file of a running product, as a person edits it."""

from pathlib import Path

import pytest

from schemas.errors import PolicyError
from schemas.policy import default_policy
from schemas.policy_watch import LOOK_EVERY_S, PolicyWatch

POLICY = """
version: 1
policies:
  - name: p
    clocks: {resolution: {target: %s}}
"""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def later(self) -> float:
        self.now += LOOK_EVERY_S
        return self.now


def write(path: Path, target: str) -> None:
    path.write_text(POLICY % target, encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    write(path, "1h")
    return path


def target(watch: PolicyWatch) -> object:
    return watch.file.policies[-1].clocks["resolution"].target


def test_a_changed_file_is_in_force_and_a_bad_one_is_refused_until_mended(path: Path) -> None:
    watch, clock, told = PolicyWatch(path), Clock(), list[str | None]()
    for text, want in (("2h", 7_200_000), ("soon", 7_200_000), ("30m", 1_800_000)):
        write(path, text)
        watch.look(clock.later(), told.append)
        assert target(watch) == want
    assert [refused and refused.partition(": ")[0] for refused in told] == [None, f"{path}:5", None]
    assert watch.refused is None


def test_a_file_that_is_taken_away_changes_nothing(path: Path) -> None:
    watch, clock = PolicyWatch(path), Clock()
    path.unlink()
    watch.look(clock.later())
    assert target(watch) == 3_600_000
    assert watch.refused is not None
    write(path, "1h")
    watch.look(clock.later())
    assert watch.refused is None


def test_it_looks_once_a_second(path: Path) -> None:
    watch, clock = PolicyWatch(path), Clock()
    watch.look(clock.later())
    write(path, "2h")
    watch.look(clock.now + LOOK_EVERY_S / 2)
    assert target(watch) == 3_600_000


def test_a_process_that_starts_beside_a_bad_file_goes_on_with_the_last_good_one(path: Path, tmp_path: Path) -> None:
    keep = tmp_path / "kept" / "policy.yaml"
    PolicyWatch(path, keep)
    write(path, "soon")
    watch = PolicyWatch(path, keep)
    assert target(watch) == 3_600_000
    assert watch.refused is not None
    with pytest.raises(PolicyError, match="soon"):
        PolicyWatch(path)


def test_without_a_file_it_is_the_policy_that_ships() -> None:
    watch = PolicyWatch(None)
    watch.look(10.0)
    assert watch.file.text == default_policy().text
