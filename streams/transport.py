"""Faust's Kafka transport, with three changes: records come in chunks, positions never jump, nobody waits for a queue.

Faust hands over records one by one at 12,000 a second; in chunks the engine, not the plumbing, is the cost.

Faust loses fetched records at every rebalance: it clears queues that hold records already. The agent notices such a gap
and asks for a rewind, which is made before the next fetch. A tick, an empty chunk, follows when a partition has been
quiet for a while, through the same queue: timers, slices and checkpoints of a partition without traffic run in the
agent as everything else does, in order. It says how far the records handed over reach, so that the loss of the last
ones is noticed too. Ticks get lost like records: one that the agent has not seen within a second is sent again.

What concerns aiokafka's state happens in its thread, where rebalances happen too: between two lines of another thread
a partition can leave. And the room left in an agent's queue is looked at, not remembered: Faust takes a partition out
of the fetch when its queue fills up and puts it back when the agent takes something from it, so where a rebalance
cleared the queue between the two, nothing was ever fetched again, and the worker stood still in a stable group.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.transport.drivers.aiokafka import Transport as AIOKafkaTransport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.unreadable import Decoder

log = structlog.get_logger(__name__)
T = TypeVar("T")

CHUNK_RECORDS = 2_000
CHUNK_BYTES = 512 * 1024
"""A chunk ends when it holds this much, so that one never blocks the event loop for more than about a tenth of a
second, whatever producers pack into their records."""
QUEUE_CHUNKS = 8
"""Nothing is fetched for an agent that has as many chunks waiting: under a second of work, so that a quiet partition
does not wait long behind one that catches up."""
FULL_S = 0.02
TICK_S = 0.1
TICK_LOST_S = 1.0

UNKNOWN_END = 1 << 62
"""End of a partition of which the broker has not told it yet: nobody may think to have read all there is."""


class Record(NamedTuple):
    """One source record."""

    offset: int
    value: bytes | None
    appended: int = 0
    """When the broker appended it, in ms."""


class Chunk(NamedTuple):
    """Consecutive records of one source partition; empty for a tick.

    `next` is the offset after the last record handed over, in this chunk or before this tick. `rewound_to` is the
    offset of a rewind just made: a first record beyond it is a natural gap (compaction, retention, transaction
    markers), not a loss. `end` is the offset after the last record there is, as last told by the broker.
    """

    records: list[Record]
    next: int
    rewound_to: int | None
    end: int


class Polled(NamedTuple):
    """What a fetch brought: records, and of each partition fetched from the position reached and the broker's end."""

    records: Mapping[TP, list[Any]]
    reached: Mapping[TP, tuple[int, int]]
    sought: Mapping[TP, int]


