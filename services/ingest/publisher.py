"""Records into Kafka, and knowing whether Kafka is there.

kafka-python's producer lives in threads; here it meets asyncio. The event loop never waits for it: building, sending
and closing run in threads, acknowledgements come back with `call_soon_threadsafe`.
"""

import asyncio
import contextlib
import functools
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import structlog
from kafka import KafkaProducer
from kafka.codec import has_lz4
from kafka.errors import KafkaError, KafkaStorageError, KafkaTimeoutError, UnknownTopicOrPartitionError

from schemas.errors import WorkFailed
from services.ingest.bridge import Acknowledgements, in_thread

PACKED = [("packed", b"1")]
"""Header of every record of the door: its value is NDJSON, and its key says nothing."""

_DISK = "a broker cannot write to its disk, which is full or broken (KafkaStorageError)"
"""A broker does not say which of the two."""

_log = structlog.get_logger(__name__)


class BrokerAway(WorkFailed):
    """Kafka did not take the records, or not surely all of them."""


class Publisher(Protocol):
    """Where the door puts packed records. `KafkaPublisher` is the one; benchmarks use one that drops them."""

    @property
    def partitions(self) -> int | None:
        """How many partitions the topic has; None while the broker is away."""

    @property
    def missing(self) -> list[str]:
        """What readiness lacks, in words; empty when records can be taken."""

    async def publish(self, values: Mapping[int, Sequence[bytes]]) -> None:
        """Append values to the partitions named. Returns once all are acknowledged by all in-sync replicas.

        Raises `BrokerAway` where that is not certain within the time-out; some may have been taken then.
        """

    async def start(self) -> None:
        """Begin looking for the broker; returns after the first attempt, whatever came of it."""

    async def close(self) -> None:
        """Let go of the broker."""


