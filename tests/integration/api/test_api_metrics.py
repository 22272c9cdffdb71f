"""Metrics over HTTP: the catalogue's formulas over slices in ClickHouse."""

import random
from typing import Any

import pytest

from schemas.metrics import ALIASES, CATALOGUE, MetricValue, Source
from schemas.rollup import DIMENSIONS
from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS
from tests.integration.api import contacts
from tests.integration.api.conftest import NOW, Api, Warehouse
from tests.integration.api.contacts import Row

MINUTE = NOW // MINUTE_MS * MINUTE_MS
SUMMED = [metric for metric in CATALOGUE.values() if metric.source is Source.SLICES]


def says(row: Row, want: MetricValue, *, exactly: bool = False) -> None:
    """Asserts that a row of an answer carries a value."""
    assert (row["n"], row["denominator"]) == (want.n, want.denominator)
    assert row["numerator"] == pytest.approx(want.numerator)
    assert row["value"] == (want.value if exactly else pytest.approx(want.value))
    assert row["ci"] == (None if want.ci is None else pytest.approx(list(want.ci), rel=1e-6, abs=1e-6))


def test_an_empty_database_answers_without_value(api: Api) -> None:
    answer = api.get("/v1/metrics/asa")
    nothing = {"value": None, "n": 0, "numerator": 0, "denominator": 0, "ci": None, "provisional": False}
    assert answer["rows"] == [nothing]
    assert answer["freshness"] == {
        "stream_time": None, "behind_s": None, "late_share": None, "silent": [], "folded": {},
    }  # fmt: skip
    assert api.get("/v1/metrics/contacts_opened")["rows"][0]["value"] == 0
    assert api.get("/v1/metrics/asa", by="team", step="1m")["rows"] == []
    for metric in CATALOGUE.values():
        [row] = api.get(f"/v1/metrics/{metric.id}")["rows"]
        assert row["value"] in (None, 0) and row["n"] == 0


@pytest.mark.parametrize("by", [(), ("channel",), ("team", "channel")])
def test_every_metric_is_its_formula_over_summed_slices(api: Api, warehouse: Warehouse, by: tuple[str, ...]) -> None:
    rows = contacts.random_slices(random.Random(11), range(MINUTE - 25 * MINUTE_MS, MINUTE, MINUTE_MS))
    warehouse.insert("contact_slices", rows)
    warehouse.insert("contact_slices", rows[::5])
    start, end = MINUTE - 20 * MINUTE_MS, MINUTE - 3 * MINUTE_MS
    groups = contacts.by_group(contacts.newest(rows), by, start, end)
    for metric in SUMMED:
        answer = api.get(f"/v1/metrics/{metric.id}", from_=text(start), to=text(end), by=",".join(by))
        assert (answer["id"], answer["unit"], answer["from"], answer["to"]) == (
            metric.id, metric.unit, text(start), text(end),
        )  # fmt: skip
        found = {tuple(row[name] for name in by): row for row in answer["rows"]}
        assert found.keys() == groups.keys()
        for group, sums in groups.items():
            says(found[group], metric.compute(sums), exactly=metric.quantile is not None)


def test_quantiles_in_clickhouse_are_those_of_the_histogram_at_every_rank(api: Api, warehouse: Warehouse) -> None:
    about = dict.fromkeys(DIMENSIONS) | {"counts": {}, "customers": [], "partition": 0, "generation": 0, "version": 1}
    rows = [
        about | {"slice": from_ms(MINUTE), "agent_id": str(n), "durations": {"handle": dict.fromkeys(range(n), 1)}}
        for n in range(1, 300)
    ]
    warehouse.insert("contact_slices", rows)
    for q in ("p50", "p90", "p95", "p99"):
        metric = CATALOGUE[f"handle_time.{q}"]
        found = {row["agent_id"]: row["value"] for row in api.get(f"/v1/metrics/{metric.id}", by="agent_id")["rows"]}
        assert found == {row["agent_id"]: metric.compute(contacts.summed([row])).value for row in rows}


