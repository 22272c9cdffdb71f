"""A ClickHouse for the contract tests: the embedded one, or any server named by CONTACTPULSE_TEST_CLICKHOUSE.

The variable holds a URL (http://user:password@host:port) of a user that may create databases. Tests that need a server
process of their own, or the read-only user, run against the embedded one only.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse import ClickHouseHandle, start_clickhouse
from tests.support.clickhouse_server import BODY_BYTES, Connect, Server

EXTERNAL = os.environ.get("CONTACTPULSE_TEST_CLICKHOUSE", "")


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHandle]:
    """The embedded server as a process."""
    if EXTERNAL:
        pytest.skip("needs the embedded server")
    handle = start_clickhouse(tmp_path_factory.mktemp("clickhouse") / "data", body_bytes=BODY_BYTES)
    yield handle
    assert handle.stop() == 0
    assert "Traceback" not in handle.log.read_text(), "the server met a bug; its log says which"


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """The server of the contract tests."""
    url = urlsplit(EXTERNAL or request.getfixturevalue("embedded").url)
    return Server(url.hostname or "127.0.0.1", url.port or 8123, url.username or "default", url.password or "")


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    """Makes clients of a database of this test's own."""
    database = f"t_{uuid.uuid4().hex[:12]}"
    clients: list[Client] = []

    def make(**options: object) -> Client:
        settings: dict[str, object] = {
            "host": server.host,
            "port": server.port,
            "username": server.user,
            "password": server.password,
            "database": database,
        }
        client = clickhouse_connect.get_client(**(settings | options))  # type: ignore[arg-type]
        clients.append(client)
        return client

    admin = make(database="default")
    admin.command(f"CREATE DATABASE {database}")
    yield make
    admin.command(f"DROP DATABASE {database} SYNC")
    for client in clients:
        with suppress(Exception):
            client.close()


@pytest.fixture
def client(connect: Connect) -> Client:
    """A client of this test's database."""
    return connect()
