"""What the product needs of a broker, the same for Apache Kafka and for Tansu."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from schemas.settings import Settings
from schemas.topics import Topic
from tests.support.kafka import RunningBroker

HALF_FULL = 4 * 2**20


@contextmanager
def producing(settings: Settings) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True, max_request_size=8 * 2**20
    )
    with closing(producer):
        yield producer


@contextmanager
def consuming(settings: Settings, group: str | None = None) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka,
        group_id=group and settings.topic(group),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6_000,  # Tansu lets a joining member wait for half of it
        heartbeat_interval_ms=2_000,
        consumer_timeout_ms=20_000,
        max_partition_fetch_bytes=8 * 2**20,
    )
    with closing(consumer):
        yield consumer


def events(settings: Settings, partition: int = 0) -> TopicPartition:
    return TopicPartition(settings.topic(Topic.EVENTS), partition)


def fill(settings: Settings, count: int, partition: int = 0) -> None:
    with producing(settings) as producer:
        sent = [producer.send(settings.topic(Topic.EVENTS), b"%d" % n, partition=partition) for n in range(count)]
        assert [future.get(20).offset for future in sent] == list(range(count))


def test_records_keep_partition_key_value_headers_and_order(settings: Settings) -> None:
    topic = settings.topic(Topic.DEAD)
    with producing(settings) as producer:
        for n in range(50):
            headers = [("reason", b"bad json"), ("origin", "队列".encode())]
            producer.send(topic, b"v%d" % n, key=b"k%d" % n, headers=headers, partition=n % 4)
        producer.flush(20)
    with consuming(settings) as consumer:
        consumer.assign([TopicPartition(topic, 1)])
        records = [next(consumer) for _ in range(12)]
    assert [(r.offset, r.key, r.value) for r in records] == [
        (at, b"k%d" % n, b"v%d" % n) for at, n in enumerate(range(1, 48, 4))
    ]
    assert list(records[0].headers) == [("reason", b"bad json"), ("origin", "队列".encode())]


def test_a_packed_record_of_4_mib_passes(settings: Settings) -> None:
    packed = json.dumps({"n": "x" * HALF_FULL}).encode()
    with producing(settings) as producer:
        producer.send(settings.topic(Topic.OUTCOMES), packed, partition=2).get(20)
    with consuming(settings) as consumer:
        consumer.assign([TopicPartition(settings.topic(Topic.OUTCOMES), 2)])
        assert next(consumer).value == packed


def test_a_group_resumes_at_its_commit(settings: Settings) -> None:
    fill(settings, 10)
    with consuming(settings, "store") as first:
        first.subscribe([settings.topic(Topic.EVENTS)])
        assert [next(first).value for _ in range(7)] == [b"%d" % n for n in range(7)]
        first.commit({events(settings): OffsetAndMetadata(4, "", -1)})
    with consuming(settings, "store") as second:
        second.subscribe([settings.topic(Topic.EVENTS)])
        assert next(second).value == b"4"
        assert second.committed(events(settings)) == 4


def test_beginning_and_end_offsets_are_told(broker: RunningBroker, settings: Settings) -> None:
    fill(settings, 5, partition=3)
    parts = [events(settings, 0), events(settings, 3)]
    with consuming(settings) as consumer:
        assert consumer.beginning_offsets(parts) == {parts[0]: 0, parts[1]: 0}
        ends = consumer.end_offsets(parts)
        assert ends[parts[0]] == 0
        if broker.broker.title == "Tansu":
            # It names the place after the *first* record of the last batch: too low where a batch holds several.
            assert 1 <= ends[parts[1]] <= 5
        else:
            assert ends[parts[1]] == 5


def test_a_fetch_tells_how_far_the_partition_goes(settings: Settings) -> None:
    fill(settings, 5, partition=3)
    with consuming(settings) as consumer:
        consumer.assign([events(settings, 3)])
        next(consumer)
        assert consumer.highwater(events(settings, 3)) == 5


def test_an_offset_is_found_by_time_of_appending(settings: Settings) -> None:
    fill(settings, 3)
    time.sleep(0.05)  # a time between the two appends is what is asked for below
    between = round(time.time() * 1000)
    time.sleep(0.05)
    with producing(settings) as producer:
        producer.send(settings.topic(Topic.EVENTS), b"late", partition=0, timestamp_ms=1_000).get(20)
    with consuming(settings) as consumer:
        found = consumer.offsets_for_times({events(settings): between})
        assert found[events(settings)].offset == 3


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_aiokafka_reads_what_foreign_producers_compress(settings: Settings, codec: str) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka, "compression.type": codec, "linger.ms": 50})
    for n in range(500):
        producer.produce(settings.topic(Topic.EVENTS), b'{"n": %d}' % n, partition=1)
    assert producer.flush(20) == 0

    async def read() -> list[bytes | None]:
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([events(settings, 1)])
            return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(500)]
        finally:
            await consumer.stop()

    assert asyncio.run(read()) == [b'{"n": %d}' % n for n in range(500)]
