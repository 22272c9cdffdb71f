"""The naive oracle against examples worked by hand from the contract, so that the laws compare with something right.

How stories and outcomes read: `stories`.
"""

import pytest

from tests.oracles.contract import parse
from tests.oracles.engine import outcomes
from tests.unit.oracles.stories import at, events, opening, policies, shown

OFFICE = "p: first_response: {target: 2h, calendar: office, warn_at: []}"
HOUR = "p: first_response: {target: 1h, calendar: office, warn_at: []}"
PAUSED = "p: resolution: {target: 2h, calendar: office, pause_on: [customer], warn_at: []}"
DAY = "p: resolution: {target: 1bd, calendar: short, warn_at: []}"
NIGHT = "p: resolution: {target: 8h, calendar: night, warn_at: []}"
EARLY = "p: resolution: {target: 45m, calendar: early, warn_at: []}"
THROUGH = "p: resolution: {target: 8h, calendar: through, warn_at: []}"
UPDATE = "p: update: {target: 4h, warn_at: []}"
COMPLAINT = "p: complaint_ack: {target: 2h, warn_at: []}"
BOTH = "p: complaint_ack: {target: 2h, warn_at: []}, complaint_feedback: {target: 48h, warn_at: []}"
CALLBACK = "p: callback: {warn_at: []}"
OFFICE_CALLBACK = "p: callback: {target: 2h, calendar: office, warn_at: []}"
TRANSFER = "p: diagnosis: {target: 4h, start: contact.transferred, stop: {milestone: diagnosis}, warn_at: []}"
ROUNDS = "p: rounds: {target: 1h, start: message.agent, stop: message.agent, warn_at: []}"
REACHED = "p: after: {target: 1h, start: {milestone: a}, stop: contact.resolved, warn_at: []}"
SURVEY = "p: survey: {target: 1h, start: contact.resolved, stop: survey.submitted, warn_at: []}"
WARNED = "p: resolution: {target: 2h, calendar: office, pause_on: [customer], warn_at: [0.5, 0.8]}"
ANGRY = "angry complaint=true: resolution: {target: 1h, warn_at: []}, complaint_ack: {target: 30m, warn_at: []}\n"
CALM = "calm: resolution: {target: 4h, warn_at: []}, complaint_ack: {target: 2h, warn_at: []}"
LEVELS = "urgent priority=L1: resolution: {target: 1h, calendar: office, warn_at: []}\n"
LEVELS += "p: resolution: {target: 24h, pause_on: [customer], warn_at: []}"

