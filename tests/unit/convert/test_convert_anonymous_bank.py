from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from schemas.errors import InputError
from schemas.event import decode_event
from services.convert.anonymous_bank import COLUMNS, Counts, Skip, convert
from services.convert.source import read_lines
from tests.oracles import bank

HEADER = "\t".join(COLUMNS)
DAY = Path(__file__).parents[2] / "data" / "anonymous_bank_1999-02-02.tsv.gz"
needs_the_day = pytest.mark.skipif(not DAY.exists(), reason=f"{DAY.name} is not here; tests/data/README.md says why")


def row(**cells):
    usual = {
        "vru+line": "AA0101", "call_id": "34540", "customer_id": "48178511", "priority": "2", "type": "PS",
        "date": "990201", "vru_entry": "8:19:42", "vru_exit": "8:19:47", "vru_time": "5", "q_start": "8:19:47",
        "q_exit": "8:20:21", "q_time": "34", "outcome": "AGENT", "ser_start": "8:20:20", "ser_exit": "8:22:04",
        "ser_time": "104", "server": "MICHAL",
    }  # fmt: skip
    return "\t".join((usual | {name.replace("vru_line", "vru+line"): value for name, value in cells.items()}).values())


NO_QUEUE = {"q_start": "0:00:00", "q_exit": "0:00:00", "q_time": "0"}
NO_SERVICE = {"ser_start": "0:00:00", "ser_exit": "0:00:00", "ser_time": "0", "server": "NO_SERVER"}


def converted(*rows):
    counts = Counts()
    return list(convert([HEADER, *rows], counts)), counts


def steps(events):
    return [(event["type"], event["occurred_at"][11:]) for event in events]


def test_an_answered_call_is_opened_queued_connected_wrapped_resolved_and_closed():
    events, counts = converted(row())
    assert steps(events) == [
        ("contact.opened", "08:19:42+02:00"),
        ("contact.queued", "08:19:47+02:00"),
        ("contact.connected", "08:20:20+02:00"),
        ("call.wrapped", "08:22:04+02:00"),
        ("contact.resolved", "08:22:04+02:00"),
        ("contact.closed", "08:22:04+02:00"),
    ]
    opened, _, connected, wrapped, *_ = events
    assert (opened["channel"], opened["customer_id"], opened["customer_tier"]) == ("phone", "48178511", "vip")
    assert (opened["category"], connected["agent_id"], wrapped["data"]) == ("PS", "MICHAL", {"talk_s": 104})
    assert {event["case_id"] for event in events} == {"bank-19990201-AA0101-34540"}
    assert (counts.rows, counts.calls, counts.events, counts.skipped) == (1, 1, 6, {})


def test_a_call_answered_at_once_waits_from_when_the_vru_let_it_go():
    events, _ = converted(row(**NO_QUEUE, vru_exit="8:20:17", vru_time="35"))
    assert steps(events)[1:3] == [("contact.queued", "08:20:17+02:00"), ("contact.connected", "08:20:20+02:00")]


def test_an_overlap_of_up_to_two_seconds_is_no_wait_and_keeps_the_order():
    events, _ = converted(row(**NO_QUEUE, vru_exit="8:20:22", vru_time="40"))
    assert steps(events)[1:3] == [("contact.queued", "08:20:20+02:00"), ("contact.connected", "08:20:20+02:00")]
    ids = [event["event_id"] for event in events]
    assert ids == sorted(ids)


def test_hanging_up_in_the_queue_is_an_abandonment_when_the_queue_was_left():
    events, _ = converted(row(**NO_SERVICE, outcome="HANG"))
    assert steps(events) == [
        ("contact.opened", "08:19:42+02:00"),
        ("contact.queued", "08:19:47+02:00"),
        ("contact.abandoned", "08:20:21+02:00"),
        ("contact.closed", "08:20:21+02:00"),
    ]


def test_hanging_up_in_the_vru_is_an_abandonment_without_having_queued():
    events, _ = converted(row(**NO_SERVICE, **NO_QUEUE, outcome="HANG"))
    assert [type_ for type_, _ in steps(events)] == ["contact.opened", "contact.abandoned", "contact.closed"]


def test_times_after_midnight_belong_to_the_next_day():
    call = {"vru_entry": "23:59:26", "vru_exit": "23:59:36", "vru_time": "10", "q_start": "23:59:36"}
    events, _ = converted(row(**call, q_exit="0:00:26", q_time="50", ser_start="0:00:25", ser_exit="0:02:09"))
    assert [event["occurred_at"] for event in events][1:4] == [
        "1999-02-01T23:59:36+02:00",
        "1999-02-02T00:00:25+02:00",
        "1999-02-02T00:02:09+02:00",
    ]


