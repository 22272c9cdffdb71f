"""What the ClickHouse contract tests call a server and a way to it."""

from collections.abc import Callable
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

BODY_BYTES = 64 * 1024 * 1024
"""The embedded server of the contract tests takes bodies up to this size."""

Connect = Callable[..., Client]
"""Makes a client of the test's own database; takes the options of clickhouse_connect.get_client."""


@dataclass(frozen=True)
class Server:
    """Where a server listens and as whom to ask."""

    host: str
    port: int
    user: str
    password: str
