"""Which policy a case falls under."""

from typing import Any

import pytest

from schemas.policy import BusinessDays, default_policy, parse_policy
from schemas.rollup import DIMENSIONS
from schemas.times import parse as instant
from streams.engine.facts import KIND, PAUSE_BIT, DimsTable
from streams.engine.policies import NEVER, ClockSpec, CompiledPolicy, PolicyBook

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


def match(book: PolicyBook, complaint: bool = False, t: int = 0, **values: str) -> CompiledPolicy:
    return book.match(DimsTable().of(tuple(values.get(name) for name in DIMENSIONS)), complaint, t)  # type: ignore[arg-type]


def matched(book: PolicyBook, **case: Any) -> str:
    return match(book, **case).name


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
    spec = match(PolicyBook(parse_policy(BOOK))).clocks["resolution"]
    assert (spec.target, bin(spec.pauses).count("1"), spec.calendar.name) == (86_400_000, 2, "always")
    assert (spec.warns, spec.stop) == ((0.8,), None)


CUSTOM = """
version: 1
calendars:
  office: {timezone: Asia/Shanghai, hours: {mon: ["09:00-18:00"], tue: ["09:00-12:00"]}}
policies:
  - name: all
    clocks:
      diagnosis: {target: 4h, start: contact.transferred, stop: {milestone: diagnosis}, warn_at: [0.9, 0.5, 0.9]}
      repair: {target: 2bd, calendar: office, stop: contact.closed}
      callback: {calendar: office}
"""


def test_custom_clocks_know_what_starts_and_stops_them() -> None:
    book = PolicyBook(parse_policy(CUSTOM))
    policy = match(book)
    transferred, milestone, opened, closed = (
        KIND[name] for name in ("contact.transferred", "milestone.reached", "contact.opened", "contact.closed")
    )
    assert {key: [spec.name for spec in specs] for key, specs in policy.starts.items()} == {
        (transferred, None): ["diagnosis"], (opened, None): ["repair"],
    }  # fmt: skip
    assert policy.clocks["diagnosis"].stop == (milestone, "diagnosis")
    assert policy.clocks["diagnosis"].warns == (0.5, 0.9)
    assert book.triggers == {transferred, milestone, opened, closed}


def test_business_days_become_open_time_from_the_start() -> None:
    repair = match(PolicyBook(parse_policy(CUSTOM))).clocks["repair"]
    monday_noon = instant("2026-11-23T13:30:00+08:00")  # half of Monday's nine hours, the whole Tuesday, half a Monday
    assert repair.target_from(monday_noon) == (9 + 3) * 3_600_000


def test_a_call_back_without_a_target_is_due_in_24_hours_and_with_a_time_on_no_calendar() -> None:
    callback = match(PolicyBook(parse_policy(CUSTOM))).clocks["callback"]
    assert (callback.target, callback.calendar.name) == (86_400_000, "office")
    assert callback.exact.calendar.name == "always"


def test_a_file_holds_from_its_time_on() -> None:
    book = PolicyBook(parse_policy(BOOK))
    book.add(parse_policy(CUSTOM), 1_000)
    assert (matched(book, t=999), matched(book, t=1_000)) == ("rest", "all")
    assert [book.change_after(t) for t in (0, 999, 1_000)] == [1_000, 1_000, NEVER]


# The policy that ships: every row of the service-time standard

MINUTE, HOUR = 60_000, 3_600_000
COMPLAINT = {"complaint": True}
REGULATOR = COMPLAINT | {"category": "regulator"}
LIVE = ("chat", "app", "web", "mini_program", "video")
WRITTEN = ("email", "social", "store", "sms", "other")
LEVELS = (({"priority": "L1"}, 2), ({"priority": "L2"}, 24), ({"priority": "L3"}, 48), ({}, 24),
          ({"customer_tier": "vip"}, 2), ({"customer_tier": "vip", "priority": "L3"}, 2))  # fmt: skip
KINDS = (*({"channel": channel} for channel in ("phone", *LIVE, *WRITTEN)), {"channel": "email"} | REGULATOR)

