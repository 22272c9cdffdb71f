"""Slices at a fence are what the events up to it say, whatever workers die and whenever it is looked at: so a rebuild
finds nothing that the stream has not got wrong, and cannot make right slices wrong."""

import random

from hypothesis import given

from schemas.rollup import CUSTOMER_STAGE
from schemas.routing import partition_of
from schemas.times import to_ms
from tests.oracles import histories
from tests.oracles.contract import parse
from tests.property.cluster import LATENESS, PARTITIONS
from tests.property.driving import decoded, drawn, policy_file, times
from tests.property.shelf import NEVER_LATE, Shelf
from tests.property.test_source_partition import packed


@given(histories.randoms)
def test_a_rebuild_finds_nothing_while_workers_die(rng: random.Random) -> None:
    policy, events = drawn(rng)
    coming = histories.arrivals(rng, events)
    now = max(to_ms(histories.final(rng, events)), times(coming)[-1])
    begin = times(coming)[0] // 60_000 * 60_000
    shelf = Shelf(policy_file(policy), times(events)[0] + LATENESS)
    for line in (*shelf.cases, *shelf.customers):
        shelf.mark(line)
    marked = {line.owner for line in (*shelf.cases, *shelf.customers)}
    waiting = list(coming)
    while waiting or shelf.behind:
        if waiting:
            batch = [waiting.pop(0) for _ in range(min(len(waiting), rng.randrange(1, 4)))]
            home = {partition_of(decoded(event).key, PARTITIONS) for event in batch}
            number = home.pop() if len(home) == 1 and rng.randrange(3) else rng.randrange(PARTITIONS)
            shelf.cases[number].append(packed(rng, batch), NEVER_LATE)
            latest = max(to_ms(parse(event["occurred_at"])) for event in batch)
            gone_by = rng.choice((-40_000, 0, 500, 61_000))  # what is dated ahead waits
            shelf.wall = max(shelf.wall, min(now, latest + gone_by) + LATENESS)
        before = shelf.records()
        reached = [len(line.log) for line in shelf.customers]
        for line in shelf.behind:
            if rng.randrange(3):
                shelf.read(line, rng)
                if line.owner not in marked or rng.randrange(2):  # a new owner marks its first chunk
                    shelf.mark(line)
                    marked.add(line.owner)
            if rng.randrange(12) == 0:
                shelf.take_over(line)
            elif line.owner in marked and rng.randrange(6) == 0:
                shelf.checkpoint(line, rng, whole=rng.randrange(3) > 0)
        assert shelf.wrong(begin) == ({}, {})
        level = all(shelf.marks[n].position + 1 >= len(line.log) for n, line in enumerate(shelf.cases))
        if level and all(shelf.marks[CUSTOMER_STAGE + n].position + 1 >= end for n, end in enumerate(reached)):
            assert shelf.wrong_of_customers(before, begin) == {}
