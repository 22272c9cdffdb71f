"""Up to where everything is known to hang together: which events the slices of each source partition already hold.

A watermark says a position and a version: all slices up to that position had been told under lower versions, and Kafka
had them when it was told. So the events up to it, and the slice versions up to it, are two readings of the same facts.

But for what an owner told that died: its successor goes on from the last checkpoint, behind what was told, and tells it
again in its own epoch. Until it has, the newest version of a slice may hold events beyond the successor's position. So
versions between a checkpoint and the epoch that went on from it are left out of the reading.
"""

import time
from collections.abc import Iterable, Mapping
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
_LOOK_S = 0.5
_LEVEL_MS = 500
_ANY_VERSION = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Mark:
    """What the newest watermark of a partition says; instants in ms."""

    position: int
    version: int
    stream_time: int
    told_at: int
    settled: int

    @property
    def epoch(self) -> int:
        """That of the owner who told it."""
        return self.version >> 32


@dataclass(frozen=True, slots=True)
class Fence:
    """The newest watermarks by partition, those of customers from `CUSTOMER_STAGE` on. `standing` holds by partition
    and epoch the version up to which slices of that epoch count, where not all do."""

    marks: Mapping[int, Mark]
    standing: Mapping[tuple[int, int], int]

    @property
    def partitions(self) -> int:
        """How many source partitions there are."""
        return sum(number < CUSTOMER_STAGE for number in self.marks)

    @property
    def stream_time(self) -> int:
        """The lowest of all source partitions, in ms."""
        return min(mark.stream_time for number, mark in self.marks.items() if number < CUSTOMER_STAGE)

    def holds(self, partition: int, version: int) -> bool:
        """Whether a slice version belongs to the reading; `VERSION_BEFORE` says the same in SQL."""
        mark = self.marks.get(partition)
        below = mark is None or version <= mark.version
        return below and version <= self.standing.get((partition, version >> 32), _ANY_VERSION)

    @property
    def parameters(self) -> dict[str, list[int]]:
        """The same for SQL."""
        known = sorted(self.marks)
        return {
            "fenced": known,
            "positions": [self.marks[p].position for p in known],
            "versions": [self.marks[p].version for p in known],
            "epochs": [p << 32 | epoch for p, epoch in self.standing],
            "standing": list(self.standing.values()),
        }


EVENT_BEFORE = "offset <= transform(partition, {fenced:Array(UInt16)}, {positions:Array(Int64)}, toInt64(-1))"
"""Condition on `event_arrivals`."""

VERSION_BEFORE = (
    f"(version <= transform(partition, {{fenced:Array(UInt16)}}, {{versions:Array(UInt64)}}, toUInt64({_ANY_VERSION}))"
    " AND version <= transform(bitOr(bitShiftLeft(toUInt64(partition), 32), bitShiftRight(version, 32)),"
    f" {{epochs:Array(UInt64)}}, {{standing:Array(UInt64)}}, toUInt64({_ANY_VERSION})))"
)
"""Condition on slices and policies. Corrections of earlier rebuilds are of no partition: taken as they are."""


def standing_of(marks: Mapping[int, Mark], epochs: Iterable[tuple[int, int, int]]) -> dict[tuple[int, int], int]:
    """As in `Fence`. `epochs`: partition, epoch, and the version that its owner went on from."""
    standing: dict[tuple[int, int], int] = {}
    for partition, epoch, resumed_from in epochs:
        if partition not in marks or epoch > marks[partition].epoch:
            continue
        for before in range(resumed_from >> 32, epoch):
            stands = resumed_from if before == resumed_from >> 32 else 0
            standing[partition, before] = min(standing.get((partition, before), stands), stands)
    return standing