class Consumer(AIOKafkaConsumer):
    """Hands over the records of source topics in chunks with ticks between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._generation = -1
        self._decoder = Decoder()
        self._rewinds: dict[TP, int] = {}
        self._rewound: dict[TP, int] = {}
        self._last_sent: dict[TP, float] = {}
        self._next: dict[TP, int] = {}
        self._ticking: dict[TP, float] = {}
        self.reached: dict[TP, int] = {}
        """Up to where each partition has been fetched in this generation, for the watchdog."""

    def rewind(self, tp: TP, offset: int) -> None:
        """Asks that `tp` be read from `offset` on, at the next fetch."""
        self._rewinds[tp] = offset

    def ticked(self, tp: TP) -> None:
        """The agent has seen the tick of `tp`: the next one may follow."""
        self._ticking.pop(tp, None)

    async def commit_position(self, tp: TP, offset: int) -> bool:
        """Commits that everything before `offset` is done; False where the partition is another worker's by now.

        Raises `KafkaError` where neither is known: who goes on without knowing may spoil what the next owner wrote.
        """
        try:
            await self._in_thread(self._driver().commit({TopicPartition(*tp): OffsetAndMetadata(offset, "")}))
        except (CommitFailedError, IllegalStateError):
            return False
        return True

    async def confirm(self, tp: TP, offset: int) -> bool:
        """Whether the group still has us as the owner of `tp`, of which everything before `offset` is known to be done.

        A commit tells: brokers take it only from a member of the present generation.
        """
        return await self.commit_position(tp, offset)

    @property
    def joined(self) -> bool:
        """Whether this worker has its place in the group."""
        driver = self._thread._consumer
        return driver is not None and not self.app.rebalancing and driver._coordinator.generation > 0

    async def perform_seek(self) -> None:
        """Nothing to seek: a new assignment is read from the committed offsets on, and the agent asks for a rewind
        where its checkpoint is elsewhere. Faust's own asks the broker for each partition in turn, fails where one
        leaves meanwhile, and ended the worker then."""

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        """Fetches what there is; waits for at most a tick."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        if self.should_stop:
            return
        generation = self.app.consumer_generation_id
        if generation != self._generation:
            self._begin(generation)
        wanted = {tp for tp in self._get_active_partitions() if self._has_room(tp)}
        if not wanted:
            await self.sleep(FULL_S)
            return
        polled = await self._in_thread(self._poll(wanted, dict(self._rewinds)))
        for tp, offset in polled.sought.items():
            self._rewinds.pop(tp, None)
            self._rewound[tp] = self._next[tp] = offset
            self._read_offset.pop(tp, None)  # Faust drops what lies before it
        for tp, message in self._messages(polled):
            # A rebalance since: what comes now belongs to an assignment that is no more.
            if self.app.consumer_generation_id != generation or not self.flow_active or self.should_stop:
                return
            yield tp, message

    def _begin(self, generation: int) -> None:
        self._generation = generation
        for known in (
            self._rewinds, self._rewound, self._last_sent, self._next, self._ticking, self.reached, self._read_offset
        ):  # fmt: skip
            known.clear()

    def _has_room(self, tp: TP) -> bool:
        channels: Iterable[Any] = self.app.topics._tp_index.get(tp, ())  # type: ignore[attr-defined]
        return all(channel.queue.qsize() < QUEUE_CHUNKS for channel in channels)

    def _messages(self, polled: Polled) -> Iterable[tuple[TP, ConsumerMessage]]:
        for tp, batch in polled.records.items():
            yield from self._chunks(tp, batch, *polled.reached[tp])
        now = time.monotonic()
        for tp, (reached, end) in polled.reached.items():
            self.reached[tp] = reached
            quiet = now - self._last_sent.get(tp, 0.0) >= TICK_S
            if quiet and now - self._ticking.get(tp, 0.0) >= TICK_LOST_S:
                self._ticking[tp] = now
                yield tp, self._tick(tp, reached, end)

    def _chunks(self, tp: TP, batch: list[Any], reached: int, end: int) -> Iterable[tuple[TP, ConsumerMessage]]:
        self._last_sent[tp] = time.monotonic()
        records: list[Record] = []
        size = 0
        for record in batch:
            records.append(Record(record.offset, record.value, record.timestamp))
            size += len(record.value or b"")
            last = record is batch[-1]
            if len(records) >= CHUNK_RECORDS or size >= CHUNK_BYTES or last:
                after = self._next[tp] = record.offset + 1
                known = after if last and reached >= end else end
                yield tp, self._message(tp, record.offset, Chunk(records, after, self._rewound.pop(tp, None), known))
                records, size = [], 0

    def _tick(self, tp: TP, reached: int, end: int) -> ConsumerMessage:
        self._last_sent[tp] = time.monotonic()
        after = self._next.get(tp, 0)
        # Behind the last record there may be offsets that hold none: a transaction's marker. Nothing will come of them.
        known = after if reached >= end else end
        return self._message(tp, self._read_offset.get(tp) or 0, Chunk([], after, None, known))

    def _message(self, tp: TP, offset: int, chunk: Chunk) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic, tp.partition, offset, time.time(), 0, [], None, chunk, None, None, None, tp,  # type: ignore[arg-type]
            generation_id=self._generation,
        )  # fmt: skip

    # In aiokafka's thread

    async def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the thread that aiokafka lives in. Faust's own way there has two lanes, and two calls
        that wait for the end of a rebalance block it for all others."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._thread.thread_loop))

    def _driver(self) -> Any:
        return self._thread._ensure_consumer()

    async def _poll(self, wanted: set[TP], rewinds: Mapping[TP, int]) -> Polled:
        driver = self._driver()
        assignment = _assignment(driver)
        present = set() if assignment is None else wanted & assignment.tps
        if not present:
            await asyncio.sleep(TICK_S)
            return Polled({}, {}, {})
        sought = {tp: offset for tp, offset in rewinds.items() if tp in present}
        for tp, offset in sought.items():
            driver.seek(tp, offset)
        with driver._subscription.fetch_context():
            records = await self._take(driver, assignment, present)
            if not records:
                waiter = driver._fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=TICK_S)
                waiter.cancel()
                records = await self._take(driver, assignment, present)
        states = {tp: assignment.state_value(tp) for tp in present}
        await self._ask_for_ends(driver, {tp: state for tp, state in states.items() if state.highwater is None})
        reached = {
            tp: (state.position, UNKNOWN_END if state.highwater is None else state.highwater)
            for tp, state in states.items()
            if state.has_valid_position
        }
        return Polled({tp: batch for tp, batch in records.items() if tp in reached}, reached, sought)

    async def _take(self, driver: Any, assignment: Any, tps: set[TP]) -> Mapping[TP, list[Any]]:
        """What has been fetched of some partitions of this assignment.

        Nothing of a later one: nobody here knows of it yet, so that its records would be dropped, and a partition that
        is quiet from then on would never show the loss.
        """
        if _assignment(driver) is not assignment:
            return {}
        self._decoder.tolerate(driver._fetcher)
        # It yields to nobody: it waits for nothing, and for the end of no rebalance.
        taken: Mapping[TP, list[Any]] = await driver._fetcher.fetched_records(tps)
        return taken

    async def _ask_for_ends(self, driver: Any, states: Mapping[TP, Any]) -> None:
        """A partition without news tells its end only after a fetch has waited in vain, a second and a half."""
        if not states:
            return
        try:
            ends = await driver.end_offsets(list(states))
        except KafkaError as error:
            log.warning("ends of partitions unknown", error=repr(error))
            return
        for tp, state in states.items():
            if state.highwater is None:
                state.highwater = ends[tp]


def _assignment(driver: Any) -> Any:
    """The partitions that the group has given this worker; None between two assignments."""
    subscription = driver._subscription
    return None if subscription.reassignment_in_progress else subscription.subscription.assignment


class Transport(AIOKafkaTransport):
    """The transport of the worker's app."""

    Consumer = Consumer