STANDARD = [
    *(({"channel": "phone"} | level, "connect", 15_000, "always") for level, _ in LEVELS),
    *(
        ({"channel": channel} | level, "connect", minutes * MINUTE, "always")
        for channel in LIVE
        for level, minutes in (({"priority": "L1"}, 5), ({"priority": "L2"}, 10), ({"priority": "L3"}, 15), ({}, 10),
                               ({"customer_tier": "vip"}, 5))
    ),
    *(({"channel": channel} | level, "first_response", 30 * MINUTE, "always")
      for channel in WRITTEN for level, _ in LEVELS),
    *(({"channel": "chat", "priority": level}, "first_response", minutes * MINUTE, "always")
      for level, minutes in (("L1", 5), ("L2", 10), ("L3", 15))),
    *((kind | level, "resolution", hours * HOUR, "always") for kind in KINDS for level, hours in LEVELS),
    *((kind | COMPLAINT, "temporary_solution", 2 * HOUR, "always") for kind in KINDS),
    *((kind, "diagnosis", 4 * HOUR, "always") for kind in KINDS),
    *((kind, "escalation_answer", 24 * HOUR, "always") for kind in KINDS),
    *(({"channel": channel} | level | COMPLAINT, "complaint_ack", 2 * HOUR, "office")
      for channel in ("phone", *LIVE, *WRITTEN) for level, _ in LEVELS),
    *(({"channel": channel} | level | REGULATOR, "complaint_ack", 24 * HOUR, "always")
      for channel in ("phone", *LIVE, *WRITTEN) for level, _ in LEVELS),
    *((kind | COMPLAINT, "complaint_feedback", 48 * HOUR, "always") for kind in KINDS),
    *((kind | COMPLAINT, "complaint_solution", BusinessDays(5), "office") for kind in KINDS),
    *((kind, "callback", 24 * HOUR, "always") for kind in KINDS),
    *((REGULATOR | level, "update", BusinessDays(1), "office") for level in ({"priority": "L3"}, {})),
]  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> PolicyBook:
    return PolicyBook(default_policy())


def clock_of(book: PolicyBook, case: dict[str, Any], name: str) -> ClockSpec:
    return match(book, **case).clocks[name]


def test_the_policy_that_ships_keeps_the_service_time_standard(shipped: PolicyBook) -> None:
    for case, name, target, calendar in STANDARD:
        spec = clock_of(shipped, case, name)
        assert (spec.target, spec.calendar.name) == (target, calendar), (case, name)


def test_the_policy_that_ships_waits_with_the_customer_and_warns_before_the_breach(shipped: PolicyBook) -> None:
    for kind in KINDS:
        for name, spec in match(shipped, **kind).clocks.items():
            waits = name in ("resolution", "complaint_feedback") or spec.stop is not None
            assert (spec.pauses, spec.warns) == (PAUSE_BIT["customer"] if waits else 0, (0.8,)), (kind, name)


def test_what_the_policy_that_ships_does_not_promise(shipped: PolicyBook) -> None:
    assert not {"first_response", "next_response"} & match(shipped, channel="phone").clocks.keys()
    for channel in WRITTEN:
        assert "connect" not in match(shipped, channel=channel).clocks
    for kind in KINDS:
        assert "bot_response" not in match(shipped, **kind).clocks


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-11-18T17:30:00+08:00", "2026-11-19T10:30:00+08:00"),  # Wednesday evening into Thursday
        ("2026-11-20T17:30:00+08:00", "2026-11-23T10:30:00+08:00"),  # over a weekend
        ("2026-09-30T17:30:00+08:00", "2026-10-08T10:30:00+08:00"),  # over the National Day holiday
        ("2026-10-09T17:30:00+08:00", "2026-10-10T10:30:00+08:00"),  # into a Saturday worked for it
    ],
)
def test_a_complaint_is_acknowledged_in_chinese_office_hours(shipped: PolicyBook, at: str, due: str) -> None:
    spec = clock_of(shipped, {"channel": "app"} | COMPLAINT, "complaint_ack")
    assert spec.due_from(instant(at)) == instant(due)


def test_a_complaint_is_solved_in_five_chinese_business_days(shipped: PolicyBook) -> None:
    spec = clock_of(shipped, {"channel": "app"} | COMPLAINT, "complaint_solution")
    # 1 to 7 October are holidays: 8, 9, 10 (a Saturday worked), 12, 13.
    assert spec.due_from(instant("2026-09-30T10:00:00+08:00")) == instant("2026-10-13T10:00:00+08:00")
