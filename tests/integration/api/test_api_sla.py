"""SLA compliance over HTTP against a plain reading of the same outcomes."""

import random
from typing import Any

import pytest

from schemas.times import parse, text
from tests.e2e.board.world import MINUTE_MS, outcome
from tests.integration.api import oracle
from tests.integration.api.conftest import NOW, Api, Warehouse

Row = dict[str, Any]
END_OF_MINUTE = parse("2026-03-02T10:21:00Z")


def test_an_empty_database_has_no_rows(api: Api) -> None:
    answer = api.get("/v1/sla/compliance", window="15m")
    assert answer == {"from": "2026-03-02T10:06:00.000Z", "to": "2026-03-02T10:21:00.000Z", "rows": []}
    series = api.get("/v1/sla/timeseries", window="15m", step="5m", by="team")
    assert series["rows"] == []
    assert series["step_s"] == 300


def _fill(warehouse: Warehouse, seed: int) -> list[Row]:
    rng = random.Random(seed)
    rows = oracle.random_outcomes(rng, 300, NOW)
    half = len(rows) // 2
    warehouse.insert("outcomes", rows[:half])
    warehouse.insert("outcomes", rows[half:])
    warehouse.insert("clock_slices", oracle.slices(rng, rows))
    return rows


def test_any_range_and_grouping_equals_the_oracle(api: Api, warehouse: Warehouse) -> None:
    rows = _fill(warehouse, 1)
    rng = random.Random(2)
    for by in ((), ("channel",), ("team", "priority", "channel"), ("agent_id",)):
        for aligned in (True, False):
            start = NOW // MINUTE_MS * MINUTE_MS - rng.randrange(40) * MINUTE_MS
            start += 0 if aligned else rng.choice((1, 59_999, 12_345))
            end = start + rng.randrange(1, 20) * MINUTE_MS
            answer = api.get("/v1/sla/compliance", from_=text(start), to=text(end), by=",".join(by))
            assert (answer["from"], answer["to"]) == (text(start), text(end))
            assert oracle.unordered(answer["rows"]) == oracle.unordered(oracle.compliance(rows, start, end, by))


def test_slices_and_outcomes_agree(api: Api, warehouse: Warehouse) -> None:
    _fill(warehouse, 3)
    start, end = NOW // MINUTE_MS * MINUTE_MS - 20 * MINUTE_MS, END_OF_MINUTE
    from_slices = api.get("/v1/sla/compliance", from_=text(start), to=text(end), by="channel,team")["rows"]
    assert from_slices
    warehouse.client.command("TRUNCATE TABLE clock_slices")
    # A millisecond later nothing is whole minutes; what lies in that millisecond is added.
    late = api.get("/v1/sla/compliance", from_=text(start + 1), to=text(end), by="channel,team")["rows"]
    first = api.get("/v1/sla/compliance", from_=text(start), to=text(start + 1), by="channel,team")["rows"]
    total = {_group(row): row["met"] + row["breached"] + row["cancelled"] for row in late}
    for row in first:
        total[_group(row)] += row["met"] + row["breached"] + row["cancelled"]
    assert total == {_group(row): row["met"] + row["breached"] + row["cancelled"] for row in from_slices}


def _group(row: Row) -> tuple[Any, ...]:
    return (row["clock"], row["channel"], row["team"])


@pytest.mark.parametrize("step", ["1m", "7m", "90s"])
def test_a_timeseries_is_dense_and_equals_the_oracle_step_by_step(api: Api, warehouse: Warehouse, step: str) -> None:
    rows = _fill(warehouse, 4)
    start, end = END_OF_MINUTE - 20 * MINUTE_MS, END_OF_MINUTE
    length = {"1m": 60_000, "7m": 420_000, "90s": 90_000}[step]
    answer = api.get("/v1/sla/timeseries", from_=text(start), to=text(end), by="team", step=step)["rows"]
    groups = {(row["clock"], row["team"]) for row in answer}
    starts = list(range(start, end, length))
    assert len(answer) == len(groups) * len(starts)
    for at in starts:
        until = min(at + length, end)
        expected = {(row["clock"], row["team"]): row for row in oracle.compliance(rows, at, until, ("team",))}
        present = at <= NOW < until
        for row in (row for row in answer if row["t"] == text(at)):
            want = expected.get((row["clock"], row["team"]), {})
            for count in ("met", "breached", "cancelled"):
                assert row[count] == want.get(count, 0)
            for count in ("running", "paused"):
                assert row[count] == (want.get(count, 0) if present else None)
            assert row["compliance"] == want.get("compliance")


def test_filters_take_several_values_odd_ones_and_none(api: Api, warehouse: Warehouse) -> None:
    rows = _fill(warehouse, 5)
    for wanted in (["it's", "tab\tbed"], ["back\\slash"], ['quo"te', "{x:String}", "行云"], [""]):
        for start in (NOW - 30 * MINUTE_MS, NOW // MINUTE_MS * MINUTE_MS - 30 * MINUTE_MS):
            end = start + 20 * MINUTE_MS
            answer = api.get("/v1/sla/compliance", from_=text(start), to=text(end), channel=wanted, clock="resolution")
            passing = [row for row in rows if (row["channel"] or "") in wanted and row["clock"] == "resolution"]
            assert oracle.unordered(answer["rows"]) == oracle.unordered(oracle.compliance(passing, start, end))


def test_a_breached_clock_that_runs_on_counts_at_its_due_instant(api: Api, warehouse: Warehouse) -> None:
    due = parse("2026-03-02T10:10:00.000Z")
    warehouse.insert("outcomes", [outcome(state="breached", started_ms=due - 60_000, due_ms=due, breached_ms=due)])
    just = api.get("/v1/sla/compliance", from_=text(due), to=text(due + 1))["rows"]
    assert [(row["breached"], row["running"], row["compliance"]) for row in just] == [(1, 0, 0.0)]
    assert api.get("/v1/sla/compliance", from_=text(due - 1), to=text(due))["rows"] == []


def test_more_groups_than_can_be_answered_are_refused(api: Api, warehouse: Warehouse) -> None:
    warehouse.client.command(
        "INSERT INTO outcomes (case_id, clock, state, started_at, stopped_at, agent_id, version)"
        " SELECT toString(number), 'connect', 'met', '2026-03-02 10:15:00', '2026-03-02 10:15:00', toString(number), 1"
        " FROM numbers(10050)"
    )
    range_ = {"from_": "2026-03-02T10:15:00Z", "to": "2026-03-02T10:15:00.001Z"}
    assert "10,000 groups" in api.get("/v1/sla/compliance", 422, by="agent_id", **range_)["detail"]
    [row] = api.get("/v1/sla/compliance", **range_)["rows"]
    assert row["met"] == 10_050


def test_a_plus_that_became_a_space_is_understood(api: Api) -> None:
    answer = api.get("/v1/sla/compliance", from_="2026-03-02T18:00:00 08:00", to="2026-03-02T11:00:00Z")
    assert answer["from"] == "2026-03-02T10:00:00.000Z"
