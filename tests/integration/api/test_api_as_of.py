"""Answers as they would have been given then, against a plain reading of everything that was told."""

import random
from urllib.parse import quote

import pytest

from schemas.times import from_ms, parse, text, to_ms
from tests.e2e.board.world import MINUTE_MS, events_of_the_odd_case, outcome
from tests.integration.api import oracle, told
from tests.integration.api.conftest import NOW, Api, Warehouse
from tests.integration.api.told import Row

ODD = quote("case/ä 1?#%", safe="")


def fill(warehouse: Warehouse, seed: int, clocks: int = 200) -> list[Row]:
    """Inserts a random log in random lots, a part of it again."""
    rng = random.Random(seed)
    log = told.random_log(rng, clocks, NOW)
    rows = told.as_inserted(log + rng.sample(log, len(log) // 5))
    rng.shuffle(rows)
    for start in range(0, len(rows), len(rows) // 3):
        warehouse.insert("outcomes", rows[start : start + len(rows) // 3])
    return log


@pytest.fixture
def log(warehouse: Warehouse) -> list[Row]:
    return fill(warehouse, 1)


def test_every_told_version_is_kept_once(api: Api, warehouse: Warehouse, log: list[Row]) -> None:
    found = warehouse.client.query("SELECT clock, case_id, seq, version FROM outcome_history FINAL").result_rows
    assert sorted(found) == sorted({(row["clock"], row["case_id"], row["seq"], row["version"]) for row in log})


def test_compliance_as_of_equals_the_oracle_at_any_instant(api: Api, log: list[Row]) -> None:
    rng = random.Random(2)
    instants = [rng.choice(log)["told_ms"] + rng.choice((-1, 0, 0, 1)) for _ in range(12)] + [NOW - 3_600_000 * 24]
    for by in ((), ("team", "channel")):
        for as_of in instants:
            start, end = as_of - rng.randrange(1, 20) * MINUTE_MS, as_of + rng.choice((0, 1, 300_000))
            answer = api.get(
                "/v1/sla/compliance", from_=text(start), to=text(end), by=",".join(by), as_of=text(as_of)
            )  # fmt: skip
            assert answer["as_of"] == text(as_of)
            then = told.known(log, as_of)
            assert oracle.unordered(answer["rows"]) == oracle.unordered(oracle.compliance(then, start, end, by))


def test_a_window_ends_with_the_minute_of_the_instant(api: Api, log: list[Row]) -> None:
    answer = api.get("/v1/sla/compliance", window="5m", as_of="2026-03-02T10:11:12.345Z", team="a")
    assert (answer["from"], answer["to"]) == ("2026-03-02T10:07:00.000Z", "2026-03-02T10:12:00.000Z")


def test_a_timeseries_as_of_counts_open_clocks_at_that_instant(api: Api, log: list[Row]) -> None:
    as_of = NOW - 7 * MINUTE_MS
    answer = api.get("/v1/sla/timeseries", window="20m", step="5m", as_of=text(as_of))
    then = told.known(log, as_of)
    for row in answer["rows"]:
        at = parse(row["t"])
        [want] = [r for r in oracle.compliance(then, at, at + 300_000) if r["clock"] == row["clock"]] or [{}]
        assert (row["met"], row["breached"]) == (want.get("met", 0), want.get("breached", 0))
        holds = at <= as_of < at + 300_000
        assert row["running"] == (want.get("running", 0) if holds else None)
    assert answer["as_of"] == text(as_of)


def test_the_future_is_known_no_better_than_the_present(api: Api, log: list[Row]) -> None:
    range_ = {"from_": text(NOW - 1_200_001), "to": text(NOW)}
    ahead = api.get("/v1/sla/compliance", as_of="2031-01-01T00:00:00Z", **range_)
    assert ahead.pop("as_of") == text(NOW)
    assert ahead == api.get("/v1/sla/compliance", **range_)


def test_before_anything_was_told_there_is_nothing(api: Api, log: list[Row]) -> None:
    assert api.get("/v1/sla/compliance", window="1h", as_of=text(NOW - 86_400_000))["rows"] == []
    assert api.get("/v1/sla/timeseries", window="1h", as_of=text(NOW - 86_400_000))["rows"] == []
    said = api.get(f"/v1/cases/{quote(log[0]['case_id'])}", 404, as_of=text(NOW - 86_400_000))["detail"]
    assert said == f"there is no case {log[0]['case_id']!r} known at {text(NOW - 86_400_000)}"


def test_what_is_not_kept_any_more_is_refused(api: Api) -> None:
    for path in ("sla/compliance", "sla/timeseries", "cases/x"):
        said = api.get(f"/v1/{path}", 422, as_of="2025-11-01T00:00:00Z")["detail"]
        assert said == "as_of: what was told when is kept for 90 days; ask for a later time."
    assert "as_of" in api.get("/v1/cases/x", 422, as_of="yesterday")["detail"]


def test_a_case_as_of_has_the_clocks_and_events_known_then(api: Api, warehouse: Warehouse, log: list[Row]) -> None:
    for case_id in {row["case_id"] for row in log}:
        for as_of in {row["told_ms"] for row in log if row["case_id"] == case_id}:
            then = [row for row in told.known(log, as_of) if row["case_id"] == case_id]
            answer = api.get(f"/v1/cases/{quote(case_id)}", 200 if then else 404, as_of=text(as_of))
            if then:
                found = {(c["clock"], c["seq"], c["state"], c["stopped_at"], c["team"]) for c in answer["clocks"]}
                assert found == {
                    (r["clock"], r["seq"], r["state"], r["stopped_at"] and text(to_ms(r["stopped_at"])), r["team"])
                    for r in then
                }
                assert answer["as_of"] == text(as_of)
        break
    events = list(events_of_the_odd_case(NOW))
    warehouse.insert("events", events)
    received = sorted(event["received_at"] for event in events)
    answer = api.get(f"/v1/cases/{ODD}", as_of=text(to_ms(received[3])))
    assert [event["event_id"] for event in answer["events"]] == ["odd-0", "odd-1", "odd-2", "odd-3"]


def test_records_from_before_the_history_count_as_always_known(api: Api, warehouse: Warehouse) -> None:
    warehouse.insert("outcomes", [outcome(state="met", started_ms=NOW - 90_000, stopped_ms=NOW - 60_000)])
    warehouse.client.command("TRUNCATE TABLE outcome_history")
    [row] = api.get("/v1/sla/compliance", from_=text(NOW - 60_000), to=text(NOW), as_of=text(NOW - 86_400_000))["rows"]
    assert row["met"] == 1


def test_case_clocks_show_call_back_warning_and_holders(api: Api, warehouse: Warehouse) -> None:
    row = outcome(clock="callback", state="met", started_ms=NOW - 90_000, stopped_ms=NOW - 60_000)
    more = {"ref": "cb-7", "warned_at": from_ms(NOW - 70_000), "warned": 0.8, "held": {"queue": 10.5, "agent:王": 19.5}}
    warehouse.insert("outcomes", [row | more])
    warehouse.insert("outcomes", [outcome(clock="connect", started_ms=NOW, due_ms=NOW + 1000)])
    shown = {clock["clock"]: clock for clock in api.get("/v1/cases/c")["clocks"]}
    wanted = more | {"warned_at": text(NOW - 70_000)}
    assert {name: shown["callback"][name] for name in more} == wanted
    assert {name: shown["connect"][name] for name in more} == {
        "ref": None,
        "warned_at": None,
        "warned": None,
        "held": {},
    }
    assert api.get("/v1/cases/at-risk")["rows"][0]["held"] == {}