class Fences:
    """Finds fences. `close` it, or use it in a `with`."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Raises `WorkFailed` where Kafka does not answer."""
        self._client = client
        self._topics = {topic: settings.topic(topic) for topic in Topic}
        self._group = f"{settings.topic_prefix}{GROUP}"
        self._kafka = settings.kafka
        self._lateness_ms = round(settings.lateness_s * 1000)
        try:
            self._admin = KafkaAdminClient(bootstrap_servers=settings.kafka.split(","), bootstrap_timeout_ms=10_000)
            [topic] = self._admin.describe_topics([self._topics[Topic.EVENTS]])
            self._partitions = len(topic["partitions"])
        except KafkaError as error:
            raise self._away(error) from error

    def newest(self) -> Fence:
        """The newest watermarks; waits until the store has all events, slices and outcomes before them.

        Raises `WorkFailed` where it does not get there within a minute, or where a partition was never judged.
        """
        found = self._marks()
        missing = [number for number in range(self._partitions) if number not in found]
        if missing:
            raise WorkFailed(
                f"the store holds no watermark of partition {missing[0]} yet: nothing was judged there so far;"
                " is a worker running?"
            )
        if not all(mark.told_at for mark in found.values()):
            raise WorkFailed("the newest watermark is of a worker of an earlier version: start the workers anew")
        try:
            needed = self._ends(Topic.ROLLUPS, Topic.OUTCOMES, Topic.POLICIES)
            for number in range(self._partitions):
                needed[TopicPartition(self._topics[Topic.EVENTS], number)] = found[number].position + 1
            self._wait(needed)
        except KafkaError as error:
            raise self._away(error) from error
        return self._fence(found)

    def of_customers(self) -> Fence:
        """A fence before which is all that cases have told of customers by now. Waits until the store has all that they
        have told by then, so that whoever reads the cases before this and after it sees which of them were moving.

        Waits, too, until every source partition has read all there is now: an owner that died may have told of a case
        what its successor does not know yet, and only takes back or tells again when it has come as far.

        Raises `WorkFailed` where that takes longer than a minute.
        """
        deadline = time.monotonic() + WAIT_S
        try:
            came = {tp.partition: end for tp, end in self._ends(Topic.EVENTS).items()}
            while behind := [n for n, end in came.items() if not self._has_read(self._marks().get(n), end)]:
                self._wait_more(deadline, f"events are behind in partition {behind[0]}")
            told = {CUSTOMER_STAGE + tp.partition: end for tp, end in self._ends(Topic.CUSTOMERS).items()}
            while True:
                found = self._marks()
                behind = [n for n, end in told.items() if (m := found.get(n)) is None or m.position + 1 < end]
                if not behind:
                    break
                self._wait_more(deadline, f"customers are behind in partition {behind[0] - CUSTOMER_STAGE}")
            self._wait(self._ends(Topic.ROLLUPS, Topic.CUSTOMERS))
        except KafkaError as error:
            raise self._away(error) from error
        return self._fence(found)

    def _has_read(self, mark: Mark | None, end: int) -> bool:
        """Behind a transaction's marker no record follows: stream time at the wall clock says then that all is read."""
        return mark is not None and (
            mark.position + 1 >= end or mark.told_at - mark.stream_time <= self._lateness_ms + _LEVEL_MS
        )

    def _wait_more(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            raise WorkFailed(f"{what}: is a worker running?")
        time.sleep(_LOOK_S)

    def close(self) -> None:
        """Closes the connection to Kafka."""
        self._admin.close()

    def _marks(self) -> dict[int, Mark]:
        instants = ", ".join(f"toUnixTimestamp64Milli({name})" for name in ("stream_time", "told_at", "settled"))
        rows = self._client.query(f"SELECT partition, position, version, {instants} FROM watermarks FINAL").result_rows
        return {partition: Mark(*row) for partition, *row in rows}

    def _fence(self, marks: dict[int, Mark]) -> Fence:
        epochs = self._client.query("SELECT partition, epoch, resumed_from FROM epochs FINAL").result_rows
        return Fence(marks, standing_of(marks, ((row[0], row[1], row[2]) for row in epochs)))

    def _ends(self, *topics: Topic) -> dict[TopicPartition, int]:
        """Where these topics end now."""
        asked = {
            TopicPartition(self._topics[topic], n): OffsetSpec.LATEST
            for topic in topics
            for n in range(self._partitions)
        }
        return {tp: end.offset for tp, end in self._admin.list_partition_offsets(asked).items()}

    def _wait(self, needed: Mapping[TopicPartition, int]) -> None:
        """Until the store has committed these offsets, which it does after its inserts."""
        deadline = time.monotonic() + WAIT_S
        while True:
            stored = self._admin.list_group_offsets(self._group)[self._group]
            done = {tp: max(0, meta.offset) for tp, meta in stored.items()}
            behind = [f"{tp.topic}-{tp.partition}" for tp, offset in needed.items() if done.get(tp, 0) < offset]
            if not behind:
                return
            if time.monotonic() > deadline:
                raise WorkFailed(f"the store is behind in {', '.join(sorted(behind))}: is it running?")
            time.sleep(_LOOK_S)

    def _away(self, error: KafkaError) -> WorkFailed:
        return WorkFailed(f"Kafka at {self._kafka} does not answer: {error}")
