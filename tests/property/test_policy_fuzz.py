"""Whatever bytes a policy file holds: of them comes a policy that can be used, or one short line that says why not."""

import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import PolicyError
from schemas.policy import load_policy
from schemas.policy_check import check_policy
from schemas.policy_watch import LOOK_EVERY_S, PolicyWatch
from streams.engine.policies import PolicyBook
from tests.oracles.histories import randoms
from tests.support.policies import BAD, GOOD

NOW = 1_790_000_000_000
SNIPPETS = (
    b"&any", b"*any", b"<<: *any", b"!!int ", b"!!str ", b"!x ", b"~", b".nan", b".inf", b"0x1f", b"1:30", b"9" * 70,
    b"2026-10-10", b"0001-01-01", b"9999-12-31", b"{", b"}", b"[", b"]", b"? ", b"- ", b": ", b"\n", b"\t", b"\x00",
    b"\xff", b"\xed\xa0\x80", b'"\\ud800"', b'"\\0"', b"---\n", b"...\n", b"%YAML 1.1\n", b"#", b"|", b">",
    b"'", b'"', b"XX", b"NO",
    b"0s", b"0bd", b"2600bd", b"3650d", b"always", b'""', b"../x",
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policy") / "p.yaml"


@given(st.binary(max_size=200))
def test_any_bytes(path: Path, data: bytes) -> None:
    holds(path, data)


@given(st.text(max_size=200))
@example("\ud800")
def test_any_text(path: Path, text: str) -> None:
    holds(path, text.encode("utf-8", "surrogatepass"))


@given(randoms)
def test_a_good_policy_with_some_of_it_changed(path: Path, rng: random.Random) -> None:
    holds(path, mutated(rng))


@given(randoms)
def test_a_watch_goes_on_with_the_one_before(path: Path, rng: random.Random) -> None:
    path.write_bytes(GOOD)
    watch, clock = PolicyWatch(path), 0.0
    for _ in range(3):
        before = watch.file
        path.write_bytes(rng.choice(BAD_ONES) if rng.random() < 0.2 else mutated(rng))
        clock += LOOK_EVERY_S
        watch.look(clock)
        assert watch.refused is not None or watch.file.text.encode() == path.read_bytes()
        assert watch.refused is None or watch.file is before


BAD_ONES = [data for data in BAD.values() if len(data) < 10_000]


def mutated(rng: random.Random) -> bytes:
    """A good policy, or now and then a bad one, with pieces taken out, doubled, moved or put in."""
    data = rng.choice(BAD_ONES) if rng.random() < 0.1 else GOOD
    for _ in range(rng.randint(1, 4)):
        i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        j = min(j, i + rng.choice((1, 3, 20, 200)))
        piece = rng.choice((rng.choice(SNIPPETS), data[i:j], data[i:j] * 2, b"", bytes([rng.randrange(256)])))
        where = rng.choice((i, rng.randrange(len(data) + 1)))
        data = data[:where] + piece + data[where + rng.choice((0, j - i)) :]
    return data


def holds(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        file = load_policy(path)
    except PolicyError as error:
        short(path, str(error))
    else:
        book = PolicyBook(file)
        for spec in book.specs:
            assert spec.due_from(NOW) > NOW
    try:
        report = check_policy(path)
    except PolicyError as error:
        short(path, str(error))
    else:
        for error in report.errors:
            short(path, error)


def short(path: Path, said: str) -> None:
    assert said.startswith(str(path)) and said.isprintable() and len(said) < len(str(path)) + 1_200, said
