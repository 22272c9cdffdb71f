"""Verdicts and first replies that Chatwoot's tests state, told to our engine: `tests/data/sla_vectors.json`.

Where the contract says otherwise, the difference is listed with its reason and must be exactly that one.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.stories import at, records

ROWS = {row["id"]: row for row in json.loads(Path("tests/data/sla_vectors.json").read_text("utf-8"))["vectors"]}
TYPES = {
    "case_created": "contact.opened",
    "customer_message": "message.customer",
    "customer_waiting_since": "message.customer",
    "first_response_recorded": "message.agent",
    "agent_message": "message.agent",
    "agent_note": "message.internal",
    "activity": "message.internal",
    # What a rule or a campaign sends is no human's answer.
    "template_message": "message.bot",
    "campaign_message": "message.bot",
    "automation_message": "message.bot",
    "resolved": "contact.resolved",
}
SHORT = {"first_response": "frt", "next_response": "nrt", "resolution": "rt"}
HOURS, NOW = 60, 400 * 60

STATUS = [f"C{number}" for number in range(12, 22)]
OTHERWISE = {
    "C15": ({"rt": 1}, "too late stays too late, whenever somebody looks: there it was judged only afterwards"),
    "C21": ({"frt": 0, "nrt": 1, "rt": 1}, "one unanswered wait is one clock, however many messages it holds"),
}
FIRST_REPLY = [f"C{number}" for number in range(36, 43)]


def events(row: dict[str, Any], minute: Any) -> list[dict[str, Any]]:
    """A row's events as ours, at `minute(at, number)`; what says only how the other product looks is left out."""
    told = [(event, TYPES[event["type"]]) for event in row["events"] if event["type"] in TYPES]
    return [
        {"event_id": f"{number:02}", "type": kind, "occurred_at": at(minute(event["at"], number)), "case_id": "c"}
        | ({"channel": "web"} if kind == "contact.opened" else {})
        for number, (event, kind) in enumerate(told)
    ]


@pytest.mark.parametrize("name", STATUS)
def test_misses(name: str) -> None:
    row = ROWS[name]
    clocks = {clock: {"target": f"{minutes}m"} for clock, minutes in row["sla_minutes"].items()}
    policy = {"version": 1, "policies": [{"name": "p", "clocks": clocks}]}
    said = records(policy, events(row, lambda hour, _: f"{NOW + hour * HOURS:g}"), f"{NOW}.001")
    breached = [record["clock"] for record in said if record["state"] == "breached"]
    misses = {short: breached.count(clock) for clock, short in SHORT.items()}
    theirs = row["expect"].get("events") or row["expect"].get("events_logged") or {}
    if name in OTHERWISE:
        ours, _reason = OTHERWISE[name]
        assert theirs | ours != theirs
        assert misses == dict.fromkeys(SHORT.values(), 0) | ours
    else:
        assert misses == dict.fromkeys(SHORT.values(), 0) | theirs
        assert (sum(misses.values()) > 0) == ("misses" in row["expect"]["status"])


@pytest.mark.parametrize("name", FIRST_REPLY)
def test_who_answers_first(name: str) -> None:
    row = ROWS[name]
    policy = {"version": 1, "policies": [{"name": "p", "clocks": {"first_response": {"target": "60m"}}}]}
    (record,) = records(policy, events(row, lambda _, number: f"{number}"), "9")
    replied = row["expect"]["first_reply_at"]
    minute = None if replied is None else at(replied.removeprefix("t"))
    assert (record["state"], record["stopped_at"]) == ("met" if minute else "running", minute)


def test_a_wait_lasts_from_the_first_unanswered_message_on() -> None:
    row = ROWS["C33"]
    policy = {"version": 1, "policies": [{"name": "p", "clocks": {"next_response": {"target": "3h"}}}]}
    opened = {"event_id": "0", "type": "contact.opened", "occurred_at": at("0"), "case_id": "c", "channel": "web"}
    (record,) = records(policy, [opened, *events(row, lambda hour, _: f"{NOW + hour * HOURS:g}")], f"{NOW}.001")
    assert record["elapsed_s"] == row["expect"]["reply_seconds"]
