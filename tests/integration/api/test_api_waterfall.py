"""Who had the cases while clocks ran, over HTTP, against sums by hand."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.times import text
from tests.e2e.board.world import MINUTE_MS, ended_ms
from tests.integration.api import oracle
from tests.integration.api.conftest import NOW, Api, Warehouse

Row = dict[str, Any]
HOLDERS = (
    "queue",
    "bot",
    "customer",
    "third_party",
    "closed",
    "agent:a",
    "agent:it's",
    "agent:队长",
    "team:a",
    "team:b:c",
)


def _fill(warehouse: Warehouse, seed: int) -> list[Row]:
    """Outcomes, those that stopped with their length cut up among some holders to the millisecond."""
    rng = random.Random(seed)
    rows = oracle.random_outcomes(rng, 300, NOW)
    for row in rows:
        row["held"] = {}
        left = _length(row)
        for holder in rng.sample(HOLDERS, rng.randrange(1, 6)):
            part = rng.randrange(left + 1) if left else 0
            row["held"] |= {holder: part / 1000} if part else {}
            left -= part
        if left:
            row["held"]["queue"] = round(row["held"].get("queue", 0) + left / 1000, 3)
    warehouse.insert("outcomes", rows)
    return rows


def _length(row: Row) -> int:
    return 0 if row["stopped_at"] is None else round((row["stopped_at"] - row["started_at"]).total_seconds() * 1000)


def _by_hand(rows: list[Row], from_ms: int, to_ms: int, by: Sequence[str], one_by_one: bool) -> dict[Any, Row]:
    found: dict[Any, Row] = {}
    for row in oracle.newest(rows):
        at = ended_ms(row)
        if at is None or not from_ms <= at < to_ms:
            continue
        group = found.setdefault(tuple(row[name] for name in by), {"n": 0, "still": 0, "total": 0, "held": Counter()})
        group["n"] += row["stopped_at"] is not None
        group["still"] += row["stopped_at"] is None
        group["total"] += _length(row)
        for holder, seconds in row["held"].items():
            named = holder.startswith(("agent:", "team:")) and not one_by_one
            group["held"][holder.split(":")[0] if named else holder] += round(seconds * 1000)
    return found


@pytest.mark.parametrize("by", [(), ("clock",), ("team", "channel", "clock")])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_sums_equal_those_by_hand_and_parts_add_up(
    api: Api, warehouse: Warehouse, by: tuple[str, ...], one_by_one: bool
) -> None:
    rows = _fill(warehouse, 1)
    start, end = NOW - 25 * MINUTE_MS, NOW - 2 * MINUTE_MS
    asked = ",".join((*by, "holder") if one_by_one else by)
    answer = api.get("/v1/waterfall", from_=text(start), to=text(end), by=asked)
    assert (answer["from"], answer["to"]) == (text(start), text(end))
    wanted = _by_hand(rows, start, end, by, one_by_one)
    assert {tuple(row[name] for name in by) for row in answer["rows"]} == wanted.keys()
    for row in answer["rows"]:
        want = wanted[tuple(row[name] for name in by)]
        assert (row["n"], row["still_running"], round(row["total_s"] * 1000)) == (
            want["n"], want["still"], want["total"],
        )  # fmt: skip
        assert {holder: round(s * 1000) for holder, s in row["held"].items()} == want["held"]
        assert sum(round(s * 1000) for s in row["held"].values()) == want["total"]
        assert list(row["held"].values()) == sorted(row["held"].values(), reverse=True)


def test_beyond_the_top_holders_count_as_others(api: Api, warehouse: Warehouse) -> None:
    rows = _fill(warehouse, 2)
    range_ = {"from_": text(NOW - 40 * MINUTE_MS), "to": text(NOW), "channel": "app"}
    passing = [row for row in rows if row["channel"] == "app"]
    [want] = _by_hand(passing, NOW - 40 * MINUTE_MS, NOW, (), True).values()
    [row] = api.get("/v1/waterfall", by="holder", top=3, **range_)["rows"]
    names = list(row["held"])
    assert names[:3] == [name for name, _ in sorted(want["held"].items(), key=lambda part: (-part[1], part[0]))[:3]]
    assert names[3:] == ["others"]
    assert sum(round(s * 1000) for s in row["held"].values()) == want["total"]


def test_time_without_a_told_holder_is_unknown(api: Api, warehouse: Warehouse) -> None:
    rows = _fill(warehouse, 3)
    warehouse.client.command("TRUNCATE TABLE outcomes")
    warehouse.insert("outcomes", [row | {"held": {}} for row in rows])
    for row in api.get("/v1/waterfall", window="1h", by="clock")["rows"]:
        assert row["held"] == {"unknown": row["total_s"]}


def test_nothing_ended_and_what_cannot_be_asked(api: Api) -> None:
    assert api.get("/v1/waterfall", window="15m")["rows"] == []
    said = api.get("/v1/waterfall", 422, by="team,state")["detail"]
    assert said.startswith("by: 'state' is not a dimension; allowed are clock, channel, team")
    assert said.endswith("queue, holder.")
    assert api.get("/v1/waterfall", 422, by="holder", top=0)["detail"].startswith("top")
