"""The store's seat in its Kafka consumer group: reading, committing, and staying in it while nothing can be written."""

from collections.abc import Iterator, Mapping
from math import inf
from threading import Event
from time import monotonic

import structlog
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError

from schemas.errors import WorkFailed
from schemas.settings import Settings
from services.store.metrics import StoreMetrics
from services.store.routes import Record
from services.store.unreadable import keep_unreadable

log = structlog.get_logger()

GROUP = "contactpulse-store"
BOOTSTRAP_MS = 60_000
COMMIT_MS = 1_000
REJOIN_S = 10.0
"""A rebalance that takes longer is taken for lost. Members answer within a heartbeat, or an insert of two seconds."""
_IDLE_S = 0.2


class Source:
    """Reads the topics as a member of the group. One thread uses it."""

    def __init__(self, settings: Settings, topics: list[str], metrics: StoreMetrics, stopping: Event) -> None:
        """Joins the group with the first poll. Raises `WorkFailed` when no broker answers within a minute."""
        self._topics = topics
        self._metrics = metrics
        self._stopping = stopping
        self._done: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        session_ms = round(settings.session_timeout_s * 1000)
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=settings.kafka.split(","),
                client_id=GROUP,
                group_id=f"{settings.topic_prefix}{GROUP}",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=session_ms // 3,
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                # Decompressed, a fetch can be ten times this; together with a full batch it must fit in memory.
                fetch_max_bytes=8 * 2**20,
                max_poll_records=2000,
                # A broker that comes back is noticed within this time.
                reconnect_backoff_max_ms=1000,
                metadata_max_age_ms=30_000,
                metrics_enabled=False,
            )
            keep_unreadable(self._consumer)
            self._seat = _Seat(self._done, self._committed)
            self._consumer.subscribe(topics, listener=self._seat)
            # Asks for all partitions. Else the first join may know none, and a second must follow (see `_poll`).
            self._consumer.topics()
        except KafkaError as error:
            raise WorkFailed(f"no Kafka broker answers at {settings.kafka}: {error}") from error
        self._commit_again_at = inf

    def poll(self, timeout_s: float) -> Iterator[tuple[TopicPartition, Record]]:
        """The records there are, waiting at most `timeout_s` seconds for the first. A broker away: none, and a log.

        A value is `Unreadable` where it stands for a batch that could not be decoded.
        """
        if monotonic() >= self._commit_again_at:
            self._commit()
        try:
            polled = self._poll(timeout_s)
        except KafkaError as error:
            self.failed(error)
            return
        for partition, records in polled.items():
            for record in records:
                yield partition, record

    def done(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Everything before these offsets is in ClickHouse: commit them; where that fails, again with a later poll."""
        self._done.update(offsets)
        self._commit()

    def _commit(self) -> None:
        self._commit_again_at = inf
        owned = self._consumer.assignment()
        due = {p: o for p, o in self._done.items() if p in owned and self._committed.get(p) != o}
        if not due:
            return
        try:
            self._consumer.commit({p: OffsetAndMetadata(o, "", -1) for p, o in due.items()}, timeout_ms=COMMIT_MS)
        except KafkaError as error:
            # A rebalance or a broker away. The rows are in; whoever reads them again inserts the same rows again.
            self._commit_again_at = monotonic() + 1.0
            self.failed(error)
        else:
            self._committed.update(due)

    def hold(self, seconds: float) -> None:
        """Wait as a member of the group that reads nothing: polls, so that heartbeats and rebalances go on."""
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0 and not self._stopping.is_set():
            self._consumer.pause(*self._consumer.assignment())
            try:
                polled = self._poll(min(left, _IDLE_S))
            except KafkaError as error:
                self.failed(error)
                continue
            for partition, records in polled.items():
                # Assigned within this very poll, so it was not paused: hand the records back.
                self._consumer.seek(partition, records[0].offset)
        self._consumer.resume(*self._consumer.paused())

    def _poll(self, timeout_s: float) -> Mapping[TopicPartition, list[Record]]:
        if monotonic() - self._seat.lost_at > REJOIN_S:
            # kafka-python 3.0 forgets a join that its own view of the partitions made it start, where a poll ends
            # before the join does: no heartbeat, no partitions, for ever. Leaving and joining again heals it.
            log.warning("no place in the consumer group; joining again", after_s=REJOIN_S)
            self._seat.lost_at = monotonic()
            self._consumer.unsubscribe()
            self._consumer.subscribe(self._topics, listener=self._seat)
        timeout_ms = round(max(timeout_s, 0.0) * 1000)
        polled: Mapping[TopicPartition, list[Record]] = self._consumer.poll(timeout_ms=timeout_ms)
        return polled

    def failed(self, error: Exception) -> None:
        """Tell that Kafka did not do what it should; the caller goes on and tries again."""
        self._metrics.failures.labels("kafka").inc()
        log.warning("kafka is away or unwell; trying again", error=f"{type(error).__name__}: {error}")

    def measure_lag(self) -> None:
        """Set the lag gauges, from what the last fetches told."""
        lag: dict[str, int] = {}
        for partition in self._consumer.assignment():
            highwater = self._consumer.highwater(partition)
            behind = highwater - self._done.get(partition, highwater) if highwater is not None else 0
            lag[partition.topic] = lag.get(partition.topic, 0) + max(behind, 0)
        for topic, records in lag.items():
            self._metrics.lag.labels(topic).set(records)

    def close(self) -> None:
        """Leave the group, so that a successor need not wait for the session to time out."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=500)
        except KafkaError as error:
            self.failed(error)


class _Seat(ConsumerRebalanceListener):  # type: ignore[misc]
    """Knows since when the group owes us an assignment, and forgets partitions that leave.

    Their next owner may commit further than we know.
    """

    def __init__(self, *known: dict[TopicPartition, int]) -> None:
        self.lost_at = monotonic()
        """When we last had to give up our partitions; infinite while the group has told us ours."""
        self._known = known

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self.lost_at = monotonic()
        for known in self._known:
            for partition in revoked:
                known.pop(partition, None)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.lost_at = inf
        log.info("partitions assigned", partitions=sorted(f"{p.topic}-{p.partition}" for p in assigned))
