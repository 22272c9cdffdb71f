"""Source partitions fed from logs as a broker serves them: records packed, cut, repeated and misrouted, workers killed
at any moment. What readers keep of it must equal the oracle."""

import random
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from hypothesis import given

from schemas.routing import partition_of
from schemas.times import to_ms
from streams.transport import Record
from tests.oracles import arrived, histories
from tests.oracles.contacts import Fact
from tests.oracles.contract import Json, parse
from tests.property.cluster import LATENESS, PARTITIONS, Cluster
from tests.property.driving import assert_same, decoded, drawn, expected, policy_file, raw, times
from tests.property.outputs import without_elapsed

NO_SUCH = b'{"event_id":"y","type":"no.such","occurred_at":"2026-03-01T00:00:00Z","case_id":"c0"}'
GARBAGE = (b"{", b"[]", b"\xff\xfe", b'{"event_id": "x"}', NO_SUCH)


def packed(rng: random.Random, events: list[Json]) -> bytes:
    """A record: one event, perhaps over several lines, or several, one a line."""
    if len(events) == 1 and rng.randrange(4) == 0:
        return msgspec.json.format(raw(events[0]), indent=2)
    return rng.choice((b"\n", b"\n\n")).join(map(raw, events))


def taken(rng: random.Random, events: list[Json]) -> int:
    """When the broker takes a record (ms): about as long after a minute of it as makes it late."""
    minute = to_ms(parse(rng.choice(events)["occurred_at"])) // 60_000 * 60_000
    return minute + 62_000 + rng.choice((-2_001, -1, 0, 1, 600_000))


def at_home(log: Iterable[Record], number: int, partitions: int) -> Iterator[tuple[Json, datetime]]:
    """The events in the log of one of so many partitions that belong there, as they came, and when the broker took
    them."""
    for record in log:
        assert record.value is not None
        try:
            told = [msgspec.json.decode(record.value)]
        except msgspec.DecodeError:
            told = [msgspec.json.decode(one) for one in record.value.split(b"\n") if one.strip() and one not in GARBAGE]
        for event in told:
            if record.value not in GARBAGE and partition_of(decoded(event).key, partitions) == number:
                yield event, histories.at(record.appended)


@given(histories.randoms)
def test_whatever_happens_to_workers_readers_see_the_truth(rng: random.Random) -> None:
    policy, events = drawn(rng)
    coming = histories.arrivals(rng, events)
    # What is dated ahead of the wall clock waits, so that has to pass them all.
    now = max(to_ms(histories.final(rng, events)), times(coming)[-1])
    cluster = Cluster(policy_file(policy), times(events)[0] + LATENESS)
    waiting, garbage = list(coming), set[bytes]()
    while waiting or cluster.behind:
        if waiting:
            batch = [waiting.pop(0) for _ in range(min(len(waiting), rng.randrange(1, 4)))]
            home = {partition_of(decoded(event).key, PARTITIONS) for event in batch}
            number = home.pop() if len(home) == 1 and rng.randrange(3) else rng.randrange(PARTITIONS)
            cluster.cases[number].append(packed(rng, batch), taken(rng, batch))
            latest = max(to_ms(parse(event["occurred_at"])) for event in batch)
            cluster.wall = max(cluster.wall, min(now, latest + rng.choice((0, 500, 61_000))) + LATENESS)
        if rng.randrange(8) == 0:
            garbage.add(rng.choice(GARBAGE))
            spoilt = rng.randrange(PARTITIONS)
            for value in garbage:
                cluster.cases[spoilt].append(value, cluster.wall)
        for line in cluster.behind:
            if rng.randrange(3):
                cluster.read(line, rng)
            if rng.randrange(6) == 0:
                cluster.checkpoint(line, rng, whole=rng.randrange(3) > 0)
            elif rng.randrange(12) == 0:
                cluster.take_over(line)
    cluster.wall = now + LATENESS
    for line in cluster.cases:
        cluster.read(line, rng)
        if line.owner.unsaved:  # time does not run far ahead of what is saved
            cluster.checkpoint(line, rng)
        cluster.read(line, rng)
    for owner in cluster.owners:
        owner.engine.settle()
        cluster.send(owner.slices())
    while cluster.behind:
        for line in cluster.behind:
            cluster.read(line, rng)
    for line in cluster.customers:
        cluster.send(line.owner.slices())
    assert cluster.dead == garbage
    came: list[Fact] = []
    for line in cluster.cases:
        came += arrived.as_they_came(at_home(line.log, line.owner.number, PARTITIONS), policy)
    want = expected(coming, policy, histories.at(now), came=came)
    assert_same(cluster.told.view(now), without_elapsed(want))
