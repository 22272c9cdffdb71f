"""What is left out of a history, and what never is."""

from typing import Any

from schemas.policy import parse_policy
from streams.engine.facts import DimsTable
from streams.what_if.history import Histories, Stored
from streams.what_if.policies import Pair

PLAIN = "version: 1\npolicies: [{name: all, clocks: {next_response: {target: 1m}, update: {target: 1m}}}]"
BOT = "version: 1\npolicies: [{name: all, clocks: {bot_response: {target: 5s}}}]"
CUSTOM = "version: 1\npolicies: [{name: all, clocks: {c: {target: 5s, start: contact.transferred, stop: message.bot}}}]"


def kept(*events: tuple[str, dict[str, Any]], new: str = PLAIN) -> list[int]:
    """Which of a case's events stay, by their place."""
    histories = Histories(Pair(parse_policy(PLAIN), parse_policy(new)), DimsTable())
    rows = [
        Stored("c", number, str(number), type_, more.get("channel"), more.get("team"), None, more.get("body", ""))
        for number, (type_, more) in enumerate(events)
    ]
    (history,) = histories.of(rows)
    assert history.events == len(events)
    return [int(event_id) for event_id in history.facts]


def said(*types: str) -> list[tuple[str, dict[str, Any]]]:
    return [(type_, {}) for type_ in types]


def test_a_customer_who_waits_already_says_nothing_new() -> None:
    customer, agent = "message.customer", "message.agent"
    assert kept(*said(customer, customer, "message.internal", customer, agent, customer)) == [0, 4, 5]


def test_every_agent_message_counts_because_it_starts_the_next_update_clock() -> None:
    assert kept(*said("message.agent", "message.agent")) == [0, 1]


def test_bot_messages_count_where_either_policy_times_the_bot() -> None:
    talk = said("message.customer", "message.bot", "message.bot", "message.customer")
    assert kept(*talk) == [0]
    assert kept(*talk, new=BOT) == [0, 1, 3]


def test_events_that_start_or_stop_a_custom_clock_of_either_policy_count_every_time() -> None:
    talk = said("contact.transferred", "message.bot", "message.bot", "contact.transferred", "milestone.reached")
    assert kept(*talk) == []
    assert kept(*talk, new=CUSTOM) == [0, 1, 2, 3]


def test_what_changes_a_dimension_counts_whatever_it_is() -> None:
    assert kept(*(("message.internal", {"team": team}) for team in "aab")) == [0, 2]


def test_a_body_that_is_no_event_is_left_out_and_counted() -> None:
    histories = Histories(Pair(parse_policy(PLAIN), parse_policy(PLAIN)), DimsTable())
    row = ("c", 1, "e", "contact.opened", "app", None, None, '{"event_id": "e", "type": "contact.opened"}')
    (history,) = histories.of([row])
    assert (history.facts, histories.rejected) == ({}, 1)


def test_of_one_id_at_two_times_the_earlier_counts() -> None:
    histories = Histories(Pair(parse_policy(PLAIN), parse_policy(PLAIN)), DimsTable())
    rows = [
        Stored("c", t, "e", type_, None, None, None, "") for t, type_ in ((1, "message.agent"), (2, "contact.closed"))
    ]
    (history,) = histories.of(rows)
    assert [fact.t for fact in history.facts.values()] == [1]
