"""`contactpulse replay`: same input in any order, same bytes out; what it counts; what it refuses."""

import io
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.errors import InputError, WorkFailed
from schemas.metrics import ALIASES, CATALOGUE, Source
from schemas.policy import parse_policy
from schemas.times import to_ms
from streams.replay import Replay, replay
from tests.oracles import histories
from tests.oracles.contract import parse
from tests.property.driving import expected, policy_file, view_rows

POLICY = parse_policy("version: 1\npolicies: [{name: all, clocks: {connect: {target: 1m}}}]")
RESULTS = ("outcomes.ndjson", "rollups.ndjson", "summary.json")


def opened(id: str, at: str = "2026-03-02T08:00:00Z", **more: Any) -> bytes:
    event = {"event_id": id, "type": "contact.opened", "occurred_at": at, "case_id": id, "channel": "app"}
    return msgspec.json.encode(event | more)


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def read(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in RESULTS}


def rows(out: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_bytes().splitlines()]


def summary(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    return loaded


@pytest.mark.parametrize("seed", range(12))
def test_what_it_writes_is_what_the_oracle_says_in_whatever_order_it_reads(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    policy, events = histories.policy(rng), histories.history(rng, most=15, cases=4)
    now = histories.final(rng, events)
    lines = [msgspec.json.encode(event) for event in histories.arrivals(rng, events)]
    replay([write(tmp_path / "a", *lines)], policy_file(policy), tmp_path / "one", to_ms(now))
    want = expected(map(json.loads, lines), policy, now)
    told = rows(tmp_path / "one", "outcomes.ndjson")
    assert [{key: value for key, value in row.items() if key != "held"} for row in told] == want["outcomes"]
    assert view_rows(rows(tmp_path / "one", "rollups.ndjson"), ())["clock_slices"] == want["clock_slices"]
    metrics = summary(tmp_path / "one")["metrics"]
    assert metrics.keys() == want["metrics"].keys() | ALIASES.keys()
    for id, (value, n, _) in want["metrics"].items():
        in_buckets = CATALOGUE[id].quantile is not None and CATALOGUE[id].source is Source.SLICES
        near = pytest.approx(value, rel=0.0101 if in_buckets else 1e-9) if value is not None else None
        assert (metrics[id]["value"], metrics[id]["n"]) == (near, n), id
    assert all(metrics[alias] == metrics[id] for alias, id in ALIASES.items())

    rng.shuffle(lines)
    half = len(lines) // 2
    parts = [write(tmp_path / "b", *lines[:half]), write(tmp_path / "c", *lines[half:])]
    replay(parts, policy_file(policy), tmp_path / "two", to_ms(now))
    assert read(tmp_path / "two") == read(tmp_path / "one")


def test_without_until_the_last_event_is_the_final_stream_time(tmp_path: Path) -> None:
    lines = opened("a", "2026-03-02T08:01:00Z"), opened("b", "2026-03-02T08:00:00Z")
    replay([write(tmp_path / "in", *lines)], POLICY, tmp_path / "out")
    assert summary(tmp_path / "out")["stream_time"] == "2026-03-02T08:01:00.000Z"
    assert [(o["case_id"], o["state"]) for o in rows(tmp_path / "out", "outcomes.ndjson")] == [
        ("a", "running"),
        ("b", "running"),
    ]


@pytest.mark.parametrize(
    ("until", "states", "left_out"),
    [
        ("2026-03-02T08:01:00Z", ["running", "running"], 0),
        ("2026-03-02T08:01:00.001Z", ["running", "breached"], 0),
        ("2026-03-02T09:00:00Z", ["breached", "breached"], 0),
        ("2026-03-02T08:00:30Z", ["running"], 1),
    ],
)
def test_until_sets_the_final_stream_time(until: str, states: list[str], left_out: int, tmp_path: Path) -> None:
    lines = opened("a", "2026-03-02T08:01:00Z"), opened("b", "2026-03-02T08:00:00Z")
    result = replay([write(tmp_path / "in", *lines)], POLICY, tmp_path / "out", to_ms(parse(until)))
    assert [o["state"] for o in rows(tmp_path / "out", "outcomes.ndjson")] == states
    assert result.after_until == left_out


def test_events_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    lines = opened("a"), opened("b"), b"", opened("a"), b"{", b"  ", opened("c", channel="fax"), opened("a", team="x")
    result = replay([write(tmp_path / "in", *lines)], POLICY, tmp_path / "out")
    told = summary(tmp_path / "out")["events"]
    assert {k: told[k] for k in ("read", "applied", "duplicates", "rejected")} == {
        "read": 6,
        "applied": 2,
        "duplicates": 2,
        "rejected": 2,
    }
    assert [(r.line, r.field) for r in result.rejected] == [(5, ""), (7, "channel")]
    assert str(result.rejected[1]).startswith(f"{tmp_path / 'in'}:7: channel: ")
    assert [r["line"] for r in rows(tmp_path / "out", "rejected.ndjson")] == [5, 7]


def test_old_rejections_do_not_linger(tmp_path: Path) -> None:
    replay([write(tmp_path / "bad", b"{")], POLICY, tmp_path / "out")
    replay([write(tmp_path / "good", opened("a"))], POLICY, tmp_path / "out")
    assert not (tmp_path / "out" / "rejected.ndjson").exists()


def test_nothing_in_is_a_whole_answer_too(tmp_path: Path) -> None:
    result = replay([write(tmp_path / "in")], POLICY, tmp_path / "out")
    told = summary(tmp_path / "out")
    assert (result.read, told["stream_time"], told["clocks"]) == (0, None, {})
    assert told["metrics"]["asa"] == {"value": None, "n": 0, "numerator": 0, "denominator": 0}


def test_compliance_by_clock(tmp_path: Path) -> None:
    met = {"event_id": "x", "type": "contact.connected", "occurred_at": "2026-03-02T08:00:59Z", "case_id": "a"}
    lines = opened("a"), opened("b"), opened("c", "2026-03-02T09:00:00Z"), msgspec.json.encode(met)
    replay([write(tmp_path / "in", *lines)], POLICY, tmp_path / "out")
    assert summary(tmp_path / "out")["clocks"] == {
        "connect": {"met": 1, "breached": 1, "cancelled": 0, "running": 1, "paused": 0, "compliance": 0.5}
    }


def test_a_dash_reads_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(opened("a") + b"\n" + opened("b"))))
    result = replay([Path("-")], POLICY, tmp_path / "out")
    assert (result.read, result.applied) == (2, 2)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: cannot be read: No such file"):
        replay([tmp_path / "none"], POLICY, tmp_path / "out")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="cannot be written"):
        replay([write(tmp_path / "in", opened("a"))], POLICY, write(tmp_path / "file"))


def test_progress_is_told_at_the_end_of_each_file(tmp_path: Path) -> None:
    told: list[int] = []
    result: Replay = replay([write(tmp_path / "in", opened("a"))], POLICY, tmp_path / "out", progress=told.append)
    assert told == [1]
    assert result.read == 1
