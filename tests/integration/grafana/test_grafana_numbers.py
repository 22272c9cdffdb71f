"""What the boards show is what the API answers."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from grafana import sla, sql
from grafana.operations import SERVICE_LEVELS
from schemas import times
from schemas.metrics import CATALOGUE, Metric, Source
from schemas.rollup import DIMENSIONS
from tests.integration.grafana.conftest import World, panels, query_of
from tests.integration.grafana.traffic import FIRST, NOW

SUMMED = [metric for metric in CATALOGUE.values() if metric.source is Source.SLICES]
BY_TITLE = {metric.en: metric for metric in CATALOGUE.values()}
STATS = [panel["title"] for panel in panels("operations") if panel["type"] == "stat" and panel["title"] in BY_TITLE]

FILTERS: list[dict[str, list[str]]] = [
    {},
    {"team": ["billing", "it's"]},
    {"team": ["(none)"], "channel": ["chat", "phone"]},
    {"clock": ["first_response"], "priority": ["L1", "(none)"], "agent_id": ["a1", "a2", "(none)"]},
    {"customer_tier": ["vip"], "category": ["refund", "(none)"]},
]


def same(shown: Any, answered: Any) -> bool:
    """Equal but for the last bits of a quotient."""
    return bool(shown == answered or (None not in (shown, answered) and shown == pytest.approx(answered, rel=1e-12)))


def asked(chosen: dict[str, list[str]]) -> dict[str, list[str]]:
    """A board's choice as the API's filters: there, empty means "has none"."""
    return {name: ["" if value == "(none)" else value for value in values] for name, values in chosen.items()}


def t_of(instant: Any) -> str:
    """When a row begins, as the API writes it."""
    return times.text(int(instant.timestamp() * 1000))


@pytest.mark.parametrize("metric", SUMMED, ids=lambda metric: metric.id)
def test_every_formula_in_sql_is_the_catalogues(world: World, metric: Metric) -> None:
    statement = sql.over_slices("contact_slices", {"shown": sql.value(metric)}, by=("channel",))
    shown = {row["channel"]: row["shown"] for row in world.ask(statement)}
    answered = {
        row["channel"] or "(none)": row["value"] for row in world.api(f"/v1/metrics/{metric.id}", by="channel")["rows"]
    }
    assert shown.keys() == answered.keys() and len(shown) == 3
    for channel, value in shown.items():
        assert same(value, answered[channel]), (channel, value, answered[channel])


def test_a_formula_of_open_cases_is_not_one_of_slices() -> None:
    with pytest.raises(ValueError, match="backlog"):
        sql.value(CATALOGUE["backlog"])


@pytest.mark.parametrize("title", STATS)
def test_a_number_on_top_is_the_apis(world: World, title: str) -> None:
    [row] = world.ask(query_of("operations", title))
    [answered] = world.api(f"/v1/metrics/{BY_TITLE[title].id}")["rows"]
    assert same(row[title], answered["value"])


def test_the_top_row_shows_volume_response_time_satisfaction_and_complaints() -> None:
    wanted = {"contacts_opened", "contacts_connected", "contacts_abandoned", "backlog", "waiting", "oldest_waiting",
              "first_response_time.mean", "first_response_time.p90", "asa", "csat_mean", "csat_pass_rate",
              "complaint_rate"}  # fmt: skip
    top = [panel["title"] for panel in panels("operations") if panel["gridPos"]["y"] < 9]
    assert {BY_TITLE[title].id for title in top} == wanted


@pytest.mark.parametrize("title", ["Volume", "Response time"])
@pytest.mark.parametrize("step_s", [60, 300, 1200])
def test_metrics_over_time_are_the_apis_steps(world: World, title: str, step_s: int) -> None:
    rows = world.ask(query_of("operations", title), step_s=step_s)
    shown = {t_of(row.pop("time")): row for row in rows}
    assert len(shown) > 7
    for name in rows[0]:
        steps = world.api(f"/v1/metrics/{BY_TITLE[name].id}", step=f"{step_s}s")["rows"]
        assert {t: row[name] for t, row in shown.items()} == pytest.approx(
            {step["t"]: step["value"] for step in steps if step["t"] in shown}
        )
        # What has no row has nothing.
        assert not any(step["n"] for step in steps if step["t"] not in shown)


@pytest.mark.parametrize(
    ("name", "title", "by"),
    [
        ("operations", "SLA compliance by clock", "clock"),
        ("operations", "SLA compliance by channel", "channel"),
        ("sla", "SLA compliance by clock", "clock"),
    ],
)
def test_compliance_over_time_is_the_apis_steps(world: World, name: str, title: str, by: str) -> None:
    rows = world.ask(query_of(name, title))
    shown = {(t_of(row["time"]), row[by]): row["SLA compliance"] for row in rows}
    assert len(shown) == len(rows) > 60
    tally: dict[tuple[str, str], Counter[str]] = {}
    for step in world.api("/v1/sla/timeseries", step="5m", by=None if by == "clock" else by)["rows"]:
        tally.setdefault((step["t"], step[by] or "(none)"), Counter()).update(
            met=step["met"], ended=step["met"] + step["breached"]
        )
    for place, value in shown.items():
        assert same(value, tally[place]["met"] / tally[place]["ended"] if tally[place]["ended"] else None)
    assert not any(counts["ended"] for place, counts in tally.items() if place not in shown)


def test_the_five_service_levels_are_the_apis(world: World) -> None:
    rows = world.ask(query_of("operations", "Service level, five conventions"))
    assert len(rows) == 5
    for row, id in zip(rows, SERVICE_LEVELS, strict=True):
        [answered] = world.api(f"/v1/metrics/{id}")["rows"]
        assert CATALOGUE[id].en == f"Service level, {row['Convention']}"
        shown = row["Service level"], row["Successes"], row["Counted"]
        assert shown == (answered["value"], answered["numerator"], answered["denominator"])


def test_open_cases_by_channel_are_the_apis(world: World) -> None:
    rows = {row["Channel"]: row for row in world.ask(query_of("operations", "Open cases by channel"))}
    assert len(rows) == 3
    for column, id in (("Backlog", "backlog"), ("Waiting", "waiting"), ("Longest wait", "oldest_waiting")):
        answered = world.api(f"/v1/metrics/{id}", by="channel")["rows"]
        assert {channel: row[column] for channel, row in rows.items()} == {
            row["channel"] or "(none)": row["value"] for row in answered
        }
    ages = world.api("/v1/metrics/backlog_age.p99", by="channel")["rows"]
    assert all(rows[row["channel"] or "(none)"]["Oldest case"] >= row["value"] for row in ages)


def test_open_cases_of_a_range_in_the_past_are_those_at_its_end(world: World) -> None:
    asked = {"from": "2026-03-02T09:00:00Z", "to": "2026-03-02T09:10:00Z", "step": "10m"}
    for id in ("backlog", "waiting", "oldest_waiting"):
        title = CATALOGUE[id].en
        [shown] = world.ask(query_of("operations", title), to_ms=times.parse(asked["to"]))
        [answered] = world.api(f"/v1/metrics/{id}", **asked)["rows"]
        [present] = world.ask(query_of("operations", title))
        assert shown[title] == answered["value"] != present[title]


@pytest.mark.parametrize(("within_s", "within"), [("300", "5m"), ("900", "15m"), ("3600", "1h")])
def test_clocks_at_risk_are_the_apis(world: World, within_s: str, within: str) -> None:
    rows = world.ask(query_of("operations", "At risk"), within=within_s)
    answer = world.http.get("/v1/cases/at-risk", params={"within": within}, headers={"X-API-Key": "test-key"}).json()
    assert len(rows) > 10
    assert [
        (row["Case"], row["Clock"], row["Due in"], t_of(row["Due"]), row["Team"], row["Channel"], row["Level"])
        for row in rows
    ] == [
        tuple(row[name] for name in ("case_id", "clock", "remaining_s", "due_at", "team", "channel", "priority"))
        for row in answer["rows"]
    ]  # fmt: skip


def _or_now(instant: str | None) -> int:
    return NOW if instant is None else times.parse(instant)


@pytest.mark.parametrize(("name", "title"), [("operations", "Breached in the range"), ("sla", "Breaches")])
def test_breaches_are_the_clocks_that_were_due_in_the_range(world: World, name: str, title: str) -> None:
    rows = world.ask(query_of(name, title))
    breached = sorted(
        (-times.parse(row.breached_at), row.case_id, row.clock, row.seq, _or_now(row.stopped_at))
        for row in world.traffic.outcomes
        if row.state == "breached" and row.breached_at and FIRST <= times.parse(row.breached_at) <= NOW
    )
    assert len(rows) > 90
    assert [(-int(row["Due"].timestamp() * 1000), row["Case"], row["Clock"]) for row in rows] == [
        row[:3] for row in breached[: len(rows)]
    ]
    # Until it was answered, or until the end of the range.
    assert [row["Overdue"] for row in rows] == [(until + due) / 1000 for due, *_, until in breached[: len(rows)]]
    assert len({row["Overdue"] for row in rows}) > 1


def test_data_behind_and_late_events_are_the_apis_stamp(world: World) -> None:
    fresh = world.api("/v1/metrics/contacts_opened")["freshness"]
    [behind] = world.ask(query_of("operations", "Data behind"))
    [late] = world.ask(query_of("operations", "Late events"))
    assert behind["Behind"] == fresh["behind_s"] > 0
    assert late["Late events"] == pytest.approx(fresh["late_share"])


def _tally(world: World, key: Callable[[dict[str, Any]], str], by: str | None, chosen: dict[str, list[str]]) -> Any:
    """The API's counts, added up by what `key` says of a row."""
    found: dict[str, Counter[str]] = {}
    for row in world.api("/v1/sla/compliance", by=by, **asked(chosen))["rows"]:
        counts = {name: row[name] for name in ("met", "breached", "cancelled", "running", "paused")}
        found.setdefault(key(row), Counter()).update(counts)
    return found


