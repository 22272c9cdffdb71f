"""The ledger of promised call-backs."""

from typing import Any

import pytest

from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS, outcome
from tests.integration.api.conftest import NOW, Api, Warehouse

HOUR_MS = 60 * MINUTE_MS


def promise(number: int, state: str, due_ms: int, made_ms: int | None = None, **about: Any) -> dict[str, Any]:
    return outcome(
        case_id=f"case {number}", clock="callback", state=state, started_ms=due_ms - HOUR_MS, due_ms=due_ms,
        stopped_ms=made_ms, breached_ms=due_ms if state == "breached" else None, **about,
    ) | {"ref": f"cb-{number}", "told_at": from_ms(made_ms or due_ms - HOUR_MS)}  # fmt: skip


@pytest.fixture
def ledger(warehouse: Warehouse) -> None:
    warehouse.insert(
        "outcomes",
        [
            promise(1, "met", NOW - HOUR_MS, NOW - 90 * MINUTE_MS, agent_id="li", team="a"),
            promise(2, "breached", NOW - 2 * HOUR_MS, NOW - HOUR_MS, agent_id="li", team="a"),
            promise(3, "breached", NOW - 3 * HOUR_MS, agent_id="wu", team="b"),
            promise(4, "cancelled", NOW - 4 * HOUR_MS, NOW - 5 * HOUR_MS, agent_id="wu", team="b"),
            promise(5, "running", NOW + HOUR_MS, agent_id="wu"),
            promise(6, "met", NOW - 30 * HOUR_MS, NOW - 31 * HOUR_MS),
            promise(7, "met", NOW - HOUR_MS, NOW - 2 * HOUR_MS, withdrawn=1),
        ],
    )
    warehouse.insert("outcomes", [outcome(clock="connect", state="met", due_ms=NOW - HOUR_MS, started_ms=NOW - HOUR_MS,
                                          stopped_ms=NOW - HOUR_MS)])  # fmt: skip


@pytest.mark.usefixtures("ledger")
def test_promises_of_a_day_latest_due_first(api: Api) -> None:
    answer = api.get("/v1/callbacks")
    assert (answer["total"], answer["note"]) == (4, None)
    found = [(row["callback_id"], row["state"], row["kept"], row["agent_id"]) for row in answer["rows"]]
    assert found == [
        ("cb-1", "met", True, "li"), ("cb-2", "breached", False, "li"), ("cb-3", "breached", False, "wu"),
        ("cb-4", "cancelled", None, "wu"),
    ]  # fmt: skip
    first = answer["rows"][0]
    assert (first["case_id"], first["promised_at"], first["due_at"], first["made_at"], first["team"]) == (
        "case 1", text(NOW - 2 * HOUR_MS), text(NOW - HOUR_MS), text(NOW - 90 * MINUTE_MS), "a",
    )  # fmt: skip
    assert answer["rows"][2]["made_at"] is None


@pytest.mark.usefixtures("ledger")
def test_filters_states_and_limit(api: Api) -> None:
    def ids(**asked: Any) -> list[str]:
        return [row["callback_id"] for row in api.get("/v1/callbacks", **asked)["rows"]]

    ahead = {"from_": text(NOW), "to": text(NOW + 2 * HOUR_MS)}
    assert ids(**ahead) == ["cb-5"]
    assert api.get("/v1/callbacks", **ahead)["rows"][0]["kept"] is None
    assert ids(state=["met", "cancelled"]) == ["cb-1", "cb-4"]
    assert ids(agent_id="wu", team=["b"]) == ["cb-3", "cb-4"]
    assert ids(case_id="case 2") == ["cb-2"]
    assert ids(window="2d") == ["cb-1", "cb-2", "cb-3", "cb-4", "cb-6"]
    cut = api.get("/v1/callbacks", limit=3)
    assert (len(cut["rows"]), cut["total"]) == (3, 4)
    assert cut["note"] == "only the latest 3 of 4; ask for a shorter range or filter"


def test_as_of_tells_what_was_promised_then(api: Api, warehouse: Warehouse) -> None:
    due = NOW - HOUR_MS
    warehouse.insert("outcomes", [promise(1, "running", due)])
    warehouse.insert("outcomes", [promise(1, "met", due, due - MINUTE_MS) | {"version": 2}])
    asked = {"from_": text(due), "to": text(due + 1)}
    [then] = api.get("/v1/callbacks", as_of=text(due - 2 * MINUTE_MS), **asked)["rows"]
    [now] = api.get("/v1/callbacks", **asked)["rows"]
    assert ((then["state"], then["made_at"]), (now["state"], now["kept"])) == (("running", None), ("met", True))
