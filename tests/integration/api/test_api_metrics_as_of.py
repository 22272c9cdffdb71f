"""Metrics as they would have been told then."""

import random

import pytest

from schemas.metrics import CATALOGUE
from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS, case
from tests.integration.api import contacts
from tests.integration.api.conftest import NOW, Api, Warehouse
from tests.integration.api.contacts import DAY_MS, HOUR_MS
from tests.integration.api.test_api_metrics import says

MINUTE = NOW // MINUTE_MS * MINUTE_MS


@pytest.mark.parametrize("id", ["contacts_opened", "wait.p90", "csat_mean", "customers", "fcr"])
def test_slices_as_of_are_those_told_by_then(api: Api, warehouse: Warehouse, id: str) -> None:
    rng = random.Random(id)
    rows = contacts.random_slices(rng, range(MINUTE - 40 * MINUTE_MS, MINUTE - 5 * MINUTE_MS, MINUTE_MS))
    shuffled = rng.sample(rows, len(rows))
    for part in range(3):
        warehouse.insert("contact_slices", shuffled[part::3])
    # What was told first is not kept for ever; what is still true is.
    warehouse.client.command("ALTER TABLE contact_slice_history DELETE WHERE version = 1 AND generation = 1"
                             " SETTINGS mutations_sync = 1")  # fmt: skip
    for _ in range(6):
        as_of = MINUTE - rng.randrange(45 * MINUTE_MS)
        then = contacts.newest(rows, as_of)
        start, end = MINUTE - 35 * MINUTE_MS, MINUTE - rng.randrange(20) * MINUTE_MS
        answer = api.get(f"/v1/metrics/{id}", from_=text(start), to=text(end), by="channel", as_of=text(as_of))
        assert answer["as_of"] == text(as_of)
        assert (answer["freshness"]["stream_time"], answer["freshness"]["behind_s"]) == (None, None)
        groups = contacts.by_group(then, ("channel",), start, end)
        assert {(row["channel"],) for row in answer["rows"]} == groups.keys()
        for row in answer["rows"]:
            says(row, CATALOGUE[id].compute(groups[row["channel"],]))


def test_a_window_ends_with_the_minute_of_the_instant(api: Api) -> None:
    answer = api.get("/v1/metrics/asa", window="5m", as_of="2026-03-02T10:11:12.345Z")
    assert (answer["from"], answer["to"]) == ("2026-03-02T10:07:00.000Z", "2026-03-02T10:12:00.000Z")
    assert "90 days" in api.get("/v1/metrics/asa", 422, as_of="2025-11-01T00:00:00Z")["detail"]


def test_hours_in_which_nothing_was_told_since_are_read_rolled_up(api: Api, warehouse: Warehouse) -> None:
    rng = random.Random(8)
    midnight = MINUTE // DAY_MS * DAY_MS
    hours = [midnight + n * HOUR_MS for n in range(8)]
    rows = contacts.random_slices(rng, [hour + 7 * MINUTE_MS for hour in hours])
    late = contacts.random_slices(rng, [hours[2] + 9 * MINUTE_MS], told_after_ms=6 * HOUR_MS)
    warehouse.insert("contact_slices", rows + late)
    newest = contacts.newest(rows + late)
    warehouse.insert("contact_hours", [row | {"version": 1} for row in contacts.rolled(newest, HOUR_MS)])
    warehouse.insert(
        "slice_touches", [{"kind": "contact", "hour": from_ms(hour), "touches": 1} for hour in hours]
    )  # fmt: skip
    tier = {"kind": "contact", "tier": "hour", "touches": 1, "rolled_at": from_ms(NOW)}
    warehouse.insert("tiers", [tier | {"slice": from_ms(hour)} for hour in hours])
    asked = {"from_": text(midnight), "to": text(midnight + 9 * HOUR_MS), "as_of": text(hours[7] + 30 * MINUTE_MS)}
    for rolled_up_only in (False, True):
        if rolled_up_only:
            warehouse.client.command(
                "ALTER TABLE contact_slices DELETE WHERE toHour(slice) != 2 SETTINGS mutations_sync = 1"
            )
        then = contacts.newest(rows + late, hours[7] + 30 * MINUTE_MS)
        want = CATALOGUE["wait.mean"].compute(contacts.summed(then))
        says(api.get("/v1/metrics/wait", **asked)["rows"][0], want)


def test_the_backlog_as_of_an_instant(api: Api, warehouse: Warehouse) -> None:
    begun = NOW - 60 * MINUTE_MS
    about = {"case_id": "a", "opened_ms": begun, "queued_ms": begun, "opens": [from_ms(begun)]}
    warehouse.insert("cases", [case(**about, version=1, told_ms=begun, team="x")])
    warehouse.insert("cases", [case(**about, version=2, told_ms=begun + 20 * MINUTE_MS, team="y",
                                    connected_ms=begun + 10 * MINUTE_MS)])  # fmt: skip
    closed = {"ends": [from_ms(begun + 30 * MINUTE_MS)], "connected_ms": begun + 10 * MINUTE_MS}
    warehouse.insert("cases", [case(**about | closed, version=3, told_ms=begun + 40 * MINUTE_MS, team="y")])
    for minutes, teams, waiting in (
        (-1, [], 0),
        (5, ["x"], 1),
        (15, ["x"], 1),
        (25, ["y"], 0),
        (35, ["y"], 0),
        (45, [], 0),
    ):
        as_of = text(begun + minutes * MINUTE_MS)
        found = api.get("/v1/metrics/backlog", by="team", as_of=as_of)["rows"]
        assert [(row["team"], row["value"]) for row in found] == [(team, 1) for team in teams]
        assert api.get("/v1/metrics/waiting", as_of=as_of)["rows"][0]["value"] == waiting
    assert api.get("/v1/metrics/backlog", team="x", as_of=text(begun + 5 * MINUTE_MS))["rows"][0]["value"] == 1
