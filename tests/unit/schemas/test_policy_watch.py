"""The policy file of a running product, as a person edits it."""

import errno
import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas import policy_watch
from schemas.errors import PolicyError
from schemas.policy import PolicyFile, default_policy
from schemas.policy_watch import LOOK_EVERY_S, PolicyWatch, kept_policy
from tests.support.policies import BAD

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


def test_of_an_edit_that_keeps_size_and_time_of_writing_it_hears(path: Path) -> None:
    watch, clock = PolicyWatch(path), Clock()
    write(path, "2h")
    watch.look(clock.later())
    assert target(watch) == 7_200_000
    written = path.stat().st_mtime_ns
    write(path, "3h")
    os.utime(path, ns=(written, written))
    watch.look(clock.later())
    assert target(watch) == 10_800_000


def test_a_file_that_did_not_change_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, clock = PolicyWatch(path), Clock()
    write(path, "soon")
    watch.look(clock.later())
    monkeypatch.setattr(policy_watch, "read_policy", lambda path: pytest.fail("read again"))
    for _ in range(3):
        watch.look(clock.later())
    assert watch.refused is not None


def test_a_disk_that_fails_once_is_asked_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, clock, told = PolicyWatch(path), Clock(), list[str | None]()
    write(path, "2h")

    def fail(path: Path) -> str:
        raise PolicyError(f"{path}: cannot be read: {os.strerror(errno.EIO)}")

    with monkeypatch.context() as patch:
        patch.setattr(policy_watch, "read_policy", fail)
        for _ in range(3):
            watch.look(clock.later(), told.append)
    assert target(watch) == 3_600_000
    watch.look(clock.later(), told.append)
    assert target(watch) == 7_200_000
    assert told == [f"{path}: cannot be read: Input/output error", None]


@pytest.mark.parametrize("kind", BAD)
def test_whatever_the_file_holds_the_one_before_stays_also_across_a_start(
    path: Path, tmp_path: Path, kind: str
) -> None:
    keep, clock, told = kept_policy(tmp_path), Clock(), list[str | None]()
    watch = PolicyWatch(path, keep)
    path.write_bytes(BAD[kind])
    watch.look(clock.later(), told.append)
    assert target(watch) == 3_600_000
    assert told == [watch.refused]
    assert watch.refused is not None and watch.refused.startswith(str(path))
    again = PolicyWatch(path, keep)
    assert (target(again), again.refused) == (3_600_000, watch.refused)
    again.look(clock.later(), told.append)
    again.look(clock.later(), told.append)
    assert told == [watch.refused, watch.refused]
    with pytest.raises(PolicyError) as caught:
        PolicyWatch(path, tmp_path / "nothing")
    assert str(caught.value) == watch.refused


def test_a_directory_in_its_place_and_a_file_that_vanishes_change_nothing(path: Path) -> None:
    watch, clock = PolicyWatch(path), Clock()
    path.unlink()
    path.mkdir()
    watch.look(clock.later())
    assert (target(watch), watch.refused) == (3_600_000, f"{path}: cannot be read: Is a directory")
    path.rmdir()
    watch.look(clock.later())
    assert (target(watch), watch.refused) == (3_600_000, f"{path}: cannot be read: No such file or directory")


def test_an_error_nobody_thought_of_is_a_refusal_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, clock = PolicyWatch(path), Clock()

    def fail(text: str, name: str) -> PolicyFile:
        raise RecursionError("x" * 5_000)

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(policy_watch, "parse_policy", fail)
        write(path, "2h")
        watch.look(clock.later())
    assert target(watch) == 3_600_000
    assert watch.refused is not None
    assert watch.refused.startswith(f"{path}: cannot be used: RecursionError('xxx") and len(watch.refused) < 1_200
    assert [entry["event"] for entry in logs] == ["reading the policy failed"]


# What is kept for the next start


def test_a_process_that_starts_beside_a_bad_file_goes_on_with_the_last_good_one(path: Path, tmp_path: Path) -> None:
    keep, clock, told = tmp_path / "kept" / "policy.yaml", Clock(), list[str | None]()
    PolicyWatch(path, keep).look(clock.later())
    running = PolicyWatch(path, keep)
    for text in ("2h", "soon"):
        write(path, text)
        running.look(clock.later())
    watch = PolicyWatch(path, keep)
    assert target(watch) == 7_200_000
    assert watch.refused is not None and "soon" in watch.refused
    watch.look(clock.later(), told.append)
    write(path, "2h")  # mended by taking the edit back
    watch.look(clock.later(), told.append)
    assert (told, watch.refused) == ([running.refused, None], None)
    with pytest.raises(PolicyError, match="cannot be read"):
        PolicyWatch(tmp_path / "none.yaml")


@pytest.mark.parametrize("kept", [b"", b"version: 1\npolic", b"\xff", BAD["maps nested 3,000 deep"], None])
def test_a_kept_file_that_is_no_use_is_as_if_none_was_kept(path: Path, tmp_path: Path, kept: bytes | None) -> None:
    keep = tmp_path / "kept.yaml"
    if kept is None:
        keep.mkdir()
    else:
        keep.write_bytes(kept)
    with capture_logs():
        assert target(PolicyWatch(path, keep)) == 3_600_000  # a good file needs none
        if kept is not None:
            assert keep.read_bytes() == path.read_bytes()
            keep.write_bytes(kept)
    write(path, "soon")
    with capture_logs() as logs, pytest.raises(PolicyError, match="soon"):
        PolicyWatch(path, keep)
    assert [entry["event"] for entry in logs] == ["the kept policy cannot be used either"]


def test_what_cannot_be_kept_is_in_force_all_the_same(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with capture_logs() as logs:
        watch, clock = PolicyWatch(path, tmp_path / "file" / "kept.yaml"), Clock()
        write(path, "2h")
        watch.look(clock.later())
    assert (target(watch), watch.refused) == (7_200_000, None)
    assert [entry["event"] for entry in logs] == ["the policy in force cannot be kept for the next start"] * 2


def test_processes_that_keep_at_once_leave_one_whole_file(path: Path, tmp_path: Path) -> None:
    keep, begin, seen = tmp_path / "kept" / "policy.yaml", threading.Barrier(4), set[str]()
    texts = {target: (POLICY % target) + "#" * 300_000 for target in ("1h", "2h", "3h")}

    def keeper(target: str) -> None:
        mine = tmp_path / f"{target}.yaml"
        mine.write_text(texts[target], encoding="utf-8")
        begin.wait(30)
        for _ in range(20):
            PolicyWatch(mine, keep)

    writers = [threading.Thread(target=keeper, args=(target,)) for target in texts]
    for writer in writers:
        writer.start()
    begin.wait(30)
    while any(writer.is_alive() for writer in writers):
        if keep.exists():
            seen.add(keep.read_text(encoding="utf-8"))
    assert seen <= {*texts.values()}
    assert [entry.name for entry in keep.parent.iterdir()] == ["policy.yaml"]


def test_without_a_file_it_is_the_policy_that_ships() -> None:
    watch = PolicyWatch(None)
    watch.look(10.0)
    assert watch.file.text == default_policy().text
