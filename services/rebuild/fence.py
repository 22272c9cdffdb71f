"""Up to where everything is known to hang together: which events the slices of each source partition already hold.

A watermark says a position and a version: all slices up to that position had been told under lower versions. So the
events up to it, and the slice versions up to it, are two readings of the same facts.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from kafka import KafkaAdminClient
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
    """The newest watermarks; waits until the store has all events before them. Raises `WorkFailed` where it does not
    get there within a minute, or where nothing was ever judged."""
    rows = client.query(
        "SELECT partition, position, version, toUnixTimestamp64Milli(stream_time) FROM watermarks FINAL"
        f" WHERE partition < {CUSTOMER_STAGE}"
    ).result_rows
    if not rows:
        raise WorkFailed("the store holds no watermark yet: nothing was judged so far")
    found = Fence({p: at for p, at, _, _ in rows}, {p: v for p, _, v, _ in rows}, min(t for _, _, _, t in rows))
    deadline = time.monotonic() + WAIT_S
    while behind := {p for p, at in found.positions.items() if _stored(settings).get(p, -1) <= at}:
        if time.monotonic() > deadline:
            raise WorkFailed(f"the store is behind in partitions {', '.join(map(str, sorted(behind)))}: is it running?")
        time.sleep(0.5)
    return found


def _stored(settings: Settings) -> dict[int, int]:
    """By partition of events the offset at which the store goes on."""
    group = f"{settings.topic_prefix}{GROUP}"
    try:
        with closing(
            KafkaAdminClient(bootstrap_servers=settings.kafka.split(","), bootstrap_timeout_ms=10_000)
        ) as admin:
            offsets = admin.list_group_offsets(group)[group]
    except KafkaError as error:
        raise WorkFailed(f"Kafka at {settings.kafka} does not answer: {error}") from error
    topic = settings.topic(Topic.EVENTS)
    return {tp.partition: meta.offset for tp, meta in offsets.items() if tp.topic == topic}
