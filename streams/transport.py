"""Faust's Kafka transport with one change: source records reach their agent in chunks, and positions never jump.

Faust hands over records one by one at 12,000 a second; in chunks the engine, not the plumbing, is the cost. And Faust
loses fetched records at every recovery: after partitions are resumed and sought, `flow_control.resume()` clears queues
that hold records already. The agent notices such a gap and asks for a rewind, which happens here, between two fetches:
a seek from the agent races with the fetcher.

A tick, an empty chunk, follows when a partition has been quiet for a while, through the same queue: timers, slices and
checkpoints of a partition without traffic run in the agent as everything else does, in order. It says how far the
records handed over reach, so that the loss of the last ones is noticed too. Ticks get lost like records: one that the
agent has not seen within a second is sent again.
"""

import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.transport.drivers.aiokafka import Transport as AIOKafkaTransport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

CHUNK_RECORDS = 2_000
CHUNK_BYTES = 512 * 1024
"""A chunk ends when it holds this much, so that one never blocks the event loop for more than about a tenth of a
second, whatever producers pack into their records."""
TICK_S = 0.1
TICK_LOST_S = 1.0


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
    markers), not a loss. `end` is the partition's end offset as last told by the broker.
    """

    records: list[Record]
    next: int
    rewound_to: int | None
    end: int


class Consumer(AIOKafkaConsumer):
    """Hands over records of source topics in chunks with ticks between, those of all other topics one by one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source_topics: frozenset[str] = self.transport.source_topics  # type: ignore[attr-defined]
        self._rewinds: dict[TP, int] = {}
        self._rewound: dict[TP, int] = {}
        self._last_sent: dict[TP, float] = {}
        self._next: dict[TP, int] = {}
        self._ticking: dict[TP, float] = {}

    def rewind(self, tp: TP, offset: int) -> None:
        """Asks that `tp` be read from `offset` on, at the next fetch."""
        self._rewinds[tp] = offset

    def ticked(self, tp: TP) -> None:
        """The agent has seen the tick of `tp`: the next one may follow."""
        self._ticking.pop(tp, None)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        """Fetches what there is; waits for at most a tick."""
        while self._rewinds:
            tp, offset = self._rewinds.popitem()
            if tp in self.assignment():
                await self.seek(tp, offset)
                self._read_offset[tp] = offset - 1 if offset else None
                self._rewound[tp] = self._next[tp] = offset
        generation = self.app.consumer_generation_id
        fetched, active = await self._wait_next_records(min(timeout, TICK_S))
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, batch in fetched.items():
            if not (active is None or tp in active or tp in self._buffered_partitions):
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            messages = self._chunks(tp, batch) if tp.topic in self.source_topics else self._singles(tp, batch)
            for message in messages:
                if self.app.consumer_generation_id != generation or not self.flow_active:
                    return
                yield tp, message
        now = time.monotonic()
        for tp in list(active or ()):
            if (
                tp.topic in self.source_topics
                and now - self._ticking.get(tp, 0.0) >= TICK_LOST_S
                and now - self._last_sent.get(tp, 0.0) >= TICK_S
            ):
                if self.app.consumer_generation_id != generation or not self.flow_active:
                    return
                self._ticking[tp] = now
                yield tp, self._tick(tp)

    def _singles(self, tp: TP, batch: list[Any]) -> Any:
        return (self._to_message(tp, record) for record in batch)

    def _chunks(self, tp: TP, batch: list[Any]) -> Any:
        self._last_sent[tp] = time.monotonic()
        records: list[Record] = []
        size = 0
        for record in batch:
            records.append(Record(record.offset, record.value, record.timestamp))
            size += len(record.value or b"")
            if len(records) >= CHUNK_RECORDS or size >= CHUNK_BYTES or record is batch[-1]:
                message = self._to_message(tp, record)
                reached = self._next[tp] = record.offset + 1
                message.value = Chunk(  # type: ignore[assignment]
                    records, reached, self._rewound.pop(tp, None), self.highwater(tp) or 0
                )
                yield message
                records, size = [], 0

    def _tick(self, tp: TP) -> ConsumerMessage:
        self._last_sent[tp] = time.monotonic()
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            self._read_offset.get(tp) or 0,
            time.time(),
            0,
            [],
            None,
            Chunk([], self._next.get(tp, 0), None, self.highwater(tp) or 0),  # type: ignore[arg-type]
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class Transport(AIOKafkaTransport):
    """The transport of the worker's app."""

    Consumer = Consumer
    source_topics: frozenset[str] = frozenset()