class KafkaPublisher:
    """An idempotent producer (acks=all) of one topic, kept alive through absences of the broker.

    A failed or timed-out delivery retires the producer: the next one starts with a new producer id, so that nothing
    the broker forgot or half remembers (a restart, a wiped disk) can stand in the way. While none is connected,
    `publish` fails at once.
    """

    def __init__(self, bootstrap: str, topic: str, timeout_s: float = 10.0, probe_s: float = 0.5) -> None:
        self._bootstrap = [server.strip() for server in bootstrap.split(",") if server.strip()]
        self._topic = topic
        self._timeout_s = timeout_s
        self._probe_s = probe_s
        self._producer: KafkaProducer | None = None
        self._partitions: int | None = None
        self._connected = False
        self._why = f"Kafka at {','.join(self._bootstrap)} has not answered yet"
        self._suspect = asyncio.Event()
        self._doubted = ""
        self._senders = ThreadPoolExecutor(2, "kafka-send")
        self._closing = False
        self._keeper: asyncio.Task[None] | None = None

    @property
    def partitions(self) -> int | None:
        return self._partitions if self._connected else None

    @property
    def missing(self) -> list[str]:
        return [] if self._connected else [self._why]

    async def start(self) -> None:
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name="kafka-publisher")

    async def close(self) -> None:
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._connected = False
        if self._producer is not None:
            await in_thread(functools.partial(self._producer.close, 0.5))
            self._producer = None
        self._senders.shutdown(wait=False, cancel_futures=True)

    async def publish(self, values: Mapping[int, Sequence[bytes]]) -> None:
        producer = self._producer
        if producer is None or not self._connected:
            raise BrokerAway(self._why)
        expected = sum(map(len, values.values()))
        if expected == 0:
            return
        acknowledgements = Acknowledgements(expected)
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.get_running_loop().run_in_executor(
                    self._senders, self._send, producer, values, acknowledgements
                )
                await acknowledgements.done
        except TimeoutError:
            self._doubt(producer, "a delivery failed")
            raise BrokerAway(f"Kafka did not acknowledge within {self._timeout_s:g} s") from None
        except (KafkaError, ValueError) as error:
            # kafka-python raises ValueError for a partition it does not know (any more).
            if isinstance(error, KafkaStorageError):
                self._doubt(producer, _DISK)
                raise BrokerAway(f"Kafka did not take the events: {_DISK}") from error
            self._doubt(producer, "a delivery failed")
            raise BrokerAway(f"Kafka did not take the events: {error}") from error
        finally:
            acknowledgements.done.cancel()

    def _send(
        self, producer: KafkaProducer, values: Mapping[int, Sequence[bytes]], acknowledgements: Acknowledgements
    ) -> None:
        for partition, packed in values.items():
            for value in packed:
                future = producer.send(self._topic, value=value, partition=partition, headers=PACKED)
                future.add_callback(acknowledgements.acknowledged)
                future.add_errback(acknowledgements.failed)

    def _doubt(self, producer: KafkaProducer, why: str) -> None:
        if producer is self._producer:
            self._doubted = why
            self._suspect.set()

    async def _keep(self) -> None:
        absences = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._probe_s):
                    await self._suspect.wait()
            if self._suspect.is_set():
                self._suspect.clear()
                self._retire()
            if self._producer is None:
                await self._connect()
                absences = 0
                continue
            # A lone probe without a connection is a reconnection under way.
            absences = 0 if _connections(self._producer) else absences + 1
            if absences == 0 and not self._connected:
                self._came(self._partitions)
            elif absences == 2:
                self._went("no connection")

    async def _connect(self) -> None:
        try:
            self._producer, partitions = await in_thread(self._build)
        except Exception as error:
            # Whatever it is that a broken broker provokes in the client: the door must go on trying.
            self._went(str(error) or type(error).__name__)
        else:
            self._came(partitions)

    def _build(self) -> tuple[KafkaProducer, int]:
        timeout_ms = round(self._timeout_s * 1000)
        producer = _Producer(
            bootstrap_servers=self._bootstrap,
            client_id="contactpulse-ingest",
            enable_idempotence=True,
            acks="all",
            compression_type="lz4" if has_lz4() else "gzip",
            # No lingering: what comes while a partition's batch is under way leaves together anyway, and with it one
            # event waits three times as long for its answer.
            linger_ms=0,
            batch_size=1_000_000,
            delivery_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms,
            max_block_ms=1_500,
            bootstrap_timeout_ms=1_500,
            # Room for one event of the largest size, which a record may be, with its envelope.
            max_request_size=1_048_576,
            allow_auto_create_topics=False,
            # Keeps the connection in use, so that a broker's absence shows within seconds on an idle door too.
            metadata_max_age_ms=5_000,
            reconnect_backoff_max_ms=1_000,
        )
        try:
            found = producer.partitions_for(self._topic)
        except KafkaError as error:
            producer.close(timeout=0)
            if isinstance(error, KafkaTimeoutError):
                # The broker has answered already; it is the topic that it does not know.
                raise UnknownTopicOrPartitionError(f"topic {self._topic} is not there") from error
            raise
        if self._closing:
            producer.close(timeout=0)
        return producer, len(found)

    def _retire(self) -> None:
        producer, self._producer = self._producer, None
        self._went(self._doubted)
        if producer is not None:
            # Other requests may still be waiting for it; every delivery ends within the time-out.
            threading.Thread(target=producer.close, args=(self._timeout_s + 1,), daemon=True).start()

    def _came(self, partitions: int | None) -> None:
        self._partitions, self._connected = partitions, True
        _log.info("kafka is there", topic=self._topic, partitions=partitions)

    def _went(self, reason: str) -> None:
        why = f"Kafka at {','.join(self._bootstrap)} is away: {reason}"
        if self._connected or why != self._why:
            _log.warning("kafka is away", topic=self._topic, reason=reason)
        self._connected, self._why = False, why


def _connections(producer: KafkaProducer) -> bool:
    metrics: dict[str, dict[str, Any]] = producer.metrics() or {}
    counts = [group["connection-count"] for group in metrics.values() if "connection-count" in group]
    return not counts or any(counts)


class _Producer(KafkaProducer):  # type: ignore[misc]
    """kafka-python's `close` flushes first, and stays open with its thread running where that times out (records wait
    without end while a producer id is asked for). Here it goes on, and drops what could not be sent."""

    def flush(self, timeout: float | None = None) -> None:
        """As the base class's, but a time-out only ends it."""
        with contextlib.suppress(KafkaTimeoutError):
            super().flush(timeout)
