from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from schemas.errors import InputError
from schemas.event import decode_event
from services.convert.servicenow_incidents import COLUMNS, Counts, Skip, convert
from services.convert.source import read_lines
from tests.oracles import servicenow

HEADER = ",".join(COLUMNS)
SAMPLE = Path(__file__).parents[2] / "data" / "servicenow_incidents_2016-03.csv.gz"


def row(state, at, **cells):
    """One row of INC1, opened at 09:00 on 1 March 2016 and updated at the time of day `at`."""
    usual = {
        "number": "INC1", "incident_state": state, "reassignment_count": "0", "reopen_count": "0", "sys_mod_count": "0",
        "caller_id": "Caller 7", "opened_at": "1/3/2016 09:00", "sys_updated_at": f"1/3/2016 {at}",
        "contact_type": "Phone", "category": "Category 5", "priority": "3 - Moderate", "assignment_group": "Group 1",
        "assigned_to": "?",
    }  # fmt: skip
    return ",".join((usual | cells).values())


def converted(*rows):
    counts = Counts()
    return list(convert([HEADER, *rows], counts)), counts


def steps(events):
    return [(event["type"].partition(".")[2], event["occurred_at"][11:16]) for event in events]


def after_opening(*rows):
    return steps(converted(row("New", "09:00"), *rows)[0])[1:]


def test_an_incident_is_opened_worked_on_resolved_and_closed():
    events, counts = converted(
        row("New", "09:03"), row("Active", "09:10"), row("Resolved", "10:00"), row("Closed", "10:30")
    )
    assert steps(events) == [
        ("opened", "09:00"), ("connected", "09:10"), ("resolved", "10:00"), ("closed", "10:30"),
    ]  # fmt: skip
    assert events[0] == {
        "event_id": "INC1-0000-1-opened", "type": "contact.opened", "occurred_at": "2016-03-01T09:00:00+00:00",
        "case_id": "INC1", "channel": "phone", "customer_id": "Caller 7", "priority": "L2", "category": "Category 5",
        "team": "Group 1", "source": "servicenow", "data": {"direction": "inbound"},
    }  # fmt: skip
    assert (counts.rows, counts.incidents, counts.events, counts.skipped) == (4, 1, 4, {})


def test_what_is_unknown_is_left_out():
    events, _ = converted(row("New", "09:00", caller_id="?", category="?", assignment_group="?"))
    assert events[0].keys() == {
        "event_id", "type", "occurred_at", "case_id", "channel", "priority", "source", "data",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("priority", "level"), [("1 - Critical", "L1"), ("2 - High", "L1"), ("3 - Moderate", "L2"), ("4 - Low", "L3")]
)
def test_levels_are_made_of_priorities(priority, level):
    assert converted(row("New", "09:00", priority=priority))[0][0]["priority"] == level


@pytest.mark.parametrize(
    ("contact_type", "channel"),
    [("Phone", "phone"), ("IVR", "phone"), ("Email", "email"), ("Self service", "web"), ("Direct opening", "other")],
)
def test_channels_are_made_of_contact_types(contact_type, channel):
    assert converted(row("New", "09:00", contact_type=contact_type))[0][0]["channel"] == channel


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("Awaiting User Info", "customer"),
        ("Awaiting Problem", "third_party"),
        ("Awaiting Vendor", "third_party"),
        ("Awaiting Evidence", "third_party"),
    ],
)
def test_waiting_is_pending_for_its_reason_until_the_state_changes(state, reason):
    events, _ = converted(row("Active", "09:00"), row(state, "09:10"), row(state, "09:20"), row("New", "09:40"))
    assert steps(events)[2:] == [("pending", "09:10"), ("resumed", "09:40")]
    assert [event["data"] for event in events[2:]] == [{"reason": reason}] * 2


def test_from_one_wait_to_another_the_first_ends_before_the_second_begins():
    events, _ = converted(row("Awaiting User Info", "09:10"), row("Awaiting Problem", "09:30"))
    assert steps(events)[2:] == [("pending", "09:10"), ("resumed", "09:30"), ("pending", "09:30")]
    assert [event["data"]["reason"] for event in events[2:]] == ["customer", "customer", "third_party"]


def test_waits_of_the_same_reason_are_one():
    events = after_opening(row("Awaiting Problem", "09:10"), row("Awaiting Vendor", "09:30"))
    assert events == [("connected", "09:10"), ("pending", "09:10")]


def test_a_wait_that_ends_in_a_solution_ends_before_it():
    events = after_opening(row("Awaiting User Info", "09:10"), row("Resolved", "09:30"))
    assert events[2:] == [("resumed", "09:30"), ("resolved", "09:30")]


def test_solved_at_once_nobody_is_seen_to_take_it_up():
    assert after_opening(row("Resolved", "09:30")) == [("resolved", "09:30")]


def test_only_the_first_touch_connects():
    events = after_opening(row("Active", "09:10"), row("New", "09:20"), row("Active", "09:30"))
    assert events == [("connected", "09:10")]


def test_a_counted_reassignment_is_a_transfer_to_whom_it_went():
    events, _ = converted(
        row("New", "09:00"),
        row("New", "09:10", reassignment_count="1", assignment_group="Group 2", assigned_to="Resolver 9"),
        row("New", "09:20", reassignment_count="2", assignment_group="Group 2", assigned_to="Resolver 9"),
    )
    assert steps(events)[1:] == [("transferred", "09:10"), ("transferred", "09:20")]
    assert events[1]["data"] == {"to_team": "Group 2", "to_agent": "Resolver 9"}
    assert events[2]["data"] == {"to_team": "Group 2"}


