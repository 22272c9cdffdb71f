"""The stream part by itself: worker processes, readers of their topics, and what the oracle says must stand there."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.settings import Settings
from schemas.topics import Topic
from services.provision import ensure_topics
from tests.oracles.contacts import clock_slices
from tests.oracles.engine import outcomes
from tests.support.kafka import RunningBroker, fresh_prefix

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
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


class Worker:
    """A worker process that can be killed and started again."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._env = env
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "worker"], cwd=ROOT, env=self._env, stderr=log, stdout=log
            )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0

    def close(self) -> None:
        self.kill()


def fresh_settings(broker: RunningBroker, directory: Path) -> Settings:
    """Settings of an installation of its own, its topics made: `POLICY`, quick checkpoints, a short session."""
    policy = directory / "policy.yaml"
    policy.write_bytes(msgspec.json.encode(POLICY))  # JSON is YAML
    found = Settings(
        kafka=broker.bootstrap,
        topic_prefix=fresh_prefix(),
        partitions=PARTITIONS,
        policy=policy,
        data_dir=directory,
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


class Reader:
    """Reads all of a topic; keeps the values."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=settings.kafka)
        partitions = [TopicPartition(settings.topic(topic), n) for n in range(settings.partitions)]
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


def assert_told_as_the_oracle_says(settings: Settings, events: list[dict[str, Any]], policy: dict[str, Any]) -> None:
    """The newest of every outcome, and of every clock slice by dimension, are those of the slow oracle."""
    now = datetime.now(UTC)
    truth = outcomes(events, policy, now)
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
