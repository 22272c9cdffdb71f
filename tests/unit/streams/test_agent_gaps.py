"""Records that are missing: those that were lost on the way are read again, those that never were are passed over."""

import msgspec
import pytest

from schemas.topics import Topic
from streams.agent import REWIND_AGAIN_S
from streams.transport import CHUNK_BYTES, CHUNK_RECORDS, TICK_LOST_S, TICK_S, Chunk
from tests.property.test_source_partition_examples import at_home, opened
from tests.support.agents import Broker, Clock, Log, Worker, clock
from tests.unit.streams.test_agent_order import EVENTS, started

__all__ = ["clock"]


TICK_MS = round(TICK_S * 1000) + 1


def anything(chunk: Chunk) -> bool:
    """Whatever is handed over gets lost."""
    return True


def reading(clock: Clock) -> tuple[Worker, Log]:
    """A worker that has read one event."""
    log = Log(EVENTS)
    log.append(opened(at_home(0)))
    worker = started(clock, Broker(), log)
    worker.fetch()
    return worker, log


def state(worker: Worker) -> tuple[int, int, int]:
    """The position, how many events were applied, and how many were duplicates."""
    partition = worker.agent.owned[0].partition
    return partition.position, partition.counts.events, partition.counts.duplicates


def test_a_gap_that_is_still_there_when_read_again_is_passed_over(clock: Clock) -> None:
    worker, log = reading(clock)
    log.skip(3)
    log.append(opened(at_home(1)))
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((0, 1, 0), [1])
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((4, 2, 0), [1])
    log.append(opened(at_home(2)))
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((5, 3, 0), [1])


def test_each_gap_is_looked_at_for_itself(clock: Clock) -> None:
    worker, log = reading(clock)
    worker.consumer.most = 1
    for number in range(1, 5):
        log.skip()
        log.append(opened(at_home(number)))
    for _ in range(10):
        worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((8, 5, 0), [1, 3, 5, 7])


def test_what_retention_has_removed_before_the_first_owner_came_is_passed_over(clock: Clock) -> None:
    log = Log(EVENTS)
    log.skip(100)
    log.append(opened(at_home(0)))
    worker = started(clock, Broker(), log)
    worker.fetch()
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((100, 1, 0), [0])


def test_records_lost_on_the_way_are_read_again_and_applied_once(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)), opened(at_home(2)))
    worker.fetch(anything)
    log.append(opened(at_home(3)))
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((0, 1, 0), [1])
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((3, 4, 0), [1])


def test_the_first_record_of_two_chunks_lost_is_enough(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(*[opened(at_home(number)) for number in range(1, 5)])
    worker.consumer.most = 1
    worker.fetch(anything)
    worker.fetch()
    worker.consumer.most = 500
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((4, 5, 0), [1])


def test_the_loss_of_the_last_records_shows_in_the_next_tick(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)))
    worker.fetch(anything)
    assert state(worker) == (0, 1, 0)
    clock.ms += TICK_MS
    worker.fetch()
    assert worker.consumer.rewinds == [1]
    worker.fetch()
    assert state(worker) == (1, 2, 0)


def test_a_tick_that_was_lost_is_sent_again(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)))
    worker.fetch(anything)
    clock.ms += TICK_MS
    worker.fetch(anything)
    clock.ms += round(TICK_LOST_S * 1000) - 50
    worker.fetch()
    assert worker.consumer.rewinds == [], "it may be on its way"
    clock.ms += 100
    worker.fetch()
    assert worker.consumer.rewinds == [1]


def test_a_tick_seen_makes_room_for_the_next(clock: Clock) -> None:
    worker, _ = reading(clock)
    ticks = list[Chunk]()

    def note(chunk: Chunk) -> bool:
        ticks.append(chunk)
        return False

    for _ in range(5):
        clock.ms += TICK_MS
        worker.fetch(note)
    assert ticks == [Chunk([], 1, None, 1)] * 5