def test_another_agent_of_the_group_rides_on_what_else_happened_or_is_an_update():
    events, _ = converted(
        row("New", "09:00"),
        row("New", "09:10", assigned_to="Resolver 8"),
        row("Active", "09:20", assigned_to="Resolver 9"),
        row("Active", "09:30"),
    )
    assert [(event["type"], event["agent_id"]) for event in events[1:]] == [
        ("contact.updated", "Resolver 8"),
        ("contact.connected", "Resolver 9"),
    ]


def test_level_and_category_are_updated_when_they_change():
    events, _ = converted(
        row("New", "09:00", priority="2 - High", category="?"),
        row("New", "09:10", priority="1 - Critical", category="?"),
        row("New", "09:20", priority="4 - Low", category="Category 6"),
        row("New", "09:30", priority="4 - Low", category="?"),
    )
    assert steps(events)[1:] == [("updated", "09:20")]
    assert events[1]["data"] == {"priority": "L3", "category": "Category 6"}


def test_a_counted_reopening_is_one_and_is_followed_by_a_second_solution():
    events = after_opening(
        row("Resolved", "09:10"),
        row("Active", "09:30", reopen_count="1"),
        row("Resolved", "09:50", reopen_count="1"),
        row("Resolved", "09:55", reopen_count="1"),
        row("Closed", "10:00", reopen_count="1"),
        row("New", "10:10", reopen_count="2"),
    )
    assert events == [
        ("resolved", "09:10"), ("reopened", "09:30"), ("connected", "09:30"), ("resolved", "09:50"),
        ("closed", "10:00"), ("reopened", "10:10"),
    ]  # fmt: skip


def test_rows_are_taken_in_the_order_of_their_updates_and_ids_keep_it_within_a_minute():
    rows = [
        row("Closed", "09:30", sys_mod_count="10", reassignment_count="1"),
        row("Resolved", "09:30", sys_mod_count="9", reassignment_count="1"),
        row("Awaiting User Info", "09:30", sys_mod_count="2", reassignment_count="1"),
        row("New", "09:00", category="?"),
    ]
    events, _ = converted(*rows)
    assert [type_ for type_, _ in steps(events)] == [
        "opened", "updated", "transferred", "connected", "pending", "resumed", "resolved", "closed",
    ]  # fmt: skip
    ids = [event["event_id"] for event in events]
    assert ids == sorted(ids)
    assert converted(*reversed(rows))[0] == events


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([row("Active", "08:59")], Skip.EARLY),
        ([row("-100", "09:10")], Skip.UNKNOWN_STATE),
        ([row("Active", "09:10", sys_updated_at="?")], Skip.NO_TIME),
        ([row("New", "09:00")], Skip.REPEATED),
        ([row("Resolved", "09:10"), row("Active", "09:20")], Skip.NOT_REOPENED),
        ([row("Closed", "09:10"), row("Resolved", "09:20")], Skip.AFTER_CLOSE),
    ],
)
def test_a_row_that_contradicts_itself_or_the_others_is_counted_and_gives_no_event(rows, why):
    events, counts = converted(row("New", "09:00"), *rows)
    assert events == converted(row("New", "09:00"), *rows[:-1])[0]
    assert counts.skipped == {why: 1}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "log:1: not the header of an incident log: no column number"),
        ([HEADER.replace("priority", "urgency")], "log:1: .* no column priority"),
        ([HEADER, "INC1,New"], "log:2: 2 columns instead of 13"),
        ([HEADER, row("New", "9 a.m.")], "log:2: sys_updated_at: '1/3/2016 9 a.m.' is not a time"),
        ([HEADER, row("New", "09:00", opened_at="3/31/2016 09:00")], "log:2: opened_at: .*day first"),
        ([HEADER, row("New", "09:00", priority="Planning")], "log:2: priority: 'Planning' does not begin with"),
        ([HEADER, row("New", "09:00"), row("New", "09:00", reopen_count="no")], "log:3: reopen_count: 'no' is not"),
        ([HEADER, row("New", "09:00", number="")], "log:2: number: missing"),
        ([HEADER, 'INC1,"' + "x" * 200_000], "log:2: not CSV: field larger"),
    ],
)
def test_what_is_no_such_log_is_refused_with_line_and_column(lines, message):
    with pytest.raises(InputError, match=message):
        list(convert(lines))


def test_columns_may_stand_in_any_order_and_among_others():
    extra = [f"{line},{value}" for line, value in ((HEADER, "made_sla"), (row("New", "09:00"), "true"))]
    swapped = [",".join(reversed(line.split(","))) for line in extra]
    assert list(convert(swapped)) == converted(row("New", "09:00"))[0]


def test_the_sample_becomes_valid_events_with_ids_of_their_own_in_the_order_of_time():
    counts = Counts()
    events = list(convert(read_lines(SAMPLE), counts, SAMPLE.name))
    for event in events:
        decode_event(msgspec.json.encode(event))
    keys = [(event["occurred_at"], event["event_id"]) for event in events]
    assert all(one < other for one, other in pairwise(keys))
    assert len({event["event_id"] for event in events}) == counts.events == len(events)
    assert (counts.rows, counts.incidents, counts.events) == (3_611, 534, 3_027)


def test_the_sample_gives_the_events_and_skips_the_rows_that_the_oracle_counts():
    counts = Counts()
    events = Counter(event["type"] for event in convert(read_lines(SAMPLE), counts))
    log = servicenow.read(SAMPLE)
    assert events == servicenow.event_counts(log)
    assert {str(why): n for why, n in counts.skipped.items()} == log.left_out
    assert log.left_out == {Skip.EARLY: 5, Skip.NOT_REOPENED: 1}
