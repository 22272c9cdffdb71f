"""Policy files: what is read, and that every refusal names file, line and field."""

from pathlib import Path

import pytest

from schemas.errors import PolicyError
from schemas.policy import (
    BusinessDays,
    MilestoneTrigger,
    default_policy,
    judge,
    load_policy,
    parse_duration,
    parse_policy,
    parse_target,
)
from schemas.policy_source import PolicySource

GOOD = """version: 1
calendars:
  office: {timezone: Asia/Shanghai, hours: {mon: ["09:00-18:00"]}}
policies:
  - name: urgent
    match: {priority: L1, complaint: true}
    clocks:
      connect: {target: 5m}
      resolution: {target: 2h, pause_on: [customer], warn_at: [0.5, 0.8]}
      complaint_feedback: {target: 5bd, calendar: office}
      callback: {}
      diagnosis: {target: 4h, start: contact.transferred, stop: {milestone: diagnosis}}
    reopen: subtract
  - name: rest
    clocks:
      connect: {target: 1.5h}
metrics: {answer_within: 30s, csat_pass: 5}
"""


def test_where_every_policy_has_a_match_the_rest_is_promised_nothing() -> None:
    text = "version: 1\npolicies: [{name: vip, match: {customer_tier: [vip]}, clocks: {connect: {target: 1m}}}]"
    file = parse_policy(text)
    assert [(policy.name, policy.match is None, len(policy.clocks)) for policy in file.policies] == [
        ("vip", False, 1),
        ("(none)", True, 0),
    ]


def test_a_good_policy() -> None:
    policy = parse_policy(GOOD)
    urgent, rest = policy.policies
    assert urgent.match is not None
    assert (urgent.match.priority, urgent.match.complaint, urgent.reopen) == (["L1"], True, "subtract")
    assert urgent.clocks["resolution"].pause_on == ["customer"]
    assert urgent.clocks["resolution"].warn_at == [0.5, 0.8]
    feedback, callback, diagnosis = (urgent.clocks[name] for name in ("complaint_feedback", "callback", "diagnosis"))
    assert (feedback.target, feedback.calendar, feedback.warn_at) == (BusinessDays(5), "office", [0.8])
    assert callback.target is None
    assert (diagnosis.start, diagnosis.stop) == ("contact.transferred", MilestoneTrigger(milestone="diagnosis"))
    assert (rest.clocks["connect"].target, rest.reopen) == (5_400_000, "restart")
    assert (policy.metrics.answer_within, policy.metrics.short_abandon, policy.metrics.csat_pass) == (30_000, 5_000, 5)
    assert policy.text == GOOD


def test_the_policy_that_ships_is_good() -> None:
    assert default_policy().policies[-1].match is None


