"""The agent of a stage: chunk by chunk it feeds its partitions, sends what they say, checkpoints them.

All of a partition's work happens here, one chunk or tick after the other. A rebalance waits for the one at hand. An
error ends the process: the last checkpoints are whole, the next worker goes on from them, and a half-dead one helps
nobody.
"""

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import faust
import structlog
from faust.types import TP

from schemas.policy_watch import PolicyWatch
from schemas.settings import Settings
from schemas.topics import StateTopic, Topic
from streams.changelog import read_rows
from streams.engine.checkpoint import Checkpoint, Read, Row
from streams.stage import Send, Stage
from streams.transport import UNKNOWN_END, Chunk
from streams.watchdog import STUCK_S

log = structlog.get_logger(__name__)

Load = Callable[[int, Read, int], Stage]
"""Makes a partition of the stage: its number, its checkpoint rows by key, the wall clock in ms."""

WATERMARK_S = 1.0
HANDOVER_S = 5.0
"""A rebalance waits this long for the chunk or checkpoint at hand. Kafka waits a minute for a member to answer."""
REWIND_AGAIN_S = 2.0
"""A rewind, or what was read after it, can get lost in a recovery like any record."""
BEHIND_OUTCOMES_S = 0.25
BEHIND_SLICES_S = 1.0
"""How often a partition that is catching up says what changed: nobody watches it live, and what changes again meanwhile
is said once. One that is level says outcomes with every chunk and slices as often as the settings have it."""


class Owned:
    """A partition this worker owns, with when it last did what, on the monotonic clock."""

    def __init__(self, partition: Stage, rows: dict[bytes, bytes]) -> None:
        self.partition = partition
        self.rows = rows
        """Its checkpoint as it stands in the changelog: finished cases are packed away there, and read when touched."""
        self.pending: list[Awaitable[Any]] = []
        self.asked_rewind: int | None = None
        self.asked_at = 0.0
        self.told = self.sliced = self.marked = 0.0
        self.checkpointed = time.monotonic()
        self.checkpoint_took = 0.0
        self.lost = False
        """To another worker, says the broker; the rebalance that says so here is on its way. Taken over again before
        that, the partition would have two owners in one epoch."""


