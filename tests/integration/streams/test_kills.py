"""Kafka to outcomes in Kafka while the worker is killed again and again: nothing may be missing, doubled or wrong.

Events come in as three producers bring them: packed by the door, keyed by murmur2 (Java's partitioner, kafka-python's),
and keyed by CRC32 (librdkafka's), so that the events of one case arrive in different partitions. Some come twice, many
out of order, some are rubbish. The newest version of every record must equal an oracle that shares no code with us.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer

from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import Topic
from services.demo.operation import Operation
from tests.support.kafka import RunningBroker
from tests.support.stream import (
    PARTITIONS,
    POLICY,
    Reader,
    Worker,
    assert_told_as_the_oracle_says,
    environment,
    fresh_settings,
    wait_until_done,
)

pytestmark = pytest.mark.slow
KILLS = 3
RUBBISH = [
    b"{",
    b"\xff\xfe",
    b'{"event_id":"x"}',
    b'{"event_id":"u","type":"no.such","occurred_at":"2026-01-01T00:00:00Z"}',
]


@pytest.fixture(params=["kafka", "tansu"])
def broker(request: pytest.FixtureRequest) -> RunningBroker:
    found: RunningBroker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def settings(broker: RunningBroker, tmp_path: Path) -> Settings:
    return fresh_settings(broker, tmp_path)


def history(seed: int) -> list[dict[str, Any]]:
    """A morning of the demo operation ten days ago, in order of delivery (late and repeated events among them)."""
    start = datetime.now(UTC) - timedelta(days=10)
    begin_ms = round(start.timestamp() * 1000)
    operation = Operation(seed, begin_ms, rate=2.0)
    return [dict(event) for event in operation.advance(begin_ms + 3 * 3_600_000)]


def produce(settings: Settings, events: list[dict[str, Any]], seed: int) -> Callable[[], None]:
    """Hands the events to three kinds of producers, bit by bit; returns what sends the next bit."""
    random_ = random.Random(seed)
    topic = settings.topic(Topic.EVENTS)
    java = KafkaProducer(bootstrap_servers=settings.kafka, acks="all", linger_ms=5)
    librdkafka = Producer({"bootstrap.servers": settings.kafka, "linger.ms": 5})
    pending = list(events)
    bit = len(pending) // (KILLS + 1) + 1

    def send_some() -> None:
        now, pending[:] = pending[:bit], pending[bit:]
        random_.shuffle(now)
        packed: dict[int, list[bytes]] = {}
        for event in now:
            line = msgspec.json.encode(event)
            key = event.get("case_id") or event.get("agent_id") or event["event_id"]
            how = random_.randrange(3)
            if how == 0:
                packed.setdefault(partition_of(key, PARTITIONS), []).append(line)
            elif how == 1:
                java.send(topic, value=line, key=key.encode())
            else:
                librdkafka.produce(topic, value=line, key=key.encode())
                librdkafka.poll(0)
        for partition, lines in packed.items():
            for first in range(0, len(lines), 300):
                java.send(topic, value=b"\n".join(lines[first : first + 300]), partition=partition)
        for rubbish in RUBBISH:
            java.send(topic, value=rubbish, partition=random_.randrange(PARTITIONS))
        java.flush()
        librdkafka.flush()

    return send_some


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[Worker]:
    running = Worker(environment(settings), tmp_path / "worker.log")
    yield running
    running.close()


def test_killed_workers_lose_and_double_nothing(settings: Settings, worker: Worker) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)  # shown where the test fails
    random_ = random.Random(seed)
    events = history(seed)
    send_some = produce(settings, events, seed)
    for _ in range(KILLS):
        send_some()
        time.sleep(random_.uniform(3.0, 7.0))
        worker.kill()
        worker.start()
    send_some()
    wait_until_done(settings, 120)
    worker.stop()

    assert_told_as_the_oracle_says(settings, events, POLICY)
    dead = Reader(settings, Topic.DEAD)
    dead.poll()
    letters = {(record.key, record.value) for record in dead.records}
    assert sorted(value for _, value in letters) == sorted(RUBBISH * (KILLS + 1))
    assert all(dict(record.headers)["reason"] for record in dead.records)
