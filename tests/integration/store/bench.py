"""What the store's tests work with: a ClickHouse to kill, topics and a database of one's own, store processes."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import RetriableError

from schemas.settings import Settings
from schemas.topics import Topic
from tests.support.clickhouse import ClickHouseHandle, start_clickhouse

ROOT = Path(__file__).parents[3]
RUN = "from schemas.settings import Settings; from services.store.main import run; run(Settings())"


class ClickHouse:
    """A ClickHouse that a test may kill and start again on the same directory and port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: ClickHouseHandle = start_clickhouse(directory)

    @property
    def url(self) -> str:
        """The URL of its database."""
        return self._handle.url

    def signal(self, number: int) -> None:
        """Send a signal to its process."""
        self._handle.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        self._handle.kill()

    def restart(self) -> None:
        """Start it again after `kill`, and wait until it answers."""
        self._handle = start_clickhouse(self._directory, port=self._handle.port)

    def stop(self) -> None:
        """SIGTERM."""
        self._handle.stop()


@dataclass
class Bench:
    """One test's topics, database and store processes."""

    settings: Settings
    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _producer: KafkaProducer | None = None
    _client: Client | None = None

    def start(self, code: str = RUN) -> subprocess.Popen[bytes]:
        """A store process with these settings; `code` may do more than run it."""
        values = {
            "KAFKA": self.settings.kafka,
            "TOPIC_PREFIX": self.settings.topic_prefix,
            "PARTITIONS": str(self.settings.partitions),
            "CLICKHOUSE": self.settings.clickhouse.get_secret_value(),
            "SESSION_TIMEOUT_S": str(self.settings.session_timeout_s),
            "STORE_FLUSH_S": str(self.settings.store_flush_s),
            "EVENTS_RETENTION_DAYS": str(self.settings.events_retention_days),
            "SLICES_RETENTION_DAYS": str(self.settings.slices_retention_days),
        }
        env = os.environ | {f"CONTACTPULSE_{name}": value for name, value in values.items()}
        with self.log.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-c", code], env=env, cwd=ROOT, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    @property
    def producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(bootstrap_servers=self.settings.kafka, reconnect_backoff_max_ms=500)
        return self._producer

    def send(self, topic: Topic, value: bytes, key: bytes | None = None, partition: int = 0) -> int:
        """Appends one record and waits for the broker; returns its offset."""
        future = self.producer.send(self.settings.topic(topic), value, key=key, partition=partition)
        return int(future.get(timeout=60).offset)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query in the test's database; none while there is no server or no table."""
        try:
            if self._client is None:
                url = self.settings.clickhouse.get_secret_value()
                self._client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
            return [tuple(row) for row in self._client.query(sql).result_rows]
        except Error:
            return []

    def command(self, sql: str) -> None:
        """Changes the test's database."""
        assert self._client is not None
        self._client.command(sql)

    def dead_letters(self) -> list[Any]:
        """Everything in the dead-letter topic."""
        consumer = KafkaConsumer(bootstrap_servers=self.settings.kafka, auto_offset_reset="earliest")
        topic = self.settings.topic(Topic.DEAD)
        partitions = [TopicPartition(topic, number) for number in range(self.settings.partitions)]
        consumer.assign(partitions)
        left = sum(consumer.end_offsets(partitions).values())
        letters: list[Any] = []
        while len(letters) < left:
            for records in consumer.poll(timeout_ms=500).values():
                letters += records
        consumer.close()
        return letters

    def committed(self, topic: Topic) -> dict[int, int]:
        """The store's committed offset of each partition of a topic that has one."""
        admin = KafkaAdminClient(bootstrap_servers=self.settings.kafka)
        try:
            group = f"{self.settings.topic_prefix}contactpulse-store"
            until(lambda: _has_coordinator(admin, group))
            offsets = admin.list_group_offsets(group)[group]
        finally:
            admin.close()
        name = self.settings.topic(topic)
        return {at.partition: committed.offset for at, committed in offsets.items() if at.topic == name}

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        if self._producer is not None:
            self._producer.close(timeout=1)


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Waits until the condition holds; fails with its source line after the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s"
        time.sleep(0.05)


def _has_coordinator(admin: KafkaAdminClient, group: str) -> bool:
    """Whether offsets can be asked for: a broker makes the topic that holds them when it is first needed, and needs a
    moment to take it over after a restart."""
    try:
        admin.list_group_offsets(group)
    except RetriableError:
        return False
    return True


def stop(process: subprocess.Popen[bytes], timeout_s: float = 3.0) -> int:
    """Asks a process to stop; returns its exit code. Fails where it takes longer than the store may."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout_s)


MakeBench = Callable[[], Bench]


def fresh_url(clickhouse: ClickHouse) -> str:
    """The URL of a database that does not exist yet."""
    return urlsplit(clickhouse.url)._replace(path=f"/t{uuid.uuid4().hex[:8]}").geturl()