class PartitionAgent:
    """Runs this worker's partitions of a stage that reads `source`, as `load` makes them; `changelog` holds their
    checkpoints. `now` is the wall clock in ms."""

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        policy: PolicyWatch,
        source: Topic,
        changelog: StateTopic,
        load: Load,
        now: Callable[[], int],
    ) -> None:
        self._app = app
        self._settings = settings
        self._policy = policy
        self._load = load
        self._now = now
        self._topics = {name: settings.topic(name) for name in Topic}
        self._source, self._changelog = settings.topic(source), settings.topic(changelog)
        self._lateness_ms = round(settings.lateness_s * 1000)
        self._generation = -1
        self._rebalancing = True
        self._at_work = asyncio.Lock()
        self.owned: dict[int, Owned] = {}
        self.alive_at: dict[TP, float] = {}
        """When each partition last did what it should, or got on with being loaded; on the monotonic clock."""

    async def on_revoked(self, app: faust.App, revoked: set[TP], **kwargs: Any) -> None:
        """Lets the chunk or checkpoint at hand come to its end; nothing new begins before the next assignment.

        A second checkpoint of a partition that has left would write over rows which its next owner relies on.
        """
        self._rebalancing = True
        try:
            async with asyncio.timeout(HANDOVER_S), self._at_work:
                pass
        except TimeoutError:
            log.warning("work at hand given up for a rebalance", topic=self._source, after_s=HANDOVER_S)
            self.owned.clear()
        self.alive_at = {}

    def on_assigned(self, app: faust.App, assigned: set[TP], **kwargs: Any) -> None:
        """Keeps the engines of partitions that stay. Where a generation was missed, a partition may have been through
        another worker: then all are loaded again from their last checkpoints."""
        generation = app.consumer_generation_id
        mine = {tp for tp in assigned if tp.topic == self._source}
        stays = {tp.partition for tp in mine} if generation == self._generation + 1 else set()
        self.owned = {n: owned for n, owned in self.owned.items() if n in stays and not owned.lost}
        self._generation = generation
        self._rebalancing = False
        self.alive_at = dict.fromkeys(mine, time.monotonic())

    async def run(self, stream: Any) -> None:
        """The agent."""
        try:
            async for event in stream.events():
                message = event.message
                async with self._at_work:
                    if not self._rebalancing and message.generation_id == self._generation:
                        await self._handle(TP(message.topic, message.partition), message.value)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.critical("worker stops: its partitions go on from their last checkpoints", exc_info=error)
            os._exit(70)

    async def _handle(self, tp: TP, chunk: Chunk) -> None:
        consumer: Any = self._app.consumer
        if not chunk.records:
            consumer.ticked(tp)
        owned = self.owned.get(tp.partition)
        if owned is None:
            owned = await self._take_over(tp)
            if owned is None:
                return
        async with asyncio.timeout(STUCK_S):
            await self._work(tp, owned, chunk)

    async def _work(self, tp: TP, owned: Owned, chunk: Chunk) -> None:
        consumer: Any = self._app.consumer
        partition = owned.partition
        if owned.lost:
            return
        clock = time.monotonic()
        if partition.halted is not None:
            self._alive(tp)
            return
        self._policy.look(clock, _tell_policy)
        if partition.change_policy(self._policy.file):
            log.info("policy in force", partition=tp.partition)
            owned.checkpointed = 0.0  # clocks have new targets: make that durable with the next chunk
            owned.pending += [await self._send(send) for send in partition.policies()]
        if not partition.accepts(chunk):
            if owned.asked_rewind != partition.position or clock - owned.asked_at >= REWIND_AGAIN_S:
                owned.asked_rewind, owned.asked_at = partition.position, clock
                partition.counts.gaps += 1
                consumer.rewind(tp, partition.position + 1)
            return
        owned.asked_rewind = None
        self._alive(tp)
        sends = partition.feed(chunk, self._now())
        partition.advance(self._now(), self._lateness_ms, chunk.end)
        behind = partition.position + 1 < chunk.end
        if not behind or clock - owned.told >= BEHIND_OUTCOMES_S:
            owned.told = clock
            sends += partition.outcomes()
        mark = clock - owned.marked >= WATERMARK_S
        if mark or clock - owned.sliced >= (BEHIND_SLICES_S if behind else self._settings.rollup_every_s):
            owned.sliced = clock
            sends += partition.slices()
        for send in sends:
            owned.pending.append(await self._send(send))
        if mark:
            owned.marked = clock
            # Partitions of a broker do not keep step: a watermark sent along could be read before what it vouches for.
            await self._settle(owned)
            owned.pending.append(await self._send(partition.watermark()))
        wait = max(self._settings.checkpoint_s, 5 * owned.checkpoint_took)
        if partition.halted is not None:
            log.error(str(partition.halted))
            await self._checkpoint(tp, owned, chunk.end)
        elif clock - owned.checkpointed >= wait and partition.unsaved:
            await self._checkpoint(tp, owned, chunk.end)

    async def _take_over(self, tp: TP) -> Owned | None:
        """Loads a partition and makes its new epoch durable before anything is said in it."""
        number, generation = tp.partition, self._generation
        rows = await self._read_changelog(tp)
        if self._rebalancing or self._generation != generation:
            return None
        partition = self._load(number, lambda key: rows.get(_row_key(number, key)), self._now())
        # Frozen meanwhile, it may find its successor at work, in the very epoch that it is about to begin.
        if not await self._app.consumer.confirm(tp, partition.position + 1):  # type: ignore[attr-defined]
            return None
        owned = self.owned[number] = Owned(partition, rows)
        first = partition.checkpoint(self._now(), UNKNOWN_END)
        async with asyncio.timeout(STUCK_S):
            await self._write(owned, first.policies())
            await self._settle(owned)
            await self._write_manifest(owned, first)
        if self.owned.get(number) is not owned:
            return None
        owned.pending += [await self._send(send) for send in partition.policies()]
        # 100,000 live cases are walked by every full collection otherwise, a third of all time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(200_000, 50, 100)
        log.info("partition taken over", topic=tp.topic, partition=number, position=partition.position,
                 epoch=partition.manifest.epoch)  # fmt: skip
        return owned

    async def _read_changelog(self, tp: TP) -> dict[bytes, bytes]:
        async with asyncio.timeout(STUCK_S) as limit:

            def alive() -> None:
                for each in self.alive_at:  # the others wait for this one
                    self._alive(each)
                limit.reschedule(asyncio.get_running_loop().time() + STUCK_S)

            return await read_rows(self._settings.kafka, self._changelog, tp.partition, alive)

    def _alive(self, tp: TP) -> None:
        if tp in self.alive_at:  # else it has left meanwhile
            self.alive_at[tp] = time.monotonic()

    async def _send(self, send: Send) -> Awaitable[Any]:
        headers = list(send.headers.items())
        return await self._app.producer.send(
            self._topics[send.topic], send.key, send.value, send.partition, None, headers
        )

    async def _checkpoint(self, tp: TP, owned: Owned, end: int) -> None:
        begin = time.monotonic()
        partition = owned.partition
        for send in partition.outcomes() + partition.slices():
            owned.pending.append(await self._send(send))
        checkpoint = partition.checkpoint(self._now(), end)
        await self._write(owned, checkpoint.rows())
        await self._settle(owned)
        if self.owned.get(partition.number) is not owned:
            return
        await self._write_manifest(owned, checkpoint)
        if self.owned.get(partition.number) is not owned:
            return
        consumer: Any = self._app.consumer
        if not await consumer.commit_position(tp, checkpoint.manifest.position + 1):
            log.warning("partition lost to another worker", partition=partition.number)
            owned.lost = True
        else:
            # Not sooner: where the partition was lost unnoticed, its new owner's manifest still names these rows.
            await self._write(owned, checkpoint.garbage())
        owned.checkpointed = time.monotonic()
        owned.checkpoint_took = owned.checkpointed - begin

    async def _write_manifest(self, owned: Owned, checkpoint: Checkpoint) -> None:
        await self._write(owned, [checkpoint.manifest_row()])
        await self._settle(owned)
        owned.partition.manifest = checkpoint.manifest

    async def _settle(self, owned: Owned) -> None:
        """Waits until the broker has acknowledged all that was sent for this partition. Raises what failed."""
        pending, owned.pending = owned.pending, []
        await asyncio.gather(*pending)

    async def _write(self, owned: Owned, rows: Iterable[Row]) -> None:
        number = owned.partition.number
        for name, value in rows:
            key = _row_key(number, name)
            if value is None:
                owned.rows.pop(key, None)
            else:
                owned.rows[key] = value
            owned.pending.append(await self._app.producer.send(self._changelog, key, value, number, None, None))


def _tell_policy(refused: str | None) -> None:
    if refused is None:
        log.info("policy file read")
    else:
        log.error("policy refused, the one before stays in force", reason=refused)


def _row_key(number: int, key: str) -> bytes:
    return f"{number}.{key}".encode()
