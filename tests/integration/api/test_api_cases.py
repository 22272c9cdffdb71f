"""Single cases over HTTP: at risk, overdue, all about one; and readiness, which needs real watermarks."""

from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from schemas.rollup import CUSTOMER_STAGE
from schemas.times import text
from services.api.app import create_app
from tests.e2e.board.world import ODD_CASE, beat, events_of_the_odd_case, outcome
from tests.integration.api.conftest import KEY, NOW, Api, Warehouse


def test_an_empty_database_has_nothing_at_risk_and_no_case(api: Api) -> None:
    assert api.get("/v1/cases/at-risk")["rows"] == []
    assert "no case 'c1'" in api.get("/v1/cases/c1", 404)["detail"]


def test_at_risk_lists_running_clocks_due_within_soonest_first(api: Api, warehouse: Warehouse) -> None:
    def running(case_id: str, due_in_ms: int, **more: object) -> dict[str, object]:
        return outcome(case_id=case_id, started_ms=NOW - 60_000, due_ms=NOW + due_in_ms, **more)

    warehouse.insert(
        "outcomes",
        [
            running("last moment", 900_000, team="a"),
            running("beyond", 900_001),
            running("due now", 0),
            running("soonest", 1, team="a", priority="L1"),
            running("middle", 300_500, team="b"),
            running("stopped meanwhile", 1_000),
            outcome(case_id="stopped meanwhile", state="met", started_ms=NOW - 60_000, stopped_ms=NOW, version=2),
            running("withdrawn", 1_000),
            running("withdrawn", 1_000, version=2, withdrawn=1),
            outcome(case_id="paused", state="paused", started_ms=NOW - 60_000),
        ],
    )
    answer = api.get("/v1/cases/at-risk", within="15m")
    assert [row["case_id"] for row in answer["rows"]] == ["soonest", "middle", "last moment"]
    first = answer["rows"][0]
    assert (first["remaining_s"], first["due_at"], first["priority"]) == (0.001, text(NOW + 1), "L1")
    assert [row["case_id"] for row in api.get("/v1/cases/at-risk", team="a")["rows"]] == ["soonest", "last moment"]
    assert [row["case_id"] for row in api.get("/v1/cases/at-risk", limit=1)["rows"]] == ["soonest"]
    assert [row["case_id"] for row in api.get("/v1/cases/at-risk", within="6m")["rows"]] == ["soonest", "middle"]


def test_overdue_clocks_that_still_run_come_first_where_asked_for(api: Api, warehouse: Warehouse) -> None:
    def breached(case_id: str, ago_ms: int, stopped_ms: int | None = None) -> dict[str, object]:
        due = NOW - ago_ms
        return outcome(
            case_id=case_id, state="breached", started_ms=due - 1, due_ms=due, breached_ms=due, stopped_ms=stopped_ms
        )

    rows = [breached("old", 900_001), breached("fresh", 500), breached("answered", 900, NOW - 100)]
    warehouse.insert("outcomes", rows)
    warehouse.insert("outcomes", [outcome(case_id="soon", started_ms=NOW - 1, due_ms=NOW + 1_000)])
    found = api.get("/v1/cases/at-risk", overdue="true")["rows"]
    assert [(row["case_id"], row["remaining_s"]) for row in found] == [("fresh", -0.5), ("soon", 1.0)]


def test_hundreds_of_overdue_clocks_leave_room_for_those_due_soon(api: Api, warehouse: Warehouse) -> None:
    dues = [NOW - 1_000 * (number + 1) for number in range(300)]
    late = [
        outcome(case_id=f"late-{n}", state="breached", started_ms=due - 1, due_ms=due, breached_ms=due)
        for n, due in enumerate(dues)
    ]
    soon = [outcome(case_id=f"soon-{n}", started_ms=NOW - 1, due_ms=NOW + 1_000 * (n + 1)) for n in range(8)]
    warehouse.insert("outcomes", late + soon)

    def found(limit: int) -> list[str]:
        return [row["case_id"] for row in api.get("/v1/cases/at-risk", overdue="true", limit=limit)["rows"]]

    assert found(100) == [*(f"late-{n}" for n in range(92)), *(f"soon-{n}" for n in range(8))]
    assert found(8) == [f"soon-{n}" for n in range(8)]
    assert found(5) == [f"soon-{n}" for n in range(5)]
    assert len(found(1000)) == 308


