"""Real brokers for tests: `start_kafka(directory)`, `start_tansu(directory)`, and a session fixture over each.

In a test module or conftest: `from tests.support.kafka import kafka`, then take `kafka: RunningBroker` as an argument.
A session's broker is shared: give each test topics of its own (`Settings(topic_prefix=fresh_prefix())`).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.local.broker import Broker, start
from services.local.kafka import EmbeddedKafka
from services.local.process import Child
from services.local.tansu import EmbeddedTansu


@dataclass
class RunningBroker:
    """A broker process of a test."""

    broker: Broker
    child: Child
    directory: Path

    @property
    def bootstrap(self) -> str:
        """HOST:PORT; the same after `restart`."""
        return self.broker.bootstrap

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after 10 s."""
        self.child.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()

    def restart(self) -> None:
        """Starts it again on the same directory and port, after `stop` or `kill`."""
        self.child = start(self.broker, self.directory / "broker.log")


def start_kafka(directory: Path) -> RunningBroker:
    """Starts Apache Kafka on `directory` and waits until it answers: 2.5 s on a new directory, else less than 2 s."""
    return _start(EmbeddedKafka(directory), directory)


def start_tansu(directory: Path) -> RunningBroker:
    """Starts Tansu and waits until it answers (well under a second)."""
    return _start(EmbeddedTansu(directory), directory)


def fresh_prefix() -> str:
    """A topic prefix that nobody uses yet."""
    return f"t{uuid.uuid4().hex[:8]}."


def _start(broker: Broker, directory: Path) -> RunningBroker:
    return RunningBroker(broker, start(broker, directory / "broker.log"), directory)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Apache Kafka, shared by the session's tests."""
    running = start_kafka(tmp_path_factory.mktemp("kafka"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Tansu, shared by the session's tests."""
    running = start_tansu(tmp_path_factory.mktemp("tansu"))
    yield running
    running.stop()
