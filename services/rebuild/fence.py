"""Up to where everything is known to hang together: which events the slices of each source partition already hold.

A watermark says a position and a version: all slices up to that position had been told under lower versions, and Kafka
had them when it was told. So the events up to it, and the slice versions up to it, are two readings of the same facts.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from schemas.errors import WorkFailed
from schemas.rollup import CUSTOMER_STAGE
from schemas.settings import Settings
from schemas.topics import Topic
from services.store.source import GROUP

WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Fence:
    """By source partition the last event position and the version up to which slices tell of it; the lowest stream time
    of all, in ms."""

    positions: Mapping[int, int]
    versions: Mapping[int, int]
    stream_time: int

    @property
    def parameters(self) -> dict[str, list[int]]:
        """The same for SQL."""
        known = sorted(self.positions)
        return {
            "fenced": known,
            "positions": [self.positions[p] for p in known],
            "versions": [self.versions[p] for p in known],
        }


EVENT_BEFORE = (
    "offset <= transform(partition, {fenced:Array(UInt16)}, {positions:Array(Int64)}, toInt64(9223372036854775807))"
)
"""Condition on `events`. Events from before positions were stored have no known partition: they are long applied."""

VERSION_BEFORE = (
    "version <= transform(partition, {fenced:Array(UInt16)}, {versions:Array(UInt64)}, toUInt64(18446744073709551615))"
)
"""Condition on slices. Those of customers, and of earlier rebuilds, are taken as they are."""


def fence(client: Client, settings: Settings) -> Fence:
    """The newest watermarks; waits until the store has all events and slices before them. Raises `WorkFailed` where it
    does not get there within a minute, or where nothing was ever judged."""
    rows = client.query(
        "SELECT partition, position, version, toUnixTimestamp64Milli(stream_time) FROM watermarks FINAL"
        f" WHERE partition < {CUSTOMER_STAGE}"
    ).result_rows
    if not rows:
        raise WorkFailed("the store holds no watermark yet: nothing was judged so far")
    found = Fence({p: at for p, at, _, _ in rows}, {p: v for p, _, v, _ in rows}, min(t for _, _, _, t in rows))
    try:
        with closing(
            KafkaAdminClient(bootstrap_servers=settings.kafka.split(","), bootstrap_timeout_ms=10_000)
        ) as admin:
            _wait(admin, settings, found)
    except KafkaError as error:
        raise WorkFailed(f"Kafka at {settings.kafka} does not answer: {error}") from error
    return found


def _wait(admin: KafkaAdminClient, settings: Settings, found: Fence) -> None:
    """Until the store has the events up to the fence, and all slices that Kafka has by now."""
    events, rollups = settings.topic(Topic.EVENTS), settings.topic(Topic.ROLLUPS)
    asked = {TopicPartition(rollups, n): OffsetSpec.LATEST for n in range(settings.partitions)}
    needed = {tp: end.offset for tp, end in admin.list_partition_offsets(asked).items()}
    needed |= {TopicPartition(events, n): position + 1 for n, position in found.positions.items()}
    group = f"{settings.topic_prefix}{GROUP}"
    deadline = time.monotonic() + WAIT_S
    while True:
        stored = {tp: max(0, meta.offset) for tp, meta in admin.list_group_offsets(group)[group].items()}
        behind = [f"{tp.topic}-{tp.partition}" for tp, offset in needed.items() if stored.get(tp, 0) < offset]
        if not behind:
            return
        if time.monotonic() > deadline:
            raise WorkFailed(f"the store is behind in {', '.join(sorted(behind))}: is it running?")
        time.sleep(0.5)