@pytest.mark.parametrize("case_id", [ODD_CASE, "a/b/c", "a'b\\c", "tab\there", "工单 1", "a+b&c=d", "{case_id:String}"])
def test_a_case_is_found_whatever_its_id(api: Api, warehouse: Warehouse, case_id: str) -> None:
    warehouse.insert("outcomes", [outcome(case_id=case_id, started_ms=NOW, due_ms=NOW + 1)])
    answer = api.get(f"/v1/cases/{quote(case_id, safe='')}")
    assert answer["case_id"] == answer["clocks"][0]["case_id"] == case_id
    assert answer["clocks"][0]["due_at"] == text(NOW + 1)
    assert "version" not in answer["clocks"][0]


def test_the_events_of_a_case_come_as_they_were_pushed(api: Api, warehouse: Warehouse) -> None:
    events = list(events_of_the_odd_case(NOW))
    warehouse.insert("events", events[::-1])
    warehouse.insert("events", events[:2])
    warehouse.insert("events", [events[0] | {"event_id": "torn", "body": "not json", "case_id": "torn"}])
    found = api.get(f"/v1/cases/{quote(ODD_CASE, safe='')}")["events"]
    assert [event["event_id"] for event in found] == [f"odd-{number}" for number in range(7)]
    assert found[0]["data"] == {"complaint": False, "direction": "inbound"}
    assert found[0]["customer_id"] == "c-1"
    assert found[0]["received_at"] > found[0]["occurred_at"]
    [torn] = api.get("/v1/cases/torn")["events"]
    assert (torn["event_id"], torn["type"]) == ("torn", "contact.opened")


def test_ready_once_every_partition_is_worked_on(api: Api, warehouse: Warehouse) -> None:
    assert "partitions 0, 1 of 2 (never heard of" in api.get("/readyz", 503)["detail"]
    beat(warehouse.insert, NOW, partitions=1)
    assert "partitions 1 of 2" in api.get("/readyz", 503)["detail"]
    beat(warehouse.insert, NOW, partitions=2)
    assert api.get("/readyz") == {"status": "ready"}
    api.now_ms += 6_000
    assert "6 s behind" in api.get("/readyz", 503)["detail"]


@pytest.mark.parametrize(
    ("first", "named"), [(0, "stream partitions"), (CUSTOMER_STAGE, "stream partitions of customers")]
)
def test_not_ready_while_nobody_works_on_one_of_the_stages(
    api: Api, warehouse: Warehouse, first: int, named: str
) -> None:
    beat(warehouse.insert, NOW, partitions=2)
    warehouse.client.command(
        f"DELETE FROM watermarks WHERE partition BETWEEN {first} AND {first + 1}", settings={"mutations_sync": 1}
    )
    (missing,) = api.get("/readyz", 503)["missing"]
    assert missing.startswith(f"{named} 0, 1 of 2 (never heard of")


def test_not_ready_without_migrations(warehouse: Warehouse) -> None:
    with TestClient(create_app(warehouse.settings, loopback=False, extra_checks=[lambda: ["the moon"]])) as client:
        warehouse.client.command("TRUNCATE TABLE schema_migrations")
        missing = client.get("/readyz").json()["missing"]
        assert missing[0].startswith("ClickHouse migrations 0001_")
        assert missing[1] == "the moon"
        warehouse.client.command("DROP TABLE outcomes")
        answer = client.get("/v1/cases/x", headers={"X-API-Key": KEY})
        assert answer.status_code == 503
        assert "migrations" in answer.json()["detail"]
