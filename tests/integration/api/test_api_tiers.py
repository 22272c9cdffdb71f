"""Whatever of a range stands rolled up, the answer is that of its minutes."""

import random
from typing import Any

import pytest

from schemas.metrics import CATALOGUE
from schemas.rollup import DIMENSIONS
from schemas.times import from_ms, parse, text
from tests.integration.api import contacts
from tests.integration.api.conftest import Api, Warehouse
from tests.integration.api.contacts import DAY_MS, HOUR_MS
from tests.integration.api.test_api_metrics import says

Row = dict[str, Any]
MINUTE_MS = 60_000
MONDAY = parse("2026-02-23T00:00:00Z")
DAYS = 4
METRICS = ("contacts_opened", "csat_mean", "wait.p90", "wait.mean", "customers", "complaint_rate")


def _minutes(rng: random.Random) -> list[int]:
    """Some minutes of each hour, none of some hours, on four days."""
    hours = [MONDAY + n * HOUR_MS for n in range(24 * DAYS) if rng.random() < 0.7]
    return sorted({hour + rng.choice((0, 1, 30, 59)) * MINUTE_MS for hour in hours for _ in range(2)})


def _roll(warehouse: Warehouse, rng: random.Random, rows: list[Row], share: float) -> None:
    """Rolls up a share of the hours and days; the others are rolled up to fewer touches and hold nonsense."""
    newest = contacts.newest(rows)
    touches = {hour: rng.randrange(1, 9) for hour in {_start(row, HOUR_MS) for row in newest}}
    warehouse.insert("slice_touches", [_touched(hour, 1) for hour in touches])
    warehouse.insert("slice_touches", [_touched(hour, n - 1) for hour, n in touches.items() if n > 1])
    nonsense = {"opened": 10**6, "connected": 10**6, "csat_sum": 10**6, "customers": [10**6]}
    level = {hour: rng.random() < share for hour in touches}
    for tier, width in (("hour", HOUR_MS), ("day", DAY_MS)):
        stated, rolled = [], {}
        for row in contacts.rolled(newest, width):
            start = _start(row, width)
            of_it = {hour: n for hour, n in touches.items() if hour // width * width == start}
            good = all(level[hour] for hour in of_it)
            rolled[start] = max(0, sum(of_it.values()) - (0 if good else rng.randrange(1, 9)))
            stated.append(row | ({} if good else nonsense) | {"version": rolled[start]})
            if good and rolled[start] > 1:
                stated.append(row | nonsense | {"version": rolled[start] - 1})
        warehouse.insert(f"contact_{tier}s", stated)
        about = {"kind": "contact", "tier": tier}
        warehouse.insert(
            "tiers",
            [about | {"slice": from_ms(at), "touches": n, "rolled_at": from_ms(at)} for at, n in rolled.items()],
        )


def _touched(hour: int, touches: int) -> Row:
    return {"kind": "contact", "hour": from_ms(hour), "touches": touches}


def _start(row: Row, width: int) -> int:
    return round(row["slice"].timestamp() * 1000) // width * width


def _ranges(rng: random.Random) -> list[tuple[int, int]]:
    end = MONDAY + DAYS * DAY_MS
    whole = [(MONDAY, end), (MONDAY + DAY_MS, MONDAY + 3 * DAY_MS), (MONDAY + HOUR_MS, end - 5 * HOUR_MS)]
    ragged = [sorted(rng.sample(range(MONDAY, end, MINUTE_MS), 2)) for _ in range(5)]
    return whole + [(start, until) for start, until in ragged]


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_any_mixture_of_levels_answers_as_the_minutes_do(api: Api, warehouse: Warehouse, share: float) -> None:
    rng = random.Random(f"mixture {share}")
    rows = contacts.random_slices(rng, _minutes(rng))
    warehouse.insert("contact_slices", rows)
    _roll(warehouse, rng, rows, share)
    for start, end in _ranges(rng):
        for by in ((), ("team",)):
            groups = contacts.by_group(contacts.newest(rows), by, start, end)
            for id in METRICS:
                answer = api.get(f"/v1/metrics/{id}", from_=text(start), to=text(end), by=",".join(by))["rows"]
                found = {tuple(row[name] for name in by): row for row in answer}
                assert found.keys() == (groups.keys() if by else {()})
                for group, sums in groups.items():
                    says(found[group], CATALOGUE[id].compute(sums))


@pytest.mark.parametrize("step", ["1h", "90m", "24h", "36h", "6h"])
def test_steps_use_what_lies_in_one_of_them(api: Api, warehouse: Warehouse, step: str) -> None:
    rng = random.Random(step)
    rows = contacts.random_slices(rng, _minutes(rng))
    warehouse.insert("contact_slices", rows)
    _roll(warehouse, rng, rows, 0.9)
    length = int(step[:-1]) * (HOUR_MS if step.endswith("h") else MINUTE_MS)
    for start in (MONDAY, MONDAY + 7 * HOUR_MS, MONDAY + 12 * HOUR_MS + MINUTE_MS):
        end = MONDAY + DAYS * DAY_MS
        for id in ("contacts_opened", "wait.p90"):
            answer = api.get(f"/v1/metrics/{id}", from_=text(start), to=text(end), step=step)["rows"]
            for row, at in zip(answer, range(start, end, length), strict=True):
                groups = contacts.by_group(contacts.newest(rows), (), at, min(at + length, end))
                assert row["t"] == text(at)
                says(row, CATALOGUE[id].compute(groups.get((), contacts.summed([]))))


def test_what_is_level_is_not_read_from_the_minutes(api: Api, warehouse: Warehouse) -> None:
    rng = random.Random(1)
    rows = contacts.random_slices(rng, _minutes(rng))
    _roll(warehouse, rng, rows, 1.0)
    [total] = contacts.by_group(contacts.newest(rows), (), MONDAY, MONDAY + DAYS * DAY_MS).values()
    range_ = {"from_": text(MONDAY), "to": text(MONDAY + DAYS * DAY_MS)}
    says(api.get("/v1/metrics/csat_mean", **range_)["rows"][0], CATALOGUE["csat_mean"].compute(total))
    hourly = api.get("/v1/metrics/contacts_opened", step="1h", **range_)["rows"]
    assert sum(row["value"] for row in hourly) == total.counts["opened"]


def test_clocks_have_tiers_of_their_own(api: Api, warehouse: Warehouse) -> None:
    ends = {"clock": "connect", "met": 3, "breached": 1, "cancelled": 2, "stopped": 3, "elapsed_ms": 9}
    about = dict.fromkeys(DIMENSIONS) | ends | {"version": 4, "team": "a"}
    warehouse.insert("clock_hours", [about | {"slice": from_ms(MONDAY + HOUR_MS), "series": 1}])
    warehouse.insert("slice_touches", [{"kind": "clock", "hour": from_ms(MONDAY + HOUR_MS), "touches": 4}])
    about |= {"partition": 0, "generation": 0}
    warehouse.insert("clock_slices", [about | {"slice": from_ms(MONDAY + HOUR_MS), "met": 50}])
    warehouse.insert("clock_slices", [about | {"slice": from_ms(MONDAY), "met": 7}])
    asked = {"from_": text(MONDAY), "to": text(MONDAY + DAY_MS), "by": "team"}
    counts = {"clock": "connect", "team": "a", "running": 0, "paused": 0}
    [minutes] = api.get("/v1/sla/compliance", **asked)["rows"]
    assert minutes == counts | {"met": 57, "breached": 2, "cancelled": 4, "compliance": 57 / 59}
    warehouse.insert(
        "tiers",
        [{"kind": "clock", "tier": "hour", "slice": from_ms(MONDAY + HOUR_MS), "touches": 4, "rolled_at": from_ms(0)}],
    )
    [mixed] = api.get("/v1/sla/compliance", **asked)["rows"]
    assert mixed == counts | {"met": 10, "breached": 2, "cancelled": 4, "compliance": 10 / 12}
    by_hour = api.get("/v1/sla/timeseries", step="1h", **asked)["rows"]
    assert [row["met"] for row in by_hour[:3]] == [7, 3, 0]