@pytest.mark.parametrize(
    ("text", "ms"), [("15s", 15_000), ("5m", 300_000), ("2h", 7_200_000), ("5d", 432_000_000), ("0.5s", 500)]
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms
    assert parse_target(text) == ms


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5M", "1h30m", 5, None])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)
    with pytest.raises(ValueError, match="is not a duration"):
        parse_target(text)


def test_a_target_may_be_whole_business_days_but_not_nothing() -> None:
    assert parse_target("5bd") == BusinessDays(5)
    for text in ("0s", "0bd"):
        with pytest.raises(ValueError, match="longer than nothing"):
            parse_target(text)
    for text in ("1.5bd", "5 bd"):
        with pytest.raises(ValueError, match="whole business days"):
            parse_target(text)


REFUSALS = [
    ("target: 5m", "target: soon", 8, "policies.0.clocks.connect.target: 'soon' is not a duration; write 15s,"),
    ("target: 5m", "target: 0s", 8, "policies.0.clocks.connect.target: a target must be longer than nothing"),
    ("{target: 5m}", "{}", 8, "policies.0.clocks.connect.target: is missing"),
    ("{target: 5m}", "", 8, "policies.0.clocks.connect: must be a mapping (key: value)"),
    ("{target: 5m}", "{target: 5m, colour: red}", 8,
     "policies.0.clocks.connect.colour: unknown key; known are target, calendar, pause_on, warn_at, start, stop"),
    ("{target: 5m}", "\n        target: 5m\n        calender: office", 10,
     "policies.0.clocks.connect.calender: unknown key; did you mean 'calendar'?"),
    ("priority: L1", "priority: l1", 6, "policies.0.match.priority: 'l1' is not known; did you mean 'L1'?"),
    ("priority: L1", "priority: high", 6, "policies.0.match.priority: 'high' is not known; it may be L1, L2, L3"),
    ("priority: L1", "channel: [app, Chat]", 6,
     "policies.0.match.channel.1: 'Chat' is not known; did you mean 'chat'?"),
    ("priority: L1", "prioriti: L1", 6, "policies.0.match.prioriti: unknown key; did you mean 'priority'?"),
    ("priority: L1", "team: 12", 6, "policies.0.match.team: 12 is no text: put it in quotes"),
    ("priority: L1", "category: [no]", 6, "policies.0.match.category.0: false is no text: put it in quotes"),
    ("priority: L1", "queue: []", 6, "policies.0.match.queue: must not be empty"),
    ("complaint: true", "complaint: maybe", 6, "policies.0.match.complaint: must be true or false"),
    ("[customer]", "[lunch]", 9,
     "policies.0.clocks.resolution.pause_on.0: 'lunch' is not known; it may be customer, third_party, internal"),
    ("[customer]", "customer", 9, "policies.0.clocks.resolution.pause_on: must be a list"),
    ("[0.5, 0.8]", "[1.5]", 9, "policies.0.clocks.resolution.warn_at.0: must be less than 1"),
    ("reopen: subtract", "reopen: never", 13, "policies.0.reopen: 'never' is not known; it may be restart, subtract,"),
    ("policies:\n  - name: urgent", "policies: 3\nname:\n  - name: urgent", 4, "policies: must be a list"),
    ("version: 1", "version: 2", 1, "version: must be 1"),
    ("version: 1", "versoin: 1", 1, "version: is missing"),
    ("csat_pass: 5", "csat_pass: 6", 17, "metrics.csat_pass: must be less than or equal to 5"),
    ("answer_within: 30s", "answer_within: 30", 17, "metrics.answer_within: 30 is not a duration"),
    ("name: rest", "name: urgent", 14, "policies.1.name: two policies are named 'urgent'"),
    ("connect: {target: 1.5h}", "connect: {target: 4000000d}", 16,
     "policies.1.clocks.connect.target: '4000000d' is longer than ten years (3650d)"),
    ("connect: {target: 1.5h}", "connect: {target: 2601bd}", 16,
     "policies.1.clocks.connect.target: '2601bd' is more than ten years (2600bd)"),
    ("connect: {target: 1.5h}", "lunch: {target: 1h}", 16,
     "policies.1.clocks.lunch: a custom clock says what stops it (stop); standard clocks are connect, first_response,"),
    ("connect: {target: 1.5h}", "resolutoin: {target: 1h}", 16,
     "policies.1.clocks.resolutoin: a custom clock says what stops it (stop); did you mean 'resolution'?"),
    ("connect: {target: 1.5h}", "a b: {target: 1h, stop: contact.closed}", 16,
     "policies.1.clocks.a b: a clock's name has letters, digits, - and _ only"),
    ("{target: 1.5h}", "{target: 1h, calendar: moon}", 16, "policies.1.clocks.connect.calendar: no calendar 'moon'"),
    ("{target: 1.5h}", "{target: 1h, calendar: ofice}", 16,
     "policies.1.clocks.connect.calendar: no calendar 'ofice'; did you mean 'office'?"),
    ("{target: 1.5h}", "{target: 1h, stop: message.agent}", 16,
     "policies.1.clocks.connect.stop: is for custom clocks; what starts and stops connect is fixed"),
    ("callback: {}", "callback: {pause_on: [customer]}", 11,
     "policies.0.clocks.callback.pause_on: a call-back is due at the promised time, nothing pauses it"),
    ("contact.transferred", "contact.transfered", 12,
     "policies.0.clocks.diagnosis.start: 'contact.transfered' is not known; did you mean 'contact.transferred'?"),
    ("contact.transferred", "agent.state", 12, "policies.0.clocks.diagnosis.start: 'agent.state' is not known"),
    ("{milestone: diagnosis}", "{milstone: diagnosis}", 12,
     "policies.0.clocks.diagnosis.stop.milestone: is missing"),
    ("  office:", "  always:", 3, "calendars.always: this is the 24x7 calendar: give other hours another name"),
    ("Asia/Shanghai", "Asia/Shanghia", 3, "calendars.office.timezone: 'Asia/Shanghia' is no time zone"),
    ("{timezone: Asia/Shanghai,", "{holidays: XX,", 3, "calendars.office.holidays: 'XX': no holidays are known of it"),
    ("{timezone: Asia/Shanghai,", "{holidays: NO,", 3, "calendars.office.holidays: false is no text: put it in quotes"),
    ("{timezone: Asia/Shanghai,", "{zone: Asia/Shanghai,", 3,
     "calendars.office.zone: unknown key; did you mean 'timezone'?"),
    ("09:00-18:00", "9-18", 3, "calendars.office.hours.mon.0: '9-18' is no window"),
    ("{mon:", "{monday:", 3, "calendars.office.hours.monday: 'monday' is not known; did you mean 'mon'?"),
    ('["09:00-18:00"]', "[]", 3, "calendars.office: a week without an open hour"),
    ("{timezone: Asia/Shanghai,", '{open: {2026-10-10: ["9"]},', 3,
     "calendars.office.open.2026-10-10.0: '9' is no window"),
    ("{timezone: Asia/Shanghai,", '{open: {10-10: ["09:00-12:00"]},', 3, "calendars.office.open.10-10: is no date"),
    ("{timezone: Asia/Shanghai,", "{closed: [soon],", 3, "calendars.office.closed.0: is no date: write one"),
    ("connect: {target: 1.5h}", "connect: {target: 1h}\n      connect: {target: 2h}", 17,
     "policies.1.clocks.connect: given twice, first in line 16"),
    ("{target: 1.5h}", "{target: 1h, target: 2h}", 16,
     "policies.1.clocks.connect.target: given twice, first in line 16"),
    ("{timezone: Asia/Shanghai,", "{closed: [2026-02-30],", 3, "not valid YAML: there is no 2026-02-30"),
    ("  - name: rest", "  - name: [", 16, "not valid YAML"),
    ("version: 1", "version: *one", 1, "not valid YAML: found undefined alias 'one'"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "says"), REFUSALS)
def test_refusals_name_file_line_and_field(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert GOOD.count(old) == 1
    path = tmp_path / "p.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {says}"), message
    assert "\n" not in message


def test_everything_that_is_wrong_is_found_and_what_is_merged_in_only_once() -> None:
    source = PolicySource(
        """version: 1
policies:
  - name: a
    match: {channel: fax}
    clocks: &alike
      connect: {target: soon}
      callback: {colour: red}
      update: {target: 1h, calendar: moon}
  - name: a
    clocks:
      <<: *alike
      connect: {target: 1h, target: 2h}
""",
        "p",
    )
    file, faults = judge(source)
    assert file is None
    assert [(fault.line, fault.field) for fault in faults] == [
        (4, "policies.0.match.channel"),
        (6, "policies.0.clocks.connect.target"),
        (7, "policies.0.clocks.callback.colour"),
        (8, "policies.0.clocks.update.calendar"),
        (9, "policies.1.name"),
        (12, "policies.1.clocks.connect.target"),
    ]


def test_a_key_may_replace_what_is_merged_in() -> None:
    text = """version: 1
policies:
  - {name: a, match: {team: a}, clocks: &alike {connect: {target: 1m}, resolution: {target: 1h}}}
  - {name: b, clocks: {<<: *alike, connect: {target: 2m}}}
"""
    clocks = parse_policy(text).policies[1].clocks
    assert {name: clock.target for name, clock in clocks.items()} == {"connect": 120_000, "resolution": 3_600_000}


@pytest.mark.parametrize("text", ["", "- a list", "42"])
def test_a_policy_file_is_a_mapping(text: str) -> None:
    with pytest.raises(PolicyError, match="policy:1: a policy file is a mapping"):
        parse_policy(text)


def test_what_is_no_text_is_refused_in_one_line() -> None:
    with pytest.raises(PolicyError, match=r"^policy: not valid YAML: .*$"):
        parse_policy("version: \x00")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.yaml: cannot be read: No such file"):
        load_policy(tmp_path / "none.yaml")
