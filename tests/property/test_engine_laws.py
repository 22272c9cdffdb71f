"""The engine against the slow oracle, and the laws of order, time, outputs and partitions."""

import random

from hypothesis import given

from schemas.routing import partition_of
from schemas.times import to_ms
from streams.engine.engine import Engine
from tests.oracles import histories
from tests.oracles.contract import Json
from tests.property.driving import assert_same, book, decoded, expected, run, times, view
from tests.property.outputs import Told, without_elapsed


@given(histories.randoms)
def test_the_engine_says_what_the_oracle_says(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng)
    now = histories.final(rng, events)
    coming = histories.arrivals(rng, events)
    assert_same(view(run(coming, policy, now)), expected(coming, policy, now))


@given(histories.randoms)
def test_neither_order_nor_repetition_matters(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng)
    now = histories.final(rng, events)
    # One id and one time with two contents: which counts must not depend on which came first.
    for event in [event for event in events if event.get("case_id") and rng.randrange(8) == 0]:
        events.append(event | {"type": "message.bot", "data": {}, "team": "b"})
    once = view(run(events, policy, now))
    again = events + [event for event in events if rng.randrange(3) == 0]
    rng.shuffle(again)
    assert view(run(again, policy, now)) == once
    again.reverse()
    assert view(run(again, policy, now)) == once


@given(histories.randoms)
def test_stream_time_may_pass_at_any_moments_and_outputs_are_absolute(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng)
    now = histories.final(rng, events)
    coming = histories.arrivals(rng, events)
    engine, told, version = Engine(book(policy)), Told(), 0
    moments = ticks(rng, events)
    for event in coming:
        engine.apply(decoded(event))
        if rng.randrange(3) == 0 and moments:
            engine.advance(moments.pop(0))
        if rng.randrange(3) == 0:
            version += 1
            told.take(engine, version)
    engine.advance(to_ms(now))
    told.take(engine, version + 1)
    want = expected(coming, policy, now)
    assert_same(view(engine), want)
    assert_same(told.view(), without_elapsed(want))
    assert not engine.take_outcomes(version + 2), "what is told is not told again"


def ticks(rng: random.Random, events: list[Json]) -> list[int]:
    """Moments for stream time to pass through: on events and beside them, not beyond the last event."""
    known = times(events)
    return sorted(t for t in (rng.choice(known) + rng.choice((-1, 0, 1, 30_000)) for _ in events) if t <= known[-1])


@given(histories.randoms)
def test_the_number_of_partitions_does_not_matter(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng, most=10, cases=6)
    now = histories.final(rng, events)
    coming = histories.arrivals(rng, events)
    want, compiled = expected(coming, policy, now), book(policy)
    for partitions in (1, 4, 16):
        shares: list[list[Json]] = [[] for _ in range(partitions)]
        for event in coming:
            shares[partition_of(decoded(event).key, partitions)].append(event)
        assert_same(view(*(run(share, compiled, now) for share in shares)), want)
