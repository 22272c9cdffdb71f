"""What is left after SIGKILL of a member, and of the broker."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import Topic
from services.local.broker import SESSION_TIMEOUT_S
from services.provision import ensure_topics
from tests.support.kafka import RunningBroker, start_kafka, start_tansu

MEMBER = Path(__file__).with_name("member.py")
SESSION_MS = round(SESSION_TIMEOUT_S * 1000)


@contextmanager
def member(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    arguments = [settings.kafka, settings.topic(Topic.EVENTS), settings.topic("workers"), str(SESSION_MS)]
    process = subprocess.Popen([sys.executable, str(MEMBER), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def offset_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def send(settings: Settings, values: list[bytes]) -> None:
    with closing(KafkaProducer(bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True)) as producer:
        for future in [producer.send(settings.topic(Topic.EVENTS), value, partition=0) for value in values]:
            future.get(20)


def test_a_killed_members_successor_goes_on_at_its_commit(settings: Settings) -> None:
    send(settings, [b"%d" % n for n in range(3)])
    with member(settings) as first:
        assert [offset_of(first) for _ in range(3)] == [0, 1, 2]
        first.kill()
    send(settings, [b"3"])
    killed_at = time.monotonic()
    with member(settings) as second:
        assert offset_of(second) == 3
    # Apache Kafka takes the session's 2 s, Tansu three times as long; the rest is for a busy machine.
    assert time.monotonic() - killed_at < 20


def test_kafka_comes_back_after_sigkill_with_its_records_commits_and_port(tmp_path: Path) -> None:
    running = start_kafka(tmp_path)
    try:
        settings = Settings(kafka=running.bootstrap, partitions=2)
        ensure_topics(settings)
        send(settings, [b"%d" % n for n in range(100)])
        part = TopicPartition(settings.topic(Topic.EVENTS), 0)
        with closing(KafkaConsumer(bootstrap_servers=settings.kafka, group_id="g")) as consumer:
            consumer.assign([part])
            consumer.commit({part: OffsetAndMetadata(42, "", -1)})
        running.kill()
        running.restart()
        assert running.bootstrap == settings.kafka
        send(settings, [b"after"])
        with closing(KafkaConsumer(bootstrap_servers=settings.kafka, group_id="g")) as consumer:
            consumer.assign([part])
            assert consumer.committed(part) == 42
            consumer.seek(part, 0)
            values = [next(consumer).value for _ in range(101)]
        assert values == [b"%d" % n for n in range(100)] + [b"after"]
    finally:
        running.stop()


def test_tansu_forgets(tmp_path: Path) -> None:
    running = start_tansu(tmp_path)
    try:
        settings = Settings(kafka=running.bootstrap, partitions=2)
        ensure_topics(settings)
        running.stop()
        running.restart()
        with closing(KafkaAdminClient(bootstrap_servers=settings.kafka)) as admin:
            assert admin.list_topics() == []
    finally:
        running.stop()


def test_kafka_makes_no_topic_by_itself(kafka: RunningBroker) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, max_block_ms=500)
    with closing(producer), pytest.raises(KafkaError):
        producer.send("never.declared", b"x").get(2)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap)) as admin:
        assert "never.declared" not in admin.list_topics()
