"""A policy that changes while cases run: it holds from an instant on, whenever events come to be known."""

import random

from hypothesis import given

from schemas.times import to_ms
from streams.engine.engine import Engine
from tests.oracles import histories
from tests.oracles.contract import Json, parse
from tests.property.driving import assert_same, book, decoded, policy_file, view
from tests.property.outputs import Told
from tests.property.test_engine_snapshot import Saved


@given(histories.randoms)
def test_what_counts_is_when_it_changed_not_what_was_known_then(rng: random.Random) -> None:
    first, second, events = histories.policy(rng), histories.policy(rng), histories.history(rng)
    end = to_ms(histories.final(rng, events))
    change = _between(rng, events, end)
    one, other = ({"first": first, "second": second, "change": change, "end": end, "events": events} for _ in range(2))
    assert_same(view(_run(rng, **one)), view(_run(rng, **other)))


@given(histories.randoms)
def test_verdicts_given_before_the_change_stay(rng: random.Random) -> None:
    """All that an engine says that knows neither the new policy nor what came after; a shorter target may add breaches.

    Apart from `connect`: a first contact.queued lets it begin anew.
    """
    first, second, events = histories.policy(rng), histories.policy(rng), histories.history(rng)
    end = to_ms(histories.final(rng, events))
    change = _between(rng, events, end)
    changed = view(_run(rng, first, second, change, end, events))["outcomes"]
    old = Engine(book(first))
    for event in events:
        if to_ms(parse(event["occurred_at"])) <= change:
            old.apply(decoded(event))
    old.advance(change)

    def judged(outcomes: list[Json]) -> set[tuple[str, str, int, str, str]]:
        return {
            (o["case_id"], o["clock"], o["seq"], o["state"], at)
            for o in outcomes
            for at in (o["breached_at"] or (o["stopped_at"] if o["state"] != "running" else None),)
            if at and to_ms(parse(at)) < change and o["clock"] != "connect"
        }

    assert judged(view(old)["outcomes"]) <= judged(changed)


@given(histories.randoms)
def test_a_restored_engine_knows_every_policy_that_was_in_force(rng: random.Random) -> None:
    first, second, events = histories.policy(rng), histories.policy(rng), histories.history(rng)
    end = to_ms(histories.final(rng, events))
    change = _between(rng, events, end)
    coming = events[:]
    rng.shuffle(coming)
    cut, told = rng.randrange(len(coming) + 1), Told()
    saved = Saved(policy_file(first), {})
    for event in coming[:cut]:
        saved.engine.apply(decoded(event))
    saved.engine.advance(change)
    saved.engine.change_policy(policy_file(second))
    saved.save(told, chill=bool(rng.randrange(2)))
    saved = Saved(policy_file(first), saved.rows)
    for event in coming[cut:]:
        saved.engine.apply(decoded(event))
    saved.engine.advance(end)
    assert_same(view(saved.engine), view(_run(rng, first, second, change, end, events)))


def _between(rng: random.Random, events: list[Json], end: int) -> int:
    """A moment of the history, often that of an event or just beside it."""
    at = to_ms(parse(rng.choice(events)["occurred_at"])) if events else end
    return min(end, at + rng.choice((-60_000, -1, 0, 1, 90_000)))


def _run(rng: random.Random, first: Json, second: Json, change: int, end: int, events: list[Json]) -> Engine:
    """An engine under two policies that hears of the events in any order, some before the change and some after."""
    coming = events[:]
    rng.shuffle(coming)
    cut = rng.randrange(len(coming) + 1)
    engine = Engine(book(first))
    for event in coming[:cut]:
        engine.apply(decoded(event))
    engine.advance(change)
    engine.change_policy(policy_file(second))
    for event in coming[cut:]:
        engine.apply(decoded(event))
        if rng.randrange(4) == 0:
            engine.advance(min(end, engine.now + rng.randrange(10_000_000)))
    engine.advance(end)
    return engine
