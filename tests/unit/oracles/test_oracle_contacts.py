"""The naive oracle against examples worked by hand: what one case tells of metrics.

How stories read: `stories`; how facts read: `telling`.
"""

import pytest

from tests.oracles import arrived, contacts
from tests.oracles.metrics import Reading
from tests.unit.oracles.stories import events, policies
from tests.unit.oracles.telling import PLAIN, booked, counted, instant

BUSINESS = policies(
    "angry complaint=true: first_response: {target: 1h}\n"
    "p: first_response: {target: 1h, calendar: office}, resolution: {target: 1h, calendar: short}"
)


@pytest.mark.parametrize(
    ("story", "want"),
    [
        ("02 09:00 opened; 02 09:01 bot; 02 09:02 bot; 02 09:05 resolved", "bot_cases, bot_contained"),
        ("02 09:00 opened; 02 09:01 bot", "bot_cases"),
        ("02 09:01 bot", "bot_cases"),
        ("02 09:01 bot; 02 09:02 resolved", "bot_cases"),
        ("02 09:00 opened; 02 09:01 bot; 02 09:05 resolved; 03 10:00 agent", "bot_cases"),
        ("02 09:00 opened; 02 09:01 bot; 02 09:05 resolved; 03 10:00 connected", "bot_cases"),
        ("02 08:00 agent; 02 09:00 opened; 02 09:01 bot; 02 09:05 resolved", "bot_cases"),
        ("02 09:00 opened; 02 09:05 resolved; 02 09:06 bot", "bot_cases, bot_contained"),
        ("02 09:00 opened; 02 09:05 resolved", ""),
    ],
)
def test_a_bot_contains_what_is_resolved_and_no_human_ever_touched(story: str, want: str) -> None:
    assert counted(contacts.facts(events(story), PLAIN), "bot_ca", "bot_con") == want


def test_containment_is_booked_at_the_last_resolution_and_a_bot_case_at_its_first_message() -> None:
    told = list(
        contacts.facts(
            events(
                "02 09:00 opened; 02 09:01 bot; 02 09:02 bot | channel=app; 02 09:03 resolved; 02 09:04 reopened; "
                "02 09:05 resolved | channel=web"
            ),
            PLAIN,
        )
    )
    assert booked(told, "bot_cases") == ["02 09:01 chat"]
    assert booked(told, "bot_contained") == booked(told, "resolved_reopened") == ["02 09:05 web"]
    assert counted(told, "resolved") == "resolved, resolved_reopened"


@pytest.mark.parametrize(
    ("story", "want"),
    [
        ("02 09:00 opened; 02 09:05 resolved | customer_id=u", "resolved, resolved_of_known"),
        ("02 09:00 opened; 02 09:05 resolved; 04 09:00 survey | customer_id=u", "resolved, resolved_of_known"),
        ("02 09:00 opened; 02 09:05 resolved; 02 09:06 state | customer_id=u agent_id=ann state.busy", "resolved"),
        ("02 09:00 opened | customer_id=u; 02 09:05 closed", ""),
    ],
)
def test_whose_a_case_is_counts_whenever_it_is_told(story: str, want: str) -> None:
    assert counted(contacts.facts(events(story), PLAIN), "resolved") == want


@pytest.mark.parametrize(
    ("story", "want"),
    [
        # Monday: the office closes at 12:00 for an hour.
        ("02 11:00 opened; 02 14:00 agent",
         "first_response_business_ms 7200000, first_response_ms 10800000, first_responses, first_responses_business"),
        ("02 12:10 opened; 02 12:40 agent", "first_response_ms 1800000, first_responses, first_responses_business"),
        # An angry customer's clock has no calendar.
        ("02 11:00 opened; 02 13:30 filed; 02 14:00 agent", "first_response_ms 10800000, first_responses"),
        ("02 11:00 opened | complaint.true; 02 14:00 updated | complaint.false; 02 14:00 agent",
         "first_response_business_ms 7200000, first_response_ms 10800000, first_responses, first_responses_business"),
        # Friday closes at noon, Monday opens at 9; reopened in between.
        ("06 11:00 opened; 06 11:30 resolved; 06 13:00 reopened; 09 10:00 resolved",
         "resolution_business_ms 7200000, resolution_ms 255600000"),
        ("06 11:00 opened; 06 11:20 filed; 06 11:30 resolved", "resolution_ms 1800000"),
    ],
)  # fmt: skip
def test_business_hours_stand_beside_wall_clock_where_the_clock_has_a_calendar(story: str, want: str) -> None:
    assert counted(contacts.facts(events(story), BUSINESS), "first_resp", "resolution") == want


def test_waits_squares_suggestions() -> None:
    story = (
        "02 09:00 opened; 02 09:00:10 queued; 02 09:00:40.250 abandoned; 02 10:00 survey | csat.4 ces.7; "
        "02 11:00 adopted"
    )
    told = list(contacts.facts(events(story), PLAIN))
    assert counted(told, "aband", "csat", "ces", "sugg") == (
        "abandon_wait_ms 30250, abandoned, ces_answers, ces_squares 49, ces_sum 7, csat_answers, csat_passed, "
        "csat_squares 16, csat_sum 4, suggestions"
    )
    assert list(contacts.duration_slices(told).values()) == [{"abandon_wait": [30_250]}]
    apart = events("02 09:00 adopted | agent_id=ann; 02 09:01 praised | agent_id=ann", None)
    assert counted(contacts.facts(apart + apart, PLAIN), "") == "praises, suggestions"


def test_clocks_count_when_they_ended_in_time_or_were_due() -> None:
    promised = policies("p: first_response: {target: 1h}, callback: {}, update: {target: 3h}")
    story = (
        "02 09:00 opened; 02 09:30 agent; 02 09:31 promised | callback_id.k due_at.02T10:00; "
        "02 10:30 made | callback_id.k; 02 11:00 resolved"
    )
    told = list(contacts.clock_facts(Reading(events(story), promised, instant("02 12:00")).records))
    assert counted(told, "") == (
        "callback_ended, clocks_ended 3, clocks_met 2, first_response_ended, first_response_met"
    )
    assert booked(told, "callback_ended") == ["02 10:00 chat"]


@pytest.mark.parametrize(("came", "late"), [("02 09:01:02", ""), ("02 09:01:02.001", ", events_late")])
def test_an_event_is_late_when_its_minute_was_told(came: str, late: str) -> None:
    told = events("02 09:00:59 opened")
    found = arrived.facts(told * 2, PLAIN, {"00": instant(came)})
    assert counted(found, "") == "events" + late
