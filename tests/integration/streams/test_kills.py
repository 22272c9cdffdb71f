"""Kafka to outcomes in Kafka while the worker is killed again and again: nothing may be missing, doubled or wrong.

Events come in as three producers bring them: packed by the door, keyed by murmur2 (Java's partitioner, kafka-python's),
and keyed by CRC32 (librdkafka's), so that the events of one case arrive in different partitions. Some come twice, many
out of order, some are rubbish. The newest version of every record must equal an oracle that shares no code with us.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import Topic
from services.demo.operation import Operation
from services.provision import ensure_topics
from tests.oracles.contacts import clock_slices
from tests.oracles.engine import outcomes
from tests.support.kafka import RunningBroker, fresh_prefix, kafka, tansu  # noqa: F401

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PARTITIONS = 4
KILLS = 3
RUBBISH = [
    b"{",
    b"\xff\xfe",
    b'{"event_id":"x"}',
    b'{"event_id":"u","type":"no.such","occurred_at":"2026-01-01T00:00:00Z"}',
]
POLICY = {
    "version": 1,
    "policies": [
        {
            "name": "urgent",
            "match": {"priority": ["L1"]},
            "clocks": {
                "connect": {"target": "2m"},
                "first_response": {"target": "5m"},
                "next_response": {"target": "2m"},
                "resolution": {"target": "30m", "pause_on": ["customer"]},
            },
        },
        {
            "name": "rest",
            "clocks": {
                "connect": {"target": "20s"},
                "first_response": {"target": "3m"},
                "next_response": {"target": "3m"},
                "bot_response": {"target": "5s"},
                "resolution": {"target": "1h", "pause_on": ["customer", "third_party"]},
            },
        },
    ],
}


@pytest.fixture(params=["kafka", "tansu"])
def broker(request: pytest.FixtureRequest) -> RunningBroker:
    found: RunningBroker = request.getfixturevalue(request.param)
    return found


class Worker:
    """A worker process that can be killed and started again."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._env = env
        self._log = log.open("ab")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "worker"],
            cwd=ROOT,
            env=self._env,
            stderr=self._log,
            stdout=self._log,
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0

    def close(self) -> None:
        self.kill()
        self._log.close()


@pytest.fixture
def settings(broker: RunningBroker, tmp_path: Path) -> Settings:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(msgspec.json.encode(POLICY))  # JSON is YAML
    found = Settings(
        kafka=broker.bootstrap,
        topic_prefix=fresh_prefix(),
        partitions=PARTITIONS,
        policy=policy,
        data_dir=tmp_path,
        session_timeout_s=2,
        checkpoint_s=1,
    )
    ensure_topics(found)
    return found


def environment(settings: Settings) -> dict[str, str]:
    values = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "PARTITIONS": settings.partitions,
        "POLICY": settings.policy,
        "DATA_DIR": settings.data_dir,
        "SESSION_TIMEOUT_S": settings.session_timeout_s,
        "CHECKPOINT_S": settings.checkpoint_s,
    }
    return os.environ | {f"CONTACTPULSE_{name}": str(value) for name, value in values.items()}


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


class Reader:
    """Reads all of a topic; keeps the values."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=settings.kafka)
        partitions = [TopicPartition(settings.topic(topic), n) for n in range(PARTITIONS)]
        self._partitions = partitions
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning()
        self.records: list[Any] = []

    def poll(self) -> list[Any]:
        """What has come since, after it was added to `records`."""
        fresh: list[Any] = []
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(tp) < self._end(tp, end) for tp, end in ends.items()):
            batch = self._consumer.poll(timeout_ms=250)
            fresh += [record for records in batch.values() for record in records]
        self.records += fresh
        return fresh

    def _end(self, tp: TopicPartition, asked: int) -> int:
        """Tansu, asked for the end, tells the first offset of the last batch, plus one; with what it hands over, the
        true end."""
        return max(asked, self._consumer.highwater(tp) or 0)


def wait_until_done(settings: Settings, timeout: float) -> None:
    """Until every partition's newest watermark stands at the last record of its source partition, twice in a row."""
    marks, sources = Reader(settings, Topic.WATERMARKS), Reader(settings, Topic.EVENTS)
    newest: dict[int, tuple[int, int]] = {}
    last: dict[int, int] = {}
    quiet = 0
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for record in sources.poll():
            last[record.partition] = max(record.offset, last.get(record.partition, -1))
        for record in marks.poll():
            mark = msgspec.json.decode(record.value)
            newest[mark["partition"]] = max(
                newest.get(mark["partition"], (-1, -1)), (mark["version"], mark["position"])
            )
        done = all(newest.get(n, (-1, -1))[1] >= offset for n, offset in last.items())
        quiet = quiet + 1 if done else 0
        # What a worker passed on to another partition was there before its watermark, so the next look saw it.
        if quiet >= 2:
            return
        time.sleep(0.25)
    pytest.fail(f"not done after {timeout} s: sources end at {last}, watermarks are {newest}")