def _compliance(counts: Counter[str]) -> float | None:
    ended = counts["met"] + counts["breached"]
    return counts["met"] / ended if ended else None


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
def test_numbers_of_the_drill_down_are_the_apis(world: World, chosen: dict[str, list[str]]) -> None:
    total = _tally(world, lambda row: "all", None, chosen)["all"]
    for title, column in (("Met", "met"), ("Breached", "breached"), ("Cancelled", "cancelled"), ("Running", "running"),
                          ("Paused", "paused")):  # fmt: skip
        assert world.ask(query_of("sla", title), **chosen) == [{title: total[column]}]
    [shown] = world.ask(query_of("sla", "SLA compliance"), **chosen)
    assert same(shown["SLA compliance"], _compliance(total))


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
def test_clocks_of_the_drill_down_are_the_apis(world: World, chosen: dict[str, list[str]]) -> None:
    rows = world.ask(query_of("sla", "Clocks"), **chosen)
    found = _tally(world, lambda row: str(row["clock"]), None, chosen)
    assert [row["Clock"] for row in rows] == sorted(found)
    for row in rows:
        counts = found[row["Clock"]]
        assert {name: row[name.capitalize()] for name in counts} == counts
        assert same(row["Compliance"], _compliance(counts))


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
@pytest.mark.parametrize("by", [name for name in DIMENSIONS if name in sla.FILTERS])
def test_tables_of_the_drill_down_are_the_apis(world: World, by: str, chosen: dict[str, list[str]]) -> None:
    label = sla.FILTERS[by]
    rows = world.ask(query_of("sla", "Categories" if by == "category" else f"{label}s"), **chosen)
    found = _tally(world, lambda row: row[by] or "(none)", by, chosen)
    assert [row["Breached"] for row in rows] == sorted((row["Breached"] for row in rows), reverse=True)
    shown = {row[label]: row for row in rows}
    assert len(shown) == len(rows)
    for value, counts in found.items():
        row = shown.pop(value, {"Met": 0, "Breached": 0, "Cancelled": 0, "Compliance": None})
        assert (row["Met"], row["Breached"], row["Cancelled"]) == (
            counts["met"],
            counts["breached"],
            counts["cancelled"],
        )
        assert same(row["Compliance"], _compliance(counts))
    assert not any(row["Met"] + row["Breached"] + row["Cancelled"] for row in shown.values())


def test_where_the_time_went_adds_up_who_held_the_clocks(world: World) -> None:
    held: Counter[str] = Counter()
    for row in world.traffic.outcomes:
        ended = row.breached_at if row.state == "breached" else row.stopped_at
        if ended and FIRST <= times.parse(ended) <= NOW:
            for holder, seconds in row.held.items():
                held[holder.partition(":")[0]] += int(seconds)
    rows = world.ask(query_of("sla", "Where the time went"))
    assert {row["Holder"]: row["Time"] for row in rows} == held
