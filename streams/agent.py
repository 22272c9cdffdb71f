"""The agent of a stage: chunk by chunk it feeds its partitions, sends what they say, checkpoints them.

All of a partition's work happens here, one chunk or tick after the other, so nothing needs a lock. An error ends the
process: the last checkpoints are whole, the next worker goes on from them, and a half-dead one helps nobody.
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
from schemas.topics import Topic
from streams.engine.checkpoint import Checkpoint, Read, Row
from streams.stage import Send, Stage
from streams.transport import Chunk

log = structlog.get_logger(__name__)

Load = Callable[[int, Read, int], Stage]
"""Makes a partition of the stage: its number, its checkpoint rows by key, the wall clock in ms."""

WATERMARK_S = 1.0
STUCK_S = 60.0
"""A chunk takes tenths of a second, an election of a new leader by the broker seconds. A worker that waits longer ends:
starting again from the last checkpoints costs seconds, waiting for ever costs the day."""
REWIND_AGAIN_S = 2.0
"""A rewind, or what was read after it, can get lost in a recovery like any record."""
BEHIND_OUTCOMES_S = 0.25
BEHIND_SLICES_S = 1.0
"""How often a partition that is catching up says what changed: nobody watches it live, and what changes again meanwhile
is said once. One that is level says outcomes with every chunk and slices as often as the settings have it."""


class Owned:
    """A partition this worker owns, with when it last did what, on the monotonic clock."""

    def __init__(self, partition: Stage) -> None:
        self.partition = partition
        self.pending: list[Awaitable[Any]] = []
        self.asked_rewind: int | None = None
        self.asked_at = 0.0
        self.told = self.sliced = self.marked = 0.0
        self.checkpointed = time.monotonic()
        self.checkpoint_took = 0.0


class PartitionAgent:
    """Runs this worker's partitions of a stage, as `load` makes them. `now` is the wall clock in ms."""

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        policy: PolicyWatch,
        load: Load,
        table: Any,
        now: Callable[[], int],
    ) -> None:
        self._app = app
        self._settings = settings
        self._policy = policy
        self._load = load
        self._table = table
        self._now = now
        self._topics = {name: settings.topic(name) for name in Topic}
        self._lateness_ms = round(settings.lateness_s * 1000)
        self.owned: dict[int, Owned] = {}

    def on_revoked(self, app: faust.App, revoked: set[TP], **kwargs: Any) -> None:
        """Any rebalance may have moved a partition through another worker: all engines are dropped, and those of the
        partitions that stay are loaded again from their last checkpoint."""
        self.owned.clear()

    async def run(self, stream: Any) -> None:
        """The agent."""
        try:
            async for event in stream.events():
                message = event.message
                async with asyncio.timeout(STUCK_S):
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
        partition = owned.partition
        if partition.halted is not None:
            return
        clock = time.monotonic()
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
        number, table = tp.partition, self._table
        partition = self._load(number, lambda key: table.get(_row_key(number, key)), self._now())
        owned = self.owned[number] = Owned(partition)
        first = partition.checkpoint(self._now(), 1 << 62)
        await self._write(owned, first.policies())
        # By itself, as always: Tansu tells a recovery of the first row of its last batch only.
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
        await self._write(owned, checkpoint.garbage())
        consumer: Any = self._app.consumer
        if self.owned.get(partition.number) is not owned or tp not in consumer.assignment():
            return
        if not await consumer._commit({tp: checkpoint.manifest.position + 1}):
            log.warning("partition lost to another worker", partition=partition.number)
            self.owned.pop(partition.number, None)
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
        """Writes checkpoint rows to the table and its changelog.

        A plain `table[key] = value` goes through a buffer of Faust that drains behind our back: its flush gives up
        after a tenth of a second without progress, and says nothing of acknowledgement. A row sent here is waited for.
        """
        number = owned.partition.number
        data, changelog = self._table.data, self._table.changelog_topic.get_topic_name()
        for name, value in rows:
            key = _row_key(number, name)
            if value is None:
                data.pop(key, None)
            else:
                data[key] = value
            owned.pending.append(await self._app.producer.send(changelog, key, value, number, None, None))


def _tell_policy(refused: str | None) -> None:
    if refused is None:
        log.info("policy file read")
    else:
        log.error("policy refused, the one before stays in force", reason=refused)


def _row_key(number: int, key: str) -> bytes:
    return f"{number}.{key}".encode()
