"""What a story counts besides clocks, by worked examples: `minute measure n`, durations in seconds.

The oracle must say the same.
How stories read: `tests.support.stories`.
"""

from typing import Any

import pytest

from schemas.times import parse as ms_of
from tests.oracles.contract import parse
from tests.property.driving import assert_same, expected, run, view
from tests.support.stories import at, events, minutes, policy_of

PLAIN = policy_of("p: resolution 60m")
CASES: list[tuple[str, str, str]] = [
    # waits
    ("a wait counts from the queue", "0 opened; 2 queued; 5 connected",
     "5 connect_wait 180; 5 connected 1"),
    ("from the opening where nobody queued", "0 opened; 0.25 connected",
     "0 connect_wait 15; 0 connected 1; 0 connected_in_limit 1"),
    ("at the limit is within it", "0 opened; 1 queued; 1.33333333 connected",
     "1 connect_wait 20; 1 connected 1; 1 connected_in_limit 1"),
    ("a millisecond later is not", "0 opened; 1 queued; 1.33335 connected", "1 connect_wait 20.001; 1 connected 1"),
    ("queueing again does not shorten it", "0 opened; 1 queued; 3 queued; 4 connected",
     "4 connect_wait 180; 4 connected 1"),
    ("queued after the connection it waited from the opening", "0 opened; 3 connected; 4 queued",
     "3 connect_wait 180; 3 connected 1"),
    ("connected before it was opened there is no wait", "0 connected; 2 opened", ""),
    ("queued before it was opened it waited since", "0 queued; 2 opened; 3 connected",
     "3 connect_wait 180; 3 connected 1"),
    ("only the first connection counts", "0 opened; 1 connected; 2 queued; 5 connected",
     "1 connect_wait 60; 1 connected 1"),
    ("who leaves waited too", "0 opened; 1 queued; 3 abandoned", "3 abandon_wait 120; 3 abandoned 1"),
    ("within five seconds it was short", "0 opened; 1 queued; 1.08333333 abandoned",
     "1 abandon_wait 5; 1 abandoned 1; 1 abandoned_in_limit 1; 1 abandoned_short 1"),
    ("a millisecond later no more", "0 opened; 1 queued; 1.08335 abandoned",
     "1 abandon_wait 5.001; 1 abandoned 1; 1 abandoned_in_limit 1"),
    ("taken after all, it was not abandoned", "0 opened; 1 queued; 2 abandoned; 3 connected",
     "3 connect_wait 120; 3 connected 1"),
    # bots
    ("a bot alone contains it", "0 opened; 1 bot; 9 resolved", "1 bot_cases 1; 9 bot_contained 1"),
    ("a human after the bot does not", "0 opened; 1 bot; 2 agent; 9 resolved",
     "1 bot_cases 1; 2 first_response 120"),
    ("nor one before it", "0 opened; 1 agent; 2 bot; 9 resolved", "1 first_response 60; 2 bot_cases 1"),
    ("nor one who took it and said nothing", "0 opened; 1 connected; 2 bot; 9 resolved",
     "1 connect_wait 60; 1 connected 1; 2 bot_cases 1"),
    ("nor one who writes after the resolution", "0 opened; 1 bot; 9 resolved; 10 agent",
     "1 bot_cases 1; 10 first_response 600"),
    ("a note is no human", "0 opened; 1 bot; 2 internal; 9 resolved", "1 bot_cases 1; 9 bot_contained 1"),
    ("a bot that speaks only after the resolution counts there", "0 opened; 9 resolved; 10 bot",
     "9 bot_contained 1; 10 bot_cases 1"),
    ("the last resolution counts", "0 opened; 1 bot; 3 resolved; 4 reopened; 9 resolved",
     "1 bot_cases 1; 9 bot_contained 1"),
    # answers
    ("the first answer counts from the opening", "0 opened; 2 customer; 5 agent; 7 agent", "5 first_response 300"),
    ("what was said before the opening is no answer", "0 agent; 1 opened; 5 agent", "5 first_response 240"),
    ("a call costs talk, hold and wrap", "0 opened; 5 wrapped | talk_s.60 hold_s.1.5 wrap_s.30",
     "5 handle 91.5; 5 handled 1"),
    ("scores below -0.3 are negative", "0 opened; 1 scored | score.-0.3; 2 scored | score.-0.31",
     "1 scored 1; 2 scored 1; 2 scored_negative 1"),
    ("six is a detractor, nine a promoter", "0 opened; 1 submitted | nps.6; 2 submitted | nps.7; 3 submitted | nps.9",
     "1 nps_answers 1; 1 nps_detractors 1; 2 nps_answers 1; 3 nps_answers 1; 3 nps_promoters 1"),
    ("eight is neither", "0 opened; 1 submitted | nps.8", "1 nps_answers 1"),
    ("four passes, three does not", "0 opened; 1 submitted | csat.4; 2 submitted | csat.3",
     "1 csat_answers 1; 1 csat_passed 1; 1 csat_squares 16; 1 csat_sum 4; "
     "2 csat_answers 1; 2 csat_squares 9; 2 csat_sum 3"),
]  # fmt: skip
APART = {"opened", "resolved", "resolution_ms", "reopened", "resolved_reopened", "surveys", "first_responses"}
"""Left out of examples, because nearly every story counts them."""


def counted(told: dict[str, Any]) -> str:
    """What a view says of measures."""
    found = []
    for key, cell in told["contact_slices"].items():
        for name, n in cell.items():
            if name in APART or "~" in name or name.startswith("clock"):
                continue
            duration = name.endswith("_ms")
            shown = f"{n / 1000:g}" if duration else str(n)
            found.append((float(minutes(ms_of(key[0]))), f"{name.removesuffix('_ms')} {shown}"))
    return "; ".join(f"{minute:g} {text}" for minute, text in sorted(found))


@pytest.mark.parametrize(("story", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_counts(story: str, want: str) -> None:
    told, now = events(story), parse(at("60"))
    oracle = expected(told, PLAIN, now)
    for coming in (told, told[::-1]):
        found = view(run(coming, PLAIN, now))
        assert counted(found) == want
        assert_same(found, oracle)


@pytest.mark.parametrize(
    ("story", "customers"),
    [
        ("0 opened | customer_id=kim; 1 internal | customer_id=kim", 1),
        ("0 opened | customer_id=kim; 1 internal | customer_id=lee", 1),
        ("0 opened; 1 internal | customer_id=lee", 1),
        ("0 internal | customer_id=lee; 1 opened", 1),
        ("0 internal | customer_id=lee", 0),
        ("0 opened", 0),
    ],
)
def test_a_contact_counts_for_one_customer_the_latest_known(story: str, customers: int) -> None:
    told, now = events(story), parse(at("60"))
    for coming in (told, told[::-1]):
        found = view(run(coming, PLAIN, now))
        assert found["metrics"]["customers"][0] == customers
        assert_same(found, expected(told, PLAIN, now))


def test_what_happens_wholly_in_closed_hours_took_no_time_and_counts() -> None:
    policy = policy_of("p: resolution 60m, first_response 60m")
    policy["calendars"] = {"o": {"hours": {"tue": ["09:00-10:00"]}}}  # stories begin on a Monday
    for clock in policy["policies"][0]["clocks"].values():
        clock["calendar"] = "o"
    told, now = events("0 opened; 5 agent; 9 resolved"), parse(at("60"))
    found = view(run(told, policy, now))
    assert_same(found, expected(told, policy, now))
    for metric in ("resolution_time.business.mean", "first_response_time.business.mean"):
        assert found["metrics"][metric][:2] == (0, 1), metric
