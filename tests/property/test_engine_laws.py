"""The engine against the slow oracle, and the laws of order, time, outputs and partitions."""

import random
from datetime import datetime, timedelta

from hypothesis import given

from schemas.routing import partition_of
from schemas.times import to_ms
from streams.engine.engine import Engine
from tests.oracles import histories
from tests.oracles.contract import Json, parse
from tests.oracles.promises import hours
from tests.property.driving import assert_same, book, decoded, drawn, expected, policy_file, run, times, view
from tests.property.outputs import Told, without_elapsed


@given(histories.randoms)
def test_the_engine_says_what_the_oracle_says(rng: random.Random) -> None:
    policy, events = drawn(rng)
    now = histories.final(rng, events)
    coming = histories.arrivals(rng, events)
    assert_same(view(run(coming, policy, now)), expected(coming, policy, now))


@given(histories.randoms)
def test_neither_order_nor_repetition_matters(rng: random.Random) -> None:
    policy, events = drawn(rng)
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
    policy, events = drawn(rng)
    now = histories.final(rng, events)
    coming = histories.arrivals(rng, events)
    engine, told, version = Engine(book(policy)), Told(), 0
    moments = ticks(rng, events)
    for event in coming:
        engine.apply(decoded(event))
        if rng.randrange(3) == 0 and moments:
            engine.advance(moments.pop(0))
        if rng.randrange(6) == 0:
            engine.settle()
        if rng.randrange(3) == 0:
            version += 1
            told.take(engine, version)
    engine.advance(to_ms(now))
    engine.settle()
    told.take(engine, version + 1)
    want = expected(coming, policy, now)
    assert_same(view(engine), want)
    assert_same(told.view(engine.now), without_elapsed(want))
    assert not engine.take_outcomes(version + 2), "what is told is not told again"


@given(histories.randoms)
def test_a_change_of_policy_holds_from_its_instant_on(rng: random.Random) -> None:
    policy, events = drawn(rng)
    now = histories.final(rng, events)
    coming, moments = histories.arrivals(rng, events), ticks(rng, events)
    engine, changes = Engine(book(policy)), list[tuple[datetime, Json]]()
    for event in coming:
        engine.apply(decoded(event))
        if rng.randrange(3) == 0 and moments:
            engine.advance(moments.pop(0))
        if rng.randrange(12) == 0 and engine.now >= 0:
            other = histories.policy(rng)
            changes.append((histories.at(engine.now + 1), other))
            engine.change_policy(policy_file(other))
    engine.advance(to_ms(now))
    engine.settle()
    assert_same(view(engine), expected(coming, policy, now, changes))


@given(histories.randoms)
def test_every_second_of_an_ended_clock_has_one_holder(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng)
    for outcome in run(histories.arrivals(rng, events), policy, histories.final(rng, events)).outcomes():
        if outcome.stopped_at is None:
            assert not outcome.held
        else:
            span = parse(outcome.stopped_at) - parse(outcome.started_at)
            assert sum(round(held * 1000) for held in outcome.held.values()) == span // timedelta(milliseconds=1)
            assert all(held > 0 for held in outcome.held.values())


@given(histories.randoms)
def test_due_and_elapsed_are_inverse(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng)
    engine = run(histories.arrivals(rng, events), policy, histories.final(rng, events))
    due: dict[int, list[Json]] = {}
    for record in view(engine)["outcomes"]:
        if record["state"] == "running":
            due.setdefault(to_ms(parse(record["due_at"])), []).append(record)
    for instant, records in sorted(due.items()):
        engine.advance(instant)
        at_due = by_clock(engine)
        engine.advance(instant + 1)
        after = by_clock(engine)
        for record in records:
            now = at_due[key(record)]
            assert (now["state"], now["elapsed_s"]) == ("running", record["target_s"])
            late = after[key(record)]
            assert (late["state"], late["breached_at"]) == ("breached", record["due_at"])


@given(histories.randoms)
def test_elapsed_time_adds_up_over_splits(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng)
    engine = run(histories.arrivals(rng, events), policy, histories.final(rng, events))
    before = by_clock(engine)
    for _ in range(4):
        since = engine.now
        engine.advance(since + rng.choice((1, 30_000, 1_800_000, 40_000_000)))
        after = by_clock(engine)
        for name, record in after.items():
            if record["state"] == "running":
                spent = timedelta(seconds=record["elapsed_s"] - before[name]["elapsed_s"])
                assert spent == hours(policy, record["calendar"]).elapsed(histories.at(since), histories.at(engine.now))
        before = after


Key = tuple[str, str, int]


def key(record: Json) -> Key:
    """Which clock instance a record is of."""
    return record["case_id"], record["clock"], record["seq"]


def by_clock(engine: Engine) -> dict[Key, Json]:
    """The engine's outcome records by clock instance."""
    return {key(record): record for record in view(engine)["outcomes"]}


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
