"""Which policy a case falls under."""

from typing import Any

import pytest

from schemas.policy import default_policy, parse_policy
from schemas.rollup import DIMENSIONS
from streams.engine.facts import DimsTable
from streams.engine.policies import PolicyBook

BOOK = """
version: 1
policies:
  - {name: complaint, match: {complaint: true, channel: chat}, clocks: {connect: {target: 1m}}}
  - {name: urgent, match: {priority: [L1, L2], channel: [app, chat]}, clocks: {connect: {target: 2m}}}
  - {name: vip, match: {customer_tier: vip, team: [a], agent_id: [ann], queue: [q], category: [loan]}, clocks: {}}
  - {name: calm, match: {complaint: false, priority: L3}, clocks: {}}
  - {name: rest, clocks: {resolution: {target: 1d, pause_on: [customer, internal, customer]}}}
"""
ALL = {"customer_tier": "vip", "team": "a", "agent_id": "ann", "queue": "q", "category": "loan"}


def matched(book: PolicyBook, complaint: bool = False, **values: str) -> str:
    return book.match(DimsTable().of(tuple(values.get(name) for name in DIMENSIONS)), complaint).name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ({}, "rest"),
        ({"channel": "chat", "complaint": True}, "complaint"),
        ({"channel": "chat", "priority": "L1", "complaint": True}, "complaint"),
        ({"channel": "chat", "priority": "L1"}, "urgent"),
        ({"channel": "app", "priority": "L2", "complaint": True}, "urgent"),
        ({"channel": "phone", "priority": "L1"}, "rest"),
        ({"channel": "app"}, "rest"),
        (ALL, "vip"),
        (ALL | {"queue": "other"}, "rest"),
        ({"priority": "L3"}, "calm"),
        ({"priority": "L3", "complaint": True}, "rest"),
    ],
)
def test_the_first_policy_of_which_every_key_holds(case: dict[str, Any], name: str) -> None:
    book = PolicyBook(parse_policy(BOOK))
    assert matched(book, **case) == name
    assert matched(book, **case) == name, "and the same from memory"
    book.forget()
    assert matched(book, **case) == name


def test_clocks_are_compiled_to_milliseconds_and_masks() -> None:
    spec = PolicyBook(parse_policy(BOOK)).match(DimsTable().nothing, False).clocks["resolution"]
    assert (spec.target, bin(spec.pauses).count("1"), spec.calendar.name) == (86_400_000, 2, "always")


@pytest.mark.parametrize(
    ("case", "targets_s"),
    [
        ({"channel": "phone"}, {"connect": 15, "resolution": 86_400}),
        ({"channel": "chat", "priority": "L1"}, {"connect": 300, "next_response": 300, "resolution": 7_200}),
        ({"channel": "app"}, {"connect": 600, "resolution": 86_400}),
        ({"channel": "video", "priority": "L3"}, {"connect": 900, "resolution": 172_800}),
        ({"channel": "email"}, {"first_response": 1_800, "resolution": 86_400}),
        ({"channel": "email", "priority": "L1"}, {"first_response": 1_800, "resolution": 7_200}),
    ],
)
def test_the_policy_that_ships_keeps_the_service_time_standard(case: dict[str, str], targets_s: dict[str, int]) -> None:
    dims = DimsTable().of(tuple(case.get(name) for name in DIMENSIONS))  # type: ignore[arg-type]
    clocks = PolicyBook(default_policy()).match(dims, False).clocks
    assert {name: clocks[name].target // 1000 for name in targets_s} == targets_s
