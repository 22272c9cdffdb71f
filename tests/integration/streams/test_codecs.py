"""A worker reads what producers compress, whichever codec they choose, and passes over what nobody can decode."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.settings import Settings
from schemas.topics import Topic
from services.provision import ensure_topics
from tests.support.kafka import RunningBroker, fresh_prefix
from tests.support.product import wait_for
from tests.support.stream import Reader, Worker, environment, newest_outcomes

pytestmark = pytest.mark.slow

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def opened(case_id: str) -> bytes:
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    event = {"event_id": "e", "type": "contact.opened", "occurred_at": at, "case_id": case_id, "channel": "chat"}
    # Batches that do not shrink leave the producer uncompressed.
    return msgspec.json.encode(event | {"note": "x" * 2000})


class NotUtf8(str):
    """The name of a header as a client may send it that thinks in another encoding."""

    def encode(self, *_: Any) -> bytes:
        return b"caf\xe9"


def in_vain(producer: KafkaProducer, topic: str) -> None:
    """A record that the broker takes and no client here can decode, in every partition."""
    for partition in range(4):
        value, header = opened(f"lost-{partition}"), (NotUtf8("x"), b"y")
        producer.send(topic, value, headers=[header], partition=partition).get(30)


def ends(settings: Settings) -> dict[int, int]:
    """The last offset of each partition of events."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka)
    found = consumer.end_offsets([TopicPartition(settings.topic(Topic.EVENTS), n) for n in range(4)])
    consumer.close()
    return {tp.partition: end - 1 for tp, end in found.items()}


def positions(settings: Settings) -> dict[int, int]:
    """The furthest position that a watermark of each partition tells."""
    marks = [msgspec.json.decode(record.value) for record in Reader(settings, Topic.WATERMARKS).poll()]
    return {n: max((m["position"] for m in marks if m["partition"] == n), default=-1) for n in range(4)}


def test_a_worker_reads_every_codec_and_passes_over_what_it_cannot_decode(kafka: RunningBroker, tmp_path: Path) -> None:
    settings = Settings(
        kafka=kafka.bootstrap,
        topic_prefix=fresh_prefix(),
        partitions=4,
        policy=Path("schemas/default_policy.yaml").resolve(),
        data_dir=tmp_path,
        session_timeout_s=2,
        checkpoint_s=1,
    )
    ensure_topics(settings)
    topic = settings.topic(Topic.EVENTS)
    for codec in CODECS:
        producer = Producer({"bootstrap.servers": settings.kafka, "compression.type": codec})
        producer.produce(topic, opened(codec), key=codec.encode())
        assert producer.flush(30) == 0
    java = KafkaProducer(bootstrap_servers=settings.kafka, compression_type="snappy")  # in xerial's blocks
    in_vain(java, topic)
    java.send(topic, opened("java"), key=b"java").get(30)
    in_vain(java, topic)  # the last of a partition too: nothing behind it may be waited for
    java.close()
    worker = Worker(environment(settings), tmp_path / "worker.log")
    try:
        wait_for(lambda: positions(settings) == ends(settings), 90, "all to be read")
        assert worker.process.poll() is None
        worker.stop()
    finally:
        worker.close()
    assert {case for case, _, _ in newest_outcomes(settings)} == {*CODECS, "java"}
    assert (tmp_path / "worker.log").read_text().count("records that cannot be decoded are passed over") == 8