def test_who_is_unknown_is_left_out_and_a_call_back_is_outbound():
    opened, _, connected, *_ = converted(row(customer_id="0", priority="0", type="TT", server="NO_SERVER"))[0]
    assert "customer_id" not in opened
    assert "agent_id" not in connected
    assert opened["customer_tier"] == "standard"
    assert opened["data"] == {"direction": "outbound"}


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"outcome": "PHANTOM"}, Skip.PHANTOM),
        ({"vru_exit": "8:19:02", "vru_time": "-40"}, Skip.VRU_BACKWARDS),
        ({"q_exit": "8:19:40", "q_time": "-7"}, Skip.QUEUE_BACKWARDS),
        ({"ser_exit": "8:20:10", "ser_time": "-10"}, Skip.SERVICE_BACKWARDS),
        ({"ser_start": "8:20:18", "ser_time": "106"}, Skip.SERVICE_EARLY),
        ({"q_time": "35"}, Skip.DURATION_DISAGREES),
        (NO_SERVICE, Skip.SERVED_WITHOUT_SERVICE),
        ({"outcome": "HANG"}, Skip.HUNG_UP_WITH_SERVICE),
    ],
)
def test_what_contradicts_itself_is_counted_and_gives_no_event(cells, why):
    events, counts = converted(row(**cells))
    assert events == []
    assert counts.skipped == {why: 1}
    assert (counts.rows, counts.calls) == (1, 0)


def test_the_same_call_twice_counts_once():
    events, counts = converted(row(), row())
    assert len(events) == 6
    assert counts.skipped == {Skip.REPEATED: 1}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a\tb"], "log:1: not the header"),
        ([], "log:1: not the header"),
        ([HEADER, "AA0101\t1"], "log:2: 2 columns instead of 17"),
        ([HEADER, row(q_exit="soon")], "log:2: q_exit: 'soon' is not a time"),
        ([HEADER, row(q_time="long")], "log:2: q_time: 'long' is not a whole number"),
        ([HEADER, row(date="990231")], "log:2: date: '990231' is not a day"),
        ([HEADER, row(outcome="GONE")], "log:2: outcome: 'GONE' is not"),
    ],
)
def test_what_is_no_such_log_is_refused_with_line_and_column(lines, message):
    with pytest.raises(InputError, match=message.replace("(", "\\(")):
        list(convert(lines))


@needs_the_day
def test_a_day_becomes_valid_events_with_ids_of_their_own_in_the_order_of_time():
    counts = Counts()
    events = list(convert(read_lines(DAY), counts, DAY.name))
    for event in events:
        decode_event(msgspec.json.encode(event))
    keys = [(event["occurred_at"], event["event_id"]) for event in events]
    assert all(one < other for one, other in pairwise(keys))
    assert len({event["event_id"] for event in events}) == len(events) == counts.events == 10_357
    assert (counts.rows, counts.calls) == (1_846, 1_812)
    assert counts.rows == counts.calls + counts.skipped.total()


@needs_the_day
def test_waits_of_a_day_are_those_that_the_oracle_reads_from_the_rows():
    expected = bank.totals(DAY, {"PS": 15, "NW": 60}, otherwise_s=30)
    asked, met, ended = {}, Counter(), Counter()
    kinds = {}
    for event in convert(read_lines(DAY)):
        case, at = event["case_id"], datetime.fromisoformat(event["occurred_at"])
        if event["type"] == "contact.opened":
            kinds[case] = event["category"]
        if event["type"] in ("contact.opened", "contact.queued"):
            asked[case] = at
        if event["type"] in ("contact.connected", "contact.abandoned"):
            wait = (at - asked[case]).total_seconds()
            kind = kinds[case]
            ended[kind, event["type"]] += 1
            met[kind] += event["type"] == "contact.connected" and wait <= {"PS": 15, "NW": 60}.get(kind, 30)
    for kind, totals in expected.items():
        if kind:
            assert met[kind] == totals.met
            assert ended[kind, "contact.connected"] == totals.connected
            assert ended[kind, "contact.abandoned"] == totals.abandoned
            assert totals.met + totals.breached + totals.cancelled == totals.connected + totals.abandoned