def newest_outcomes(settings: Settings) -> dict[tuple[str, str, int], dict[str, Any]]:
    reader = Reader(settings, Topic.OUTCOMES)
    reader.poll()
    newest: dict[tuple[str, str, int], dict[str, Any]] = {}
    for record in reader.records:
        for line in record.value.split(b"\n"):
            row = msgspec.json.decode(line)
            key = (row["case_id"], row["clock"], row["seq"])
            if key not in newest or newest[key]["version"] <= row["version"]:
                newest[key] = row
    return {key: row for key, row in newest.items() if not row["withdrawn"]}


DIMENSIONS = ("channel", "team", "agent_id", "priority", "customer_tier", "category", "queue")
COUNTS = ("met", "breached", "cancelled", "stopped", "elapsed_ms")


def newest_slices(settings: Settings) -> dict[tuple[Any, ...], dict[str, int]]:
    """Clock slices: newest of each source partition and generation, added up; without those that are all zero."""
    reader = Reader(settings, Topic.ROLLUPS)
    reader.poll()
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in reader.records:
        if record.key != b"clock":
            continue
        for line in record.value.split(b"\n"):
            row = msgspec.json.decode(line)
            names = ("slice", "clock", *DIMENSIONS, "partition", "generation")
            key = tuple(row[name] for name in names)
            if key not in newest or newest[key]["version"] <= row["version"]:
                newest[key] = row
    sums: dict[tuple[Any, ...], dict[str, int]] = {}
    for key, row in newest.items():
        cell = sums.setdefault(key[:-2], dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            cell[name] += row[name]
    return {key: cell for key, cell in sums.items() if any(cell.values())}


def versions_of(settings: Settings, keys: set[tuple[Any, ...]]) -> list[Any]:
    """All that was ever told of some clock slices: where it stands, and what it says."""
    reader = Reader(settings, Topic.ROLLUPS)
    reader.poll()
    return [
        (record.partition, record.offset, record.timestamp, row)
        for record in reader.records
        if record.key == b"clock"
        for row in map(msgspec.json.decode, record.value.split(b"\n"))
        if tuple(row[name] for name in ("slice", "clock", *DIMENSIONS)) in keys
    ]


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

    now = datetime.now(UTC)
    truth = outcomes(events, POLICY, now)
    expected = {(r["case_id"], r["clock"], r["seq"]): r for r in truth}
    told = newest_outcomes(settings)
    assert told.keys() == expected.keys()
    for key, record in expected.items():
        # What a clock that still runs has elapsed depends on when it was last told.
        names = [name for name in record if name != "elapsed_s" or record["stopped_at"]]
        assert {name: told[key][name] for name in names} == {name: record[name] for name in names}
    slices, right = newest_slices(settings), clock_slices(truth)
    differing = {key for key in slices.keys() | right.keys() if slices.get(key) != right.get(key)}
    assert not differing, (len(differing), len(right), versions_of(settings, set(sorted(differing, key=repr)[:5])))

    dead = Reader(settings, Topic.DEAD)
    dead.poll()
    letters = {(record.key, record.value) for record in dead.records}
    assert sorted(value for _, value in letters) == sorted(RUBBISH * (KILLS + 1))
    assert all(dict(record.headers)["reason"] for record in dead.records)
