"""What the supervisor and the tests need of an embedded broker."""

from pathlib import Path
from typing import Protocol

from services.local.process import Child, wait_until

START_TIMEOUT_S = 120.0
SESSION_TIMEOUT_S = 2.0
"""Group session that both embedded brokers allow (a cluster's usual minimum is 6 s): a killed worker's partitions move
after it, and Tansu lets every joining member wait for half of it."""


class Broker(Protocol):
    """A broker that runs as one child process and listens on loopback only."""

    title: str
    """What it is, for people."""
    bootstrap: str
    """HOST:PORT, known after `prepare`, the same at every start on one directory."""
    durable: bool
    """Whether records outlive a restart."""

    def prepare(self) -> None:
        """Chooses ports, writes the configuration; formats the storage the first time. Raises WorkFailed."""

    def command(self) -> list[str]:
        """The command that runs it in the foreground, until SIGTERM."""

    def answers(self) -> bool:
        """Whether clients can work with it now. Takes at most a second or so."""


def broker_answers(bootstrap: str) -> bool:
    """Whether a Kafka broker there names itself to clients, i.e. takes part in its cluster."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    from services.local.ports import is_free

    host, port = bootstrap.rsplit(":", 1)
    if is_free(int(port), host):
        return False  # nobody listens yet: spares a client and its warnings
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=1000, request_timeout_ms=1000)
        try:
            return bool(admin.describe_cluster()["brokers"])
        finally:
            admin.close()
    except (KafkaError, AssertionError, OSError):
        return False


def start(broker: Broker, log: Path) -> Child:
    """Prepares and starts a broker and waits until it answers. Raises WorkFailed, leaving nothing behind."""
    broker.prepare()
    child = Child("kafka", broker.command(), log)
    try:
        wait_until(broker.answers, START_TIMEOUT_S, child=child)
    except BaseException:
        child.kill()
        raise
    return child