def test_an_alias_answers_under_the_real_id(api: Api) -> None:
    for alias, id in ALIASES.items():
        assert api.get(f"/v1/metrics/{alias}")["id"] == id


def test_filters_take_any_dimension_and_none(api: Api, warehouse: Warehouse) -> None:
    rows = contacts.random_slices(random.Random(3), range(MINUTE - 5 * MINUTE_MS, MINUTE, MINUTE_MS))
    warehouse.insert("contact_slices", rows)
    for chosen in ({"channel": ["app"]}, {"team": ["", "b"]}, {"channel": ["行云"], "team": ["it's"]}):
        passing = [row for row in contacts.newest(rows) if all((row[n] or "") in chosen[n] for n in chosen)]
        want = CATALOGUE["wait.mean"].compute(contacts.summed(passing))
        says(api.get("/v1/metrics/wait", window="10m", **chosen)["rows"][0], want)


@pytest.mark.parametrize("step", ["1m", "7m", "20m"])
def test_steps_are_dense_and_each_is_its_own_sum(api: Api, warehouse: Warehouse, step: str) -> None:
    rows = contacts.random_slices(random.Random(5), range(MINUTE - 30 * MINUTE_MS, MINUTE, 3 * MINUTE_MS))
    warehouse.insert("contact_slices", rows)
    start, end, length = MINUTE - 40 * MINUTE_MS, MINUTE + MINUTE_MS, int(step[:-1]) * MINUTE_MS
    for id in ("csat_mean", "resolution_time.p90", "contacts_opened", "wait.mean", "customers"):
        answer = api.get(f"/v1/metrics/{id}", from_=text(start), to=text(end), by="team", step=step)["rows"]
        starts = list(range(start, end, length))
        assert [row["t"] for row in answer] == [text(at) for at in starts] * len({row["team"] for row in answer})
        for at in starts:
            groups = contacts.by_group(contacts.newest(rows), ("team",), at, min(at + length, end))
            for row in (row for row in answer if row["t"] == text(at)):
                want = CATALOGUE[id].compute(groups.get((row["team"],), contacts.summed([])))
                says(row, want)


def test_compliance_by_clock_comes_from_the_clocks(api: Api, warehouse: Warehouse) -> None:
    about: Row = dict.fromkeys(DIMENSIONS) | {"slice": from_ms(MINUTE - MINUTE_MS), "partition": 0, "generation": 0}
    for clock, met, breached in (("connect", 8, 2), ("resolution", 1, 3)):
        ends = {"clock": clock, "met": met, "breached": breached, "cancelled": 5, "stopped": 0, "elapsed_ms": 0}
        warehouse.insert("clock_slices", [about | ends | {"version": 1, "team": "a"}])
    warehouse.insert(
        "contact_slices",
        [about | {"counts": {"clocks_met": 9, "clocks_ended": 14, "events": 4}, "durations": {}, "version": 1}],
    )
    by_clock = api.get("/v1/metrics/sla_compliance", by="clock,team")
    found = [(row["clock"], row["team"], row["numerator"], row["denominator"]) for row in by_clock["rows"]]
    assert found == [("connect", "a", 8, 10), ("resolution", "a", 1, 4)]
    assert by_clock["freshness"]["late_share"] == 0
    [only] = api.get("/v1/metrics/sla_compliance", clock="resolution")["rows"]
    assert (only["value"], only["ci"]) == (0.25, pytest.approx([0.0456, 0.6994], abs=1e-4))
    assert api.get("/v1/metrics/sla_compliance")["rows"][0]["value"] == 9 / 14