CASES: list[tuple[str, str, str, str, str]] = [
    # calendars
    ("lunch does not count", OFFICE, "02 11:00 opened; 02 14:00 agent", "02 15:00",
     "first_response.0 met 02 11:00-02 14:00 @02 14:00"),
    ("used up at closing is due at closing", HOUR, "02 11:00 opened", "02 12:30",
     "first_response.0 breached 02 11:00-02 12:00"),
    ("stopped at closing is in time", HOUR, "02 11:00 opened; 02 12:00 agent", "02 12:30",
     "first_response.0 met 02 11:00-02 12:00 @02 12:00"),
    ("stopped in closed hours after it is too late", HOUR, "02 11:00 opened; 02 12:01 agent", "02 12:30",
     "first_response.0 breached 02 11:00-02 12:00 @02 12:01"),
    ("stopped at the next opening too", HOUR, "02 11:00 opened; 02 13:00 agent", "02 13:00",
     "first_response.0 breached 02 11:00-02 12:00 @02 13:00"),
    ("closed hours at the start do not count", HOUR, "02 19:00 opened", "03 09:30",
     "first_response.0 running 02 19:00-03 10:00"),
    ("nor does a weekend", OFFICE, "06 17:00 opened", "07 12:00", "first_response.0 running 06 17:00-09 10:00"),
    ("a pause across closing time", PAUSED, "02 17:00 opened; 02 17:30 pending; 03 08:00 resumed", "03 09:00",
     "resolution.0 running 02 17:00-03 10:30"),
    ("a pause in closed hours costs nothing", PAUSED, "02 17:00 opened; 02 19:00 pending; 03 08:00 resumed", "03 08:30",
     "resolution.0 running 02 17:00-03 10:00"),
    ("paused in closed hours after it was due", PAUSED, "02 16:00 opened; 02 19:00 pending", "02 20:00",
     "resolution.0 breached 02 16:00-02 18:00"),
    ("paused at closing, its due instant", PAUSED, "02 16:00 opened; 02 18:00 pending; 02 20:00 resolved", "02 21:00",
     "resolution.0 breached 02 16:00-02 18:00 @02 20:00"),
    ("and no later when the pause ends", PAUSED, "02 16:00 opened; 02 18:00 pending; 02 20:00 resumed", "02 21:00",
     "resolution.0 breached 02 16:00-02 18:00"),
    ("stopped in closed hours: due is what was left", OFFICE, "02 17:00 opened; 02 20:00 agent", "02 21:00",
     "first_response.0 met 02 17:00-03 10:00 @02 20:00"),
    # 28/29 March: 02:00 in Berlin becomes 03:00 at 01:00Z; the night is an hour shorter
    ("a night of two windows when clocks go forward", NIGHT, "28 20:00 opened", "28 20:00",
     "resolution.0 running 28 20:00-29 21:00"),
    ("the same as one window over midnight", THROUGH, "28 20:00 opened", "28 20:00",
     "resolution.0 running 28 20:00-29 21:00"),
    ("windows whose edges lie in the hour left out", EARLY, "29 00:00 opened", "29 00:00",
     "resolution.0 running 29 00:00-29 01:15"),
    # business days
    ("the same share of the next day", DAY, "02 13:00 opened", "02 13:00", "resolution.0 running 02 13:00-03 13:00"),
    ("where days differ in length", DAY, "05 13:00 opened", "05 13:00", "resolution.0 running 05 13:00-06 10:30"),
    ("over a weekend", DAY, "06 10:30 opened", "06 10:30", "resolution.0 running 06 10:30-09 13:00"),
    ("begun at closing it counts from the next opening", DAY, "06 12:00 opened", "06 12:00",
     "resolution.0 running 06 12:00-09 17:00"),
    ("begun at opening it is due at closing", DAY, "02 09:00 opened", "02 09:00",
     "resolution.0 running 02 09:00-02 17:00"),
    ("closed days are none", DAY.replace("1bd", "2bd"), "09 13:00 opened", "09 13:00",
     "resolution.0 running 09 13:00-12 13:00"),
    ("make-up days are", DAY, "13 10:30 opened", "13 10:30", "resolution.0 running 13 10:30-14 11:00"),
    ("rounded up to whole milliseconds", DAY, "05 09:00:00.001 opened", "05 10:00",
     "resolution.0 running 05 09:00:00.001-06 09:00:00.001"),
    ("24x7: of 24 hours", "p: resolution: {target: 2bd, warn_at: []}", "07 13:00 opened", "07 13:00",
     "resolution.0 running 07 13:00-09 13:00"),
    ("a day counted from a pause-free start, then paused", DAY.replace("short", "short, pause_on: [customer]"),
     "05 13:00 opened; 05 14:00 pending; 05 15:00 resumed", "05 15:00", "resolution.0 running 05 13:00-06 11:30"),
    # update
    ("update runs from opening to the next agent message", UPDATE, "02 09:00 opened; 02 10:00 agent; 02 15:00 agent",
     "02 15:00", "update.0 met 02 09:00-02 13:00 @02 10:00, update.1 breached 02 10:00-02 14:00 @02 15:00, "
     "update.2 running 02 15:00-02 19:00"),
    ("only while the case is open", UPDATE, "02 08:00 agent; 02 09:00 opened; 02 10:00 resolved; 02 11:00 agent",
     "02 12:00", "update.0 cancelled 02 09:00-02 13:00 @02 10:00"),
    ("reopened it starts at the next agent message", UPDATE,
     "02 09:00 opened; 02 10:00 abandoned; 02 11:00 reopened; 02 12:00 agent", "02 12:00",
     "update.0 cancelled 02 09:00-02 13:00 @02 10:00, update.1 running 02 12:00-02 16:00"),
    # complaints
    ("filed starts both, each has its own end", BOTH, "02 09:00 opened; 02 10:00 filed; 02 11:00 acknowledged",
     "02 12:00", "complaint_ack.0 met 02 10:00-02 12:00 @02 11:00, complaint_feedback.0 running 02 10:00-04 10:00"),
    ("feedback ends only its own", BOTH, "02 10:00 filed; 02 11:00 feedback", "02 11:00",
     "complaint_ack.0 running 02 10:00-02 12:00, complaint_feedback.0 met 02 10:00-04 10:00 @02 11:00"),
    ("opened as a complaint", COMPLAINT, "02 09:00 opened | complaint.true", "02 09:00",
     "complaint_ack.0 running 02 09:00-02 11:00"),
    ("not while one is live, even breached", COMPLAINT, "02 10:00 filed; 02 13:00 filed; 02 14:00 acknowledged",
     "02 14:00", "complaint_ack.0 breached 02 10:00-02 12:00 @02 14:00"),
    ("but again after its end", COMPLAINT, "02 10:00 filed; 02 11:00 acknowledged; 02 13:00 filed", "02 13:00",
     "complaint_ack.0 met 02 10:00-02 12:00 @02 11:00, complaint_ack.1 running 02 13:00-02 15:00"),
    ("becoming one by an update starts none", COMPLAINT, "02 09:00 opened; 02 10:00 updated | complaint.true",
     "02 10:00", ""),
    ("resolved leaves it, closed cancels it", COMPLAINT,
     "02 09:00 opened; 02 10:00 filed; 02 10:30 resolved; 02 11:00 closed; 02 11:30 filed", "02 11:30",
     "complaint_ack.0 cancelled 02 10:00-02 12:00 @02 11:00, complaint_ack.1 running 02 11:30-02 13:30"),
    ("abandoned cancels it", COMPLAINT, "02 10:00 filed; 02 11:00 abandoned", "02 11:00",
     "complaint_ack.0 cancelled 02 10:00-02 12:00 @02 11:00"),
    ("filed, running clocks are retargeted, then those of the complaint start", ANGRY + CALM,
     "02 09:00 opened; 02 09:30 filed", "02 09:30",
     "complaint_ack.0 running 02 09:30-02 10:00, resolution.0 running 02 09:00-02 10:00"),
    ("at once breached where that is past", ANGRY + CALM, "02 09:00 opened; 02 10:30 filed", "02 10:30",
     "complaint_ack.0 running 02 10:30-02 11:00, resolution.0 breached 02 09:00-02 10:00"),
    ("only where it was none before", ANGRY + CALM + ", other: {target: 1h, stop: survey.submitted}",
     "02 09:00 filed | priority=L1; 02 09:10 opened; 02 09:20 filed", "02 09:20",
     "complaint_ack.0 running 02 09:00-02 09:30, resolution.0 running 02 09:10-02 10:10"),
    # call-backs
    ("due when promised, each on its own", CALLBACK,
     "02 09:00 promised | callback_id.a due_at.02T11:00; 02 09:10 promised | callback_id.b due_at.02T10:00; "
     "02 10:30 made | callback_id.b", "02 10:30",
     "callback.0[a] running 02 09:00-02 11:00, callback.1[b] breached 02 09:10-02 10:00 @02 10:30"),
    ("without due_at in 24 h", CALLBACK, "02 09:00 promised | callback_id.a", "02 09:00",
     "callback.0[a] running 02 09:00-03 09:00"),
    ("or by the policy's target and calendar", OFFICE_CALLBACK, "02 17:00 promised | callback_id.a", "02 17:00",
     "callback.0[a] running 02 17:00-03 10:00"),
    ("promised for the past it is due at the promise", CALLBACK, "02 09:00 promised | callback_id.a due_at.02T08:00",
     "02 09:00:00.001", "callback.0[a] breached 02 09:00-02 09:00"),
    ("promised again it moves", CALLBACK,
     "02 09:00 promised | callback_id.a due_at.02T11:00; 02 10:00 promised | callback_id.a due_at.02T15:00; "
     "02 14:00 made | callback_id.a", "02 14:00", "callback.0[a] met 02 09:00-02 15:00 @02 14:00"),
    ("breached, a second promise is a second clock; made ends both", CALLBACK,
     "02 09:00 promised | callback_id.a due_at.02T10:00; 02 11:00 promised | callback_id.a due_at.02T15:00; "
     "02 14:00 made | callback_id.a", "02 14:00",
     "callback.0[a] breached 02 09:00-02 10:00 @02 14:00, callback.1[a] met 02 11:00-02 15:00 @02 14:00"),
    ("without due_at too, then nothing but the new instant counts", OFFICE_CALLBACK,
     "02 17:00 promised | callback_id.a; 02 17:30 promised | callback_id.a", "02 18:30",
     "callback.0[a] running 02 17:00-03 10:30"),
    ("again for the past it is due at the second promise", CALLBACK,
     "02 09:00 promised | callback_id.a; 02 10:00 promised | callback_id.a due_at.02T09:30", "02 11:00",
     "callback.0[a] breached 02 09:00-02 10:00"),
    ("also where the policy promises none any more", "angry complaint=true: resolution: {target: 9h}\n" + CALLBACK,
     "02 09:00 promised | callback_id.a; 02 10:00 filed; 02 11:00 promised | callback_id.a due_at.02T12:00; "
     "02 11:10 promised | callback_id.b", "02 11:30", "callback.0[a] running 02 09:00-02 12:00"),
    ("resolved leaves it, closed cancels it", CALLBACK,
     "02 09:00 promised | callback_id.a due_at.02T15:00; 02 09:30 opened; 02 10:00 resolved; 02 11:00 closed",
     "02 12:00", "callback.0[a] cancelled 02 09:00-02 15:00 @02 11:00"),
    # custom clocks
    ("a transfer to its diagnosis", TRANSFER,
     "02 09:00 opened; 02 10:00 transferred; 02 11:00 transferred; 02 12:00 milestone | name.other; "
     "02 13:00 milestone | name.diagnosis", "02 13:00", "diagnosis.0 met 02 10:00-02 14:00 @02 13:00"),
    ("one event ends it and begins the next", ROUNDS, "02 09:00 agent; 02 09:30 agent; 02 11:00 agent", "02 11:00",
     "rounds.0 met 02 09:00-02 10:00 @02 09:30, rounds.1 breached 02 09:30-02 10:30 @02 11:00, "
     "rounds.2 running 02 11:00-02 12:00"),
    ("ended by an event that cancels others, it is met", REACHED, "02 09:00 milestone | name.a; 02 09:30 resolved",
     "02 10:00", "after.0 met 02 09:00-02 10:00 @02 09:30"),
    ("begun by it, it outlives it", SURVEY, "02 09:00 opened; 02 09:30 resolved", "02 10:00",
     "survey.0 running 02 09:30-02 10:30"),
    ("resolved cancels others", TRANSFER, "02 10:00 transferred; 02 11:00 resolved", "02 11:00",
     "diagnosis.0 cancelled 02 10:00-02 14:00 @02 11:00"),
    ("ended by what also changes its policy", "angry complaint=true: other: {target: 1h, stop: survey.submitted}\n"
     "p: other: {target: 2h, stop: complaint.filed, warn_at: []}", "02 09:00 opened; 02 10:30 filed", "02 11:00",
     "other.0 met 02 09:00-02 11:00 @02 10:30"),
    # retargeting
    ("another calendar counts from the clock's start", LEVELS, "02 17:30 opened; 02 19:00 updated | priority.L1",
     "02 19:00", "resolution.0 running 02 17:30-03 09:30"),
    ("over the stretches it ran", LEVELS,
     "02 16:30 opened; 02 17:00 pending; 02 17:30 resumed; 02 17:40 updated | priority.L1", "02 17:40",
     "resolution.0 running 02 16:30-02 18:00"),
    ("due at closing, long past", LEVELS, "02 17:00 opened; 02 19:00 updated | priority.L1", "02 19:00",
     "resolution.0 breached 02 17:00-02 18:00"),
    ("what paused it then pauses it no more", LEVELS,
     "02 09:00 opened; 02 09:30 pending; 02 10:00 updated | priority.L1", "02 10:00",
     "resolution.0 running 02 09:00-02 10:30"),
    # reopening
    ("continue counts the open time between", "p continue: resolution: {target: 2h, calendar: office, warn_at: []}",
     "02 17:00 opened; 02 17:30 resolved; 03 09:30 reopened", "03 09:30",
     "resolution.0 met 02 17:00-03 10:00 @02 17:30, resolution.1 running 03 09:30-03 10:00"),
    # warnings
    ("no warning before its instant has passed", WARNED, "02 09:00 opened", "02 10:00",
     "resolution.0 running 02 09:00-02 11:00"),
    ("then the latest", WARNED, "02 09:00 opened", "02 10:00:00.001",
     "resolution.0 running 02 09:00-02 11:00 !02 10:00 0.5"),
    ("and the last stays", WARNED, "02 09:00 opened", "02 12:00",
     "resolution.0 breached 02 09:00-02 11:00 !02 10:36 0.8"),
    ("none at the stop itself", WARNED, "02 09:00 opened; 02 10:36 resolved", "02 12:00",
     "resolution.0 met 02 09:00-02 11:00 @02 10:36 !02 10:00 0.5"),
    ("open hours count, pauses do not", WARNED, "02 11:30 opened; 02 11:40 pending; 02 14:00 resumed", "02 15:00",
     "resolution.0 running 02 11:30-02 15:50 !02 14:50 0.5"),
    ("reached at closing, it is dated there", WARNED, "02 11:00 opened", "02 12:30",
     "resolution.0 running 02 11:00-02 14:00 !02 12:00 0.5"),
    ("not put off by a pause that begins there", WARNED, "02 09:00 opened; 02 10:00 pending; 02 11:00 resumed",
     "02 11:30",
     "resolution.0 running 02 09:00-02 12:00 !02 10:00 0.5"),
    ("beyond its time from the start, it warned of that", "p continue: resolution: {target: 1h}",
     "02 09:00 opened; 02 09:30 resolved; 02 11:00 reopened", "02 11:00",
     "resolution.0 met 02 09:00-02 10:00 @02 09:30, resolution.1 breached 02 11:00-02 11:00 !02 11:00 0.8"),
    ("by default at four fifths", "p: callback: {}", "02 09:00 promised | callback_id.a due_at.02T10:00", "02 10:00",
     "callback.0[a] running 02 09:00-02 10:00 !02 09:48 0.8"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "story", "now", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_oracle_says_what_was_worked_out_by_hand(policy: str, story: str, now: str, want: str) -> None:
    records = outcomes(events(story), policies(policy), parse(at(*now.split())))
    assert ", ".join(map(shown, records)) == want


def test_another_policy_file_holds_from_its_instant_on() -> None:
    story = events("02 09:00 opened; 02 09:50 customer")
    first = policies("p: resolution: {target: 4h, warn_at: []}, next_response: {target: 1h, warn_at: []}")
    later = policies("q: resolution: {target: 2h, warn_at: []}")
    latest = policies("r: resolution: {target: 9h, warn_at: []}")
    moments = [parse(at("02", clock)) for clock in ("10:00", "10:00", "11:00:00.001")]
    records = outcomes(story, first, parse(at("02", "11:30")), list(zip(moments, (latest, later, latest), strict=True)))
    assert [(r["policy"], shown(r)) for r in records] == [
        ("p", "next_response.0 breached 02 09:50-02 10:50"),
        ("q", "resolution.0 breached 02 09:00-02 11:00"),
    ]


def test_of_a_repeated_hour_both_count() -> None:
    # On 25 October in Berlin: 01:30-02:15, 02:30-03:00, that hour again with 02:00-02:15 and 02:30-03:30.
    assert opening("early", "2026-10-24T12:00:00Z", 4) == [
        "24 23:30-00:00", "25 00:00-00:15", "25 00:30-01:15", "25 01:30-02:30",
    ]  # fmt: skip


def test_holidays_are_closed_and_the_weekend_worked_for_them_is_open() -> None:
    # Spring festival lasts to Monday 23 February 2026; Saturday the 28th is worked, as the Saturday of the 14th was.
    assert opening("free", "2026-02-13T12:00:00Z", 4) == [
        "14 01:00-02:00", "21 02:00-04:00", "27 01:00-09:00", "28 01:00-02:00",
    ]  # fmt: skip
