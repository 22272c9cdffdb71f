"""Workers killed, replaced and rebalanced at any moment, their records lost on the way in and acknowledged in any order
on the way out: what readers keep must equal the oracle."""

import random

import pytest
from hypothesis import given, settings

from schemas.routing import partition_of
from schemas.times import to_ms
from streams.transport import Record
from tests.oracles import arrived, histories
from tests.oracles.contacts import Fact
from tests.oracles.contract import parse
from tests.property.driving import assert_same, decoded, drawn, expected, policy_file, times
from tests.property.outputs import without_elapsed
from tests.property.test_source_partition import GARBAGE, at_home, packed
from tests.property.workers import LATENESS, PARTITIONS, World
from tests.support.agents import surroundings


@given(histories.randoms)
@settings(max_examples=settings().max_examples // 4)  # an example takes five times as long as others
def test_whatever_happens_round_agents_readers_see_the_truth(rng: random.Random) -> None:
    policy, events = drawn(rng)
    coming = histories.arrivals(rng, events)
    now = max(to_ms(histories.final(rng, events)), times(coming)[-1])
    waiting, garbage = list(coming), set[bytes]()
    with surroundings(pytest.MonkeyPatch()) as clock:
        clock.ms = times(events)[0] + LATENESS
        world = World(policy_file(policy), clock, rng, now + LATENESS)
        while waiting:
            batch = [waiting.pop(0) for _ in range(min(len(waiting), rng.randrange(1, 4)))]
            home = {partition_of(decoded(event).key, PARTITIONS) for event in batch}
            log = world.events[home.pop() if len(home) == 1 and rng.randrange(3) else rng.randrange(PARTITIONS)]
            if rng.randrange(4) == 0:
                log.skip(rng.randrange(1, 3))
            log.append(packed(rng, batch))
            if rng.randrange(8) == 0:
                garbage.add(rng.choice(GARBAGE))
                log.append(*garbage)
            latest = max(to_ms(parse(event["occurred_at"])) for event in batch)
            clock.show(max(clock.ms, min(now, latest) + LATENESS))
            for _ in range(rng.randrange(6)):
                world.step()
        world.finish()
        assert world.dead == garbage
        came: list[Fact] = []
        for log in world.events:
            records = [Record(one.offset, one.value, one.timestamp) for one in log.records]
            came += arrived.as_they_came(at_home(records, log.tp.partition, PARTITIONS), policy)
        assert_same(world.told.view(now), without_elapsed(expected(coming, policy, histories.at(now), came=came)))