def _one(warehouse: Warehouse, api: Api, id: str, counts: dict[str, int], durations: Any = None) -> Row:
    about = dict.fromkeys(DIMENSIONS) | {"slice": from_ms(MINUTE), "partition": 0, "generation": 0, "version": 1}
    warehouse.client.command("TRUNCATE TABLE contact_slices")
    warehouse.insert("contact_slices", [about | {"counts": counts, "durations": durations or {}}])
    row: Row = api.get(f"/v1/metrics/{id}")["rows"][0]
    return row


def test_intervals_by_worked_examples(api: Api, warehouse: Warehouse) -> None:
    # Newcombe (1998), and any table of Wilson's score interval: 10 of 100.
    row = _one(warehouse, api, "complaint_rate", {"complaints": 10, "opened": 100})
    assert row["ci"] == pytest.approx([0.0552, 0.1744], abs=1e-4)
    # 5, 4, 4, 3: mean 4, variance 2/3; 1.96 standard errors are 0.8002.
    answers = {"csat_answers": 4, "csat_sum": 16, "csat_squares": 66}
    assert _one(warehouse, api, "csat_mean", answers)["ci"] == pytest.approx([3.1998, 4.8002], abs=1e-4)
    assert _one(warehouse, api, "csi", answers)["ci"] == pytest.approx([54.996, 95.004], abs=1e-3)
    # 6 promoters, 2 detractors of 10: 40 points; variance (8 - 16/10)/9.
    row = _one(warehouse, api, "nps", {"nps_answers": 10, "nps_promoters": 6, "nps_detractors": 2})
    assert (row["value"], row["ci"]) == (40.0, pytest.approx([-12.266, 92.266], abs=1e-3))
    # More surveys than resolved cases are no share of a whole; one answer has no spread.
    assert _one(warehouse, api, "survey_response_rate", {"surveys": 5, "resolved": 3})["ci"] is None
    assert _one(warehouse, api, "csat_mean", {"csat_answers": 1, "csat_sum": 4, "csat_squares": 16})["ci"] is None


def test_provisional_until_the_repeat_window_has_passed(api: Api, warehouse: Warehouse) -> None:
    week = 7 * contacts.DAY_MS
    stream = {"partition": 0, "stream_time": from_ms(NOW), "position": 1, "open_cases": 0, "version": 1}
    range_ = {"from_": text(MINUTE - week - 10 * MINUTE_MS), "to": text(MINUTE - week)}
    assert api.get("/v1/metrics/fcr", **range_)["rows"][0]["provisional"] is True  # the stream has never run
    warehouse.insert("watermarks", [stream])
    assert api.get("/v1/metrics/fcr", **range_)["rows"][0]["provisional"] is False
    assert api.get("/v1/metrics/fcr")["rows"][0]["provisional"] is True
    assert api.get("/v1/metrics/asa")["rows"][0]["provisional"] is False
    range_["to"] = text(MINUTE - week + 2 * MINUTE_MS)
    steps = api.get("/v1/metrics/resolved_within_3", step="1m", **range_)["rows"]
    assert [row["provisional"] for row in steps] == [False] * 10 + [True, True]


def test_too_many_groups_and_rows_are_refused(api: Api, warehouse: Warehouse) -> None:
    warehouse.client.command(
        "INSERT INTO contact_slices (slice, agent_id, counts, partition, generation, version)"
        " SELECT '2026-03-02 10:15:00', toString(number), map('opened', 1), 0, 0, 1 FROM numbers(10050)"
    )
    assert "10,000 groups" in api.get("/v1/metrics/contacts_opened", 422, by="agent_id")["detail"]
    warehouse.client.command(
        "ALTER TABLE contact_slices DELETE WHERE toUInt32(agent_id) >= 9000 SETTINGS mutations_sync = 1"
    )
    said = api.get("/v1/metrics/contacts_opened", 422, by="agent_id", step="1m", window="1h")["detail"]
    assert said == "step: 9,000 groups x 60 steps are over 200,000 rows; filter or step longer."
    assert api.get("/v1/metrics/contacts_opened")["rows"][0]["value"] == 9_000
