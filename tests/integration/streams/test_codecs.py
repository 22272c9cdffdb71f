"""A worker reads what producers compress, whichever codec they choose."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer

from schemas.settings import Settings
from schemas.topics import Topic
from services.provision import ensure_topics
from tests.integration.streams.test_kills import Worker, environment, newest_outcomes, wait_until_done
from tests.support.kafka import RunningBroker, fresh_prefix, kafka

__all__ = ["kafka"]

pytestmark = pytest.mark.slow

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def opened(case_id: str) -> bytes:
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    event = {"event_id": "e", "type": "contact.opened", "occurred_at": at, "case_id": case_id, "channel": "chat"}
    # Batches that do not shrink leave the producer uncompressed.
    return msgspec.json.encode(event | {"note": "x" * 2000})


def test_a_worker_reads_every_codec(kafka: RunningBroker, tmp_path: Path) -> None:
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
    java.send(topic, opened("java"), key=b"java").get(30)
    java.close()
    worker = Worker(environment(settings), tmp_path / "worker.log")
    try:
        wait_until_done(settings, 90)
        worker.stop()
    finally:
        worker.close()
    assert {case for case, _, _ in newest_outcomes(settings)} == {*CODECS, "java"}