def test_a_rewind_that_came_to_nothing_is_asked_for_again(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)))
    worker.fetch(anything)
    log.append(opened(at_home(2)))
    worker.fetch()
    worker.fetch(anything)  # what was read again is lost as well
    log.append(opened(at_home(3)))
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((0, 1, 0), [1]), "it may be on its way"
    clock.ms += round(REWIND_AGAIN_S * 1000)
    log.append(opened(at_home(4)))
    worker.fetch()
    assert worker.consumer.rewinds == [1, 1]
    worker.fetch()
    assert state(worker) == (4, 5, 0)


def test_a_rewind_is_not_made_for_a_partition_that_is_another_workers_by_then(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)))
    worker.fetch(anything)
    log.append(opened(at_home(2)))
    worker.fetch()
    worker.revoke()
    worker.fetch()
    assert worker.consumer.at[EVENTS] == 3


def test_a_rewind_before_a_rebalance_says_nothing_of_gaps_after_it(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)), opened(at_home(2)))
    worker.hand(Chunk([], 3, None, 3))
    assert worker.consumer.rewinds == [1]
    worker.fetch(anything)
    log.append(opened(at_home(3)))
    worker.fetch()
    worker.fetch()
    clock.ms += round(REWIND_AGAIN_S * 1000)
    worker.hand(Chunk([], 4, None, 4))
    worker.fetch()
    assert state(worker) == (3, 4, 0)


@pytest.mark.parametrize("values", [[b"x"] * (2 * CHUNK_RECORDS + 1), [b"y" * (CHUNK_BYTES // 2)] * 5, [None] * 3])
def test_chunks_are_bounded_and_hold_every_record_once(clock: Clock, values: list[bytes | None]) -> None:
    log = Log(EVENTS)
    log.append(*values)
    worker = started(clock, Broker(), log)
    worker.consumer.most = len(values)
    chunks = list[Chunk]()
    worker.fetch(lambda chunk: bool(chunks.append(chunk)) or True)
    assert [(record.offset, record.value) for chunk in chunks for record in chunk.records] == list(enumerate(values))
    assert all(chunk.next == chunk.records[-1].offset + 1 and chunk.end == len(values) for chunk in chunks)
    for chunk in chunks:
        assert len(chunk.records) <= CHUNK_RECORDS
        assert sum(len(record.value or b"") for record in chunk.records[:-1]) < CHUNK_BYTES


def told(worker: Worker) -> list[str]:
    """The states of clocks, in the order they were told."""
    lines = [line for sent in worker.broker.of(Topic.OUTCOMES) for line in (sent.value or b"").split(b"\n")]
    return [msgspec.json.decode(line)["state"] for line in lines]


def test_time_goes_on_behind_a_gap_at_the_end(clock: Clock) -> None:
    worker, log = reading(clock)
    log.skip()
    for _ in range(700):
        clock.ms += 100
        worker.fetch()
    assert told(worker)[-1] == "breached"
    assert (state(worker), worker.consumer.rewinds) == ((0, 1, 0), []), "the transport knows that nothing is missing"
    log.append(opened(at_home(1)))
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((0, 1, 0), [1]), "now it may be a loss"
    worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((2, 2, 0), [1])


def test_time_goes_on_behind_a_gap_at_the_end_for_the_next_owner_too(clock: Clock) -> None:
    worker, log = reading(clock)
    log.skip()
    clock.ms += 5_000
    worker.hand(Chunk([], 1, None, 1))
    assert worker.consumer.commits == [{EVENTS: 1}]
    worker.kill()
    heir = started(clock, worker.broker, log)
    heir.consumer.at[EVENTS] = 1
    for _ in range(700):
        clock.ms += 100
        heir.fetch()
    assert told(heir)[-1] == "breached"


def test_a_loss_is_not_taken_for_a_gap_at_the_end(clock: Clock) -> None:
    worker, log = reading(clock)
    log.append(opened(at_home(1)))
    log.skip()
    worker.fetch(anything)
    for _ in range(3):
        clock.ms += TICK_MS
        worker.fetch()
    assert (state(worker), worker.consumer.rewinds) == ((1, 2, 0), [1])
