"""The clock rules of contacts and messages, by worked examples told as `tests.support.stories` tells them."""

from typing import Any

import pytest

from schemas.times import to_ms
from tests.oracles.contract import parse as instant
from tests.support.stories import START, assert_told, decoded, engine_of, events, policy_of

CONNECT, FIRST, NEXT, BOT = "p: connect 5m", "p: first_response 5m", "p: next_response 5m", "p: bot_response 1m"
RESOLUTION = "p: resolution 60m customer"
BY_LEVEL_PAUSED = ("urgent priority=L1: resolution 5m customer", "p: resolution 60m customer")
BY_LEVEL = ("urgent priority=L1: resolution 10m", "p: resolution 60m")

CASES: list[tuple[str, Any, str, str, str]] = [
    # connect
    ("opened starts connect, connected ends it", CONNECT, "0 opened; 3 connected", "9", "connect.0 met 0-5@3"),
    ("a stop at the due instant is met", CONNECT, "0 opened; 5 connected", "9", "connect.0 met 0-5@5"),
    ("later is breached, dated at due", CONNECT, "0 opened; 7 connected", "9", "connect.0 breached 0-5@7"),
    ("still running at its due instant", CONNECT, "0 opened", "5", "connect.0 running 0-5"),
    ("breached right after it", CONNECT, "0 opened", "5.001", "connect.0 breached 0-5"),
    ("the wait begins with queueing", CONNECT, "0 opened; 4 queued; 8 connected", "9", "connect.0 met 4-9@8"),
    ("even where the opening's wait was breached", CONNECT, "0 opened; 7 queued; 8 connected", "9",
     "connect.0 met 7-12@8"),
    ("queueing again does not begin anew", CONNECT, "0 opened; 1 queued; 4 queued", "4", "connect.0 running 1-6"),
    ("queued after a connection waits again", CONNECT, "0 opened; 1 connected; 4 queued", "5",
     "connect.0 met 0-5@1, connect.1 running 4-9"),
    ("queued before opened", CONNECT, "0 queued; 2 opened", "4", "connect.0 running 0-5"),
    ("and the pauses since", CONNECT + " customer", "0 queued; 1 pending; 3 resumed; 4 opened", "4",
     "connect.0 running 0-7"),
    ("connected before opened", CONNECT, "0 connected; 2 opened", "4", ""),
    ("abandoned in time cancels", CONNECT, "0 opened; 4.999 abandoned", "9", "connect.0 cancelled 0-5@4.999"),
    ("abandoned at the due instant is too late", CONNECT, "0 opened; 5 abandoned", "9", "connect.0 breached 0-5@5"),
    ("abandoned cancels all others", RESOLUTION, "0 opened; 4 abandoned", "9", "resolution.0 cancelled 0-60@4"),
    ("the queue's policy may promise nothing", ("q queue=q: resolution 60m", CONNECT), "0 opened; 2 queued | queue=q",
     "9", ""),
    # first and next response
    ("only a human ends first_response", FIRST, "0 opened; 1 bot; 2 internal; 3 agent", "9",
     "first_response.0 met 0-5@3"),
    ("one wait is one clock", NEXT, "0 opened; 1 customer; 2 customer; 3 agent; 4 agent", "9",
     "next_response.0 met 1-6@3"),
    ("each wait has its own", NEXT, "0 opened; 1 customer; 2 agent; 3 customer; 9 agent", "9",
     "next_response.0 met 1-6@2, next_response.1 breached 3-8@9"),
    ("a message before opening waits since then", NEXT, "1 customer; 2 opened", "3", "next_response.0 running 1-6"),
    ("resolved forgets what waits", NEXT, "0 opened; 1 customer; 2 resolved; 3 customer", "4",
     "next_response.0 cancelled 1-6@2, next_response.1 running 3-8"),
    ("closed cases wait for nobody", NEXT, "0 opened; 1 closed; 2 customer", "4", ""),
    ("until reopened", NEXT, "0 opened; 1 closed; 2 reopened; 3 customer", "4", "next_response.0 running 3-8"),
    ("a bot ends bot_response", BOT, "0 opened; 1 customer; 1.5 bot; 2 customer; 4 agent", "9",
     "bot_response.0 met 1-2@1.5, bot_response.1 breached 2-3@4"),
    ("a human ends it too, and a bot that follows ends nothing of a later wait", BOT,
     "0 opened; 1 customer; 1.5 agent; 1.6 bot; 2 customer; 2.5 bot; 4 agent", "9",
     "bot_response.0 met 1-2@1.5, bot_response.1 met 2-3@2.5"),
    ("what a bot answered still waits for a human", NEXT + ", bot_response 1m",
     "0 opened; 1 customer; 1.5 bot; 2 customer; 3 agent", "9",
     "bot_response.0 met 1-2@1.5, bot_response.1 met 2-3@3, next_response.0 met 1-6@3"),
    ("a bot that speaks unasked ends no wait to come", BOT, "0 opened; 1 bot; 2 customer; 9 resolved", "9",
     "bot_response.0 breached 2-3@9"),
    # pauses
    ("pending stops the clock", RESOLUTION, "0 opened; 10 pending", "90", "resolution.0 paused 0-"),
    ("resumed gives the time back", RESOLUTION, "0 opened; 10 pending; 30 resumed", "90", "resolution.0 breached 0-80"),
    ("other reasons do not", RESOLUTION, "0 opened; 10 pending | reason.internal", "50", "resolution.0 running 0-60"),
    ("overlapping pauses count once", "p: resolution 60m customer third_party",
     "0 opened; 10 pending; 20 pending | reason.third_party; 30 resumed | reason.customer; 40 resumed", "50",
     "resolution.0 running 0-90"),
    ("resumed without reason ends all", "p: resolution 60m customer third_party",
     "0 opened; 10 pending; 10 pending | reason.third_party; 30 resumed", "50", "resolution.0 running 0-80"),
    ("a clock may begin paused", RESOLUTION, "0 pending; 5 opened", "90", "resolution.0 paused 5-"),
    ("ended while paused: due is what was left", RESOLUTION, "0 opened; 10 pending; 30 resolved", "90",
     "resolution.0 met 0-80@30"),
    ("cancelled while paused too", RESOLUTION, "0 opened; 10 pending; 30 closed", "90",
     "resolution.0 cancelled 0-80@30"),
    ("paused at its due instant, it is due nevertheless", RESOLUTION, "0 opened; 60 pending; 70 resolved", "90",
     "resolution.0 breached 0-60@70"),
    ("and no later when the pause ends", RESOLUTION, "0 opened; 60 pending; 70 resumed", "90",
     "resolution.0 breached 0-60"),
    ("stopped at that instant it is met", RESOLUTION, "0 opened; 60 pending; 60 resolved", "90",
     "resolution.0 met 0-60@60"),
    ("a shorter target may end just where a pause began", BY_LEVEL_PAUSED,
     "0 opened; 5 pending; 30 updated | priority.L1", "40", "resolution.0 breached 0-5"),
    ("reopened ends pauses of a running clock", RESOLUTION, "0 opened; 10 pending; 30 reopened", "40",
     "resolution.0 running 0-80"),
    # policy changes
    ("a new target counts from the clock's start", BY_LEVEL, "0 opened; 5 updated | priority.L1", "9",
     "resolution.0 running 0-10"),
    ("already passed, it is breached when it was reached", BY_LEVEL, "0 opened; 30 updated | priority.L1", "40",
     "resolution.0 breached 0-10"),
    ("a longer target saves a running clock", BY_LEVEL, "0 opened | priority=L1; 9 updated | priority.L2", "40",
     "resolution.0 running 0-60"),
    ("but not a breached one", BY_LEVEL, "0 opened | priority=L1; 11 updated | priority.L2", "40",
     "resolution.0 breached 0-10"),
    ("only contact.updated matches again", BY_LEVEL, "0 opened; 5 agent | priority=L1", "9",
     "resolution.0 running 0-60"),
    ("the new policy's pauses hold too", ("late complaint=true: resolution 60m", RESOLUTION),
     "0 opened; 10 pending; 20 updated | complaint.true", "30", "resolution.0 running 0-70"),
    ("complaints may have a policy of their own", ("c complaint=true: resolution 30m", RESOLUTION),
     "0 opened; 1 filed", "3", "resolution.0 running 0-30"),
    # resolved, reopened, closed
    ("resolved ends resolution and cancels the rest", "p: resolution 60m, first_response 5m", "0 opened; 3 resolved",
     "9", "first_response.0 cancelled 0-5@3, resolution.0 met 0-60@3"),
    ("what is breached stays breached", FIRST, "0 opened; 7 resolved", "9", "first_response.0 breached 0-5@7"),
    ("closed cancels resolution", RESOLUTION, "0 opened; 3 closed", "9", "resolution.0 cancelled 0-60@3"),
    ("reopened: restart", RESOLUTION, "0 opened; 50 resolved; 80 reopened", "90",
     "resolution.0 met 0-60@50, resolution.1 running 80-140"),
    ("reopened: subtract", RESOLUTION + "; subtract", "0 opened; 50 resolved; 80 reopened", "89",
     "resolution.0 met 0-60@50, resolution.1 running 80-90"),
    ("reopened: continue", RESOLUTION + "; continue", "0 opened; 50 resolved; 55 reopened", "56",
     "resolution.0 met 0-60@50, resolution.1 running 55-60"),
    ("continued beyond its time", RESOLUTION + "; continue", "0 opened; 50 resolved; 80 reopened", "80",
     "resolution.0 met 0-60@50, resolution.1 breached 80-80"),
    ("reopened while it runs starts nothing", RESOLUTION, "0 opened; 3 reopened", "9", "resolution.0 running 0-60"),
    ("a case never opened has no clocks", RESOLUTION, "0 customer; 1 queued; 2 agent; 3 resolved", "9", ""),
    ("opened twice is opened once", RESOLUTION, "0 opened; 3 opened", "9", "resolution.0 running 0-60"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "story", "now", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_rule(policy: str | tuple[str, ...], story: str, now: str, want: str) -> None:
    assert_told(policy_of(*((policy,) if isinstance(policy, str) else policy)), story, now, want)


def test_a_late_stop_turns_breached_into_met_and_is_told() -> None:
    engine = engine_of(policy_of(CONNECT))
    first, late = (decoded(event) for event in events("0 opened; 3 connected"))
    engine.apply(first)
    engine.advance(START + 600_000)
    assert [(o.state, o.version) for o in engine.take_outcomes(1)] == [("breached", 1)]
    engine.apply(late)
    assert [(o.state, o.breached_at, o.version) for o in engine.take_outcomes(2)] == [("met", None, 2)]
    assert engine.corrections == 1


def test_a_clock_that_never_was_is_withdrawn() -> None:
    engine = engine_of(policy_of(CONNECT))
    opened, late = (decoded(event) for event in reversed(events("0 connected; 3 opened")))
    engine.apply(opened)
    assert [o.withdrawn for o in engine.take_outcomes(1)] == [0]
    engine.apply(late)
    assert [(o.clock, o.withdrawn) for o in engine.take_outcomes(2)] == [("connect", 1)]


def test_a_wait_that_the_queues_policy_does_not_promise_is_withdrawn() -> None:
    engine = engine_of(policy_of("q queue=q: resolution 60m", CONNECT))
    opened, queued = (decoded(event) for event in events("0 opened; 2 queued | queue=q"))
    engine.apply(opened)
    engine.take_outcomes(1)
    engine.apply(queued)
    assert [(o.clock, o.withdrawn) for o in engine.take_outcomes(2)] == [("connect", 1)]


def test_dimensions_are_those_at_the_stop_the_stopping_event_included() -> None:
    engine = engine_of(policy_of(FIRST))
    for event in events("0 opened | team=a; 1 agent | team=b; 2 transferred | to_team.c"):
        engine.apply(decoded(event))
    assert [o.team for o in engine.outcomes()] == ["b"]


def test_instants_are_rounded_to_the_millisecond() -> None:
    event = events("0 opened")[0] | {"occurred_at": "2026-03-02T16:00:00.0006+08:00"}
    engine = engine_of(policy_of(CONNECT))
    engine.apply(decoded(event))
    assert [o.started_at for o in engine.outcomes()] == ["2026-03-02T08:00:00.001Z"]
    assert to_ms(instant("2026-03-02T08:00:00.001Z")) == START + 1
