"""The publisher says "taken" once every record is acknowledged, and gives up a producer that it can no longer trust.

The producer here is a stand-in that acknowledges when told to: no broker can be made to do so in a given order.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaError, KafkaStorageError, NotEnoughReplicasError
from structlog.testing import capture_logs

from services.ingest import publisher as module
from services.ingest.publisher import BrokerAway, KafkaPublisher


class Sent:
    """A record handed to the producer, waiting for its acknowledgement."""

    def __init__(self, value: bytes, partition: int) -> None:
        self.value, self.partition = value, partition
        self._acknowledge: list[Callable[[Any], None]] = []
        self._fail: list[Callable[[BaseException], None]] = []

    def add_callback(self, callback: Callable[[Any], None]) -> None:
        self._acknowledge.append(callback)

    def add_errback(self, callback: Callable[[BaseException], None]) -> None:
        self._fail.append(callback)

    def acknowledge(self) -> None:
        for callback in self._acknowledge:
            callback(None)

    def fail(self, error: KafkaError) -> None:
        for callback in self._fail:
            callback(error)


class Producer:
    """Takes records and keeps them; a connection is always there, as with a broker that hangs."""

    built: list["Producer"]

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.sent: list[Sent] = []
        self.closed = False
        self.built.append(self)

    def partitions_for(self, _topic: str) -> set[int]:
        return {0, 1}

    def metrics(self) -> dict[str, dict[str, Any]]:
        return {"producer-metrics": {"connection-count": 1}}

    def send(self, _topic: str, value: bytes, partition: int, headers: list[tuple[str, bytes]]) -> Sent:
        assert headers == [("packed", b"1")]
        self.sent.append(Sent(value, partition))
        return self.sent[-1]

    def close(self, _timeout: float = 0) -> None:
        self.closed = True


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Producer]:
    """The producers made so far."""
    producers: list[Producer] = []
    monkeypatch.setattr(Producer, "built", producers, raising=False)
    monkeypatch.setattr(module, "_Producer", Producer)
    return producers


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what makes it true is in no task of the loop
            await asyncio.sleep(0.005)


async def settle() -> None:
    """Lets everything that is due in the event loop happen."""
    for _ in range(20):
        await asyncio.sleep(0)


VALUES = {0: [b"a", b"b"], 1: [b"c"]}
"""Two records of partition 0: a request that is too large for one."""


@pytest.mark.parametrize("last", [0, 1, 2])
def test_taken_means_that_each_record_of_each_partition_is_acknowledged(built: list[Producer], last: int) -> None:
    async def check() -> None:
        publisher = KafkaPublisher("nowhere:1", "t", timeout_s=30)
        await publisher.start()
        publishing = asyncio.create_task(publisher.publish(VALUES))
        await eventually(lambda: len(built[0].sent) == 3)
        assert [(one.partition, one.value) for one in built[0].sent] == [(0, b"a"), (0, b"b"), (1, b"c")]
        for at, record in enumerate(built[0].sent):
            if at != last:
                record.acknowledge()
        await settle()
        assert not publishing.done()
        built[0].sent[last].acknowledge()
        await publishing
        await publisher.close()

    asyncio.run(check())


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_record_that_failed_fails_the_request_and_retires_the_producer(built: list[Producer], failing: int) -> None:
    async def check() -> None:
        publisher = KafkaPublisher("nowhere:1", "t", timeout_s=30, probe_s=0.01)
        await publisher.start()
        publishing = asyncio.create_task(publisher.publish(VALUES))
        await eventually(lambda: len(built[0].sent) == 3)
        for at, record in enumerate(built[0].sent):
            if at != failing:
                record.acknowledge()
        built[0].sent[failing].fail(NotEnoughReplicasError())
        with pytest.raises(BrokerAway, match="did not take"):
            await publishing
        await eventually(lambda: len(built) == 2 and built[0].closed)
        await publisher.close()

    asyncio.run(check())


def test_a_broker_that_hangs_retires_the_producer_and_the_next_one_is_used(built: list[Producer]) -> None:
    async def check() -> None:
        publisher = KafkaPublisher("nowhere:1", "t", timeout_s=0.2, probe_s=0.01)
        await publisher.start()
        with pytest.raises(BrokerAway, match="did not acknowledge"):
            await publisher.publish(VALUES)
        await eventually(lambda: len(built) == 2 and built[0].closed)
        assert not built[1].closed
        await eventually(lambda: publisher.partitions == 2)
        publishing = asyncio.create_task(publisher.publish({1: [b"d"]}))
        await eventually(lambda: built[1].sent)
        built[1].sent[0].acknowledge()
        await publishing
        # What the first one says later is about records that nobody waits for.
        built[0].sent[0].acknowledge()
        await settle()
        await publisher.close()
        assert built[1].closed

    asyncio.run(check())


def test_a_late_doubt_about_an_old_producer_does_not_retire_the_new_one(built: list[Producer]) -> None:
    async def check() -> None:
        publisher = KafkaPublisher("nowhere:1", "t", timeout_s=30, probe_s=0.01)
        await publisher.start()
        first = asyncio.create_task(publisher.publish({0: [b"a"]}))
        second = asyncio.create_task(publisher.publish({0: [b"b"]}))
        await eventually(lambda: len(built[0].sent) == 2)
        built[0].sent[0].fail(NotEnoughReplicasError())
        with pytest.raises(BrokerAway):
            await first
        await eventually(lambda: len(built) == 2 and publisher.partitions == 2)
        built[0].sent[1].fail(NotEnoughReplicasError())
        with pytest.raises(BrokerAway):
            await second
        await asyncio.sleep(0.1)  # ten probes, none of which may act
        assert len(built) == 2 and not built[1].closed
        await publisher.close()

    asyncio.run(check())


def test_all_in_sync_replicas_must_have_a_record(built: list[Producer]) -> None:
    """One broker cannot show it: it takes the least number of replicas for no more than there are."""

    async def check() -> None:
        publisher = KafkaPublisher("nowhere:1", "t")
        await publisher.start()
        await publisher.close()

    asyncio.run(check())
    assert (built[0].options["acks"], built[0].options["enable_idempotence"]) == ("all", True)


def test_a_disk_that_takes_no_more_is_named_as_the_reason(built: list[Producer]) -> None:
    async def check() -> None:
        publisher = KafkaPublisher("nowhere:1", "t", timeout_s=30, probe_s=0.01)
        await publisher.start()
        publishing = asyncio.create_task(publisher.publish({0: [b"a"]}))
        await eventually(lambda: built[0].sent)
        built[0].sent[0].fail(KafkaStorageError())
        with capture_logs() as logged:
            with pytest.raises(BrokerAway, match="disk, which is full or broken"):
                await publishing
            await eventually(lambda: len(built) == 2)
        assert "disk, which is full or broken" in logged[0]["reason"]
        await publisher.close()

    asyncio.run(check())
