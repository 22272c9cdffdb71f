"""A real ClickHouse, an empty migrated database for each test, and the API reading it at a moment the test chooses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from pydantic import SecretStr

from schemas.settings import Settings
from schemas.times import parse
from services.api.app import create_app
from services.store.migrations import migrate
from tests.support.clickhouse import start_clickhouse

KEY = "test-key"
NOW = parse("2026-03-02T10:20:30.500Z")
"""The present in most tests: in the middle of a minute."""


@dataclass(slots=True)
class Warehouse:
    """One migrated database."""

    settings: Settings
    client: Client

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Inserts rows that all name the same columns."""
        if rows:
            names = list(rows[0])
            # Identical blocks in different tests must not be taken for a producer's retry.
            settings = {"insert_deduplicate": 0}
            self.client.insert(table, [[row[name] for name in names] for row in rows], names, settings=settings)


@dataclass(slots=True)
class Api:
    """The API over one database; `now_ms` may be changed by the test."""

    client: TestClient
    now_ms: int = NOW

    def get(self, path: str, status: int = 200, /, **parameters: Any) -> dict[str, Any]:
        """The decoded answer to a GET with the key; asserts its status. `from_` is sent as `from`."""
        sent = {name.rstrip("_"): value for name, value in parameters.items()}
        answer = self.client.get(path, params=sent, headers={"X-API-Key": KEY})
        assert answer.status_code == status, answer.text
        decoded: dict[str, Any] = answer.json()
        return decoded


@pytest.fixture(scope="session")
def clickhouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = start_clickhouse(Path(tmp_path_factory.mktemp("api")) / "clickhouse")
    yield server.url
    server.stop()


@pytest.fixture
def make_warehouse(clickhouse_url: str) -> Iterator[Callable[[], Warehouse]]:
    clients: list[Client] = []

    def make() -> Warehouse:
        url = f"{clickhouse_url.rpartition('/')[0]}/api_{uuid4().hex[:12]}"
        settings = Settings(clickhouse=SecretStr(url), api_key=SecretStr(KEY), partitions=2)
        migrate(settings)
        clients.append(clickhouse_connect.get_client(dsn=url))
        # The tests' present is a day of their own, which may be long past.
        for table in ("outcome_history", "contact_slice_history", "clock_slice_history", "case_history", "sources"):
            clients[-1].command(f"ALTER TABLE {table} REMOVE TTL")
        return Warehouse(settings, clients[-1])

    yield make
    for client in clients:
        client.command(f"DROP DATABASE {client.database}")
        client.close()


@pytest.fixture
def warehouse(make_warehouse: Callable[[], Warehouse]) -> Warehouse:
    return make_warehouse()


@pytest.fixture
def api(warehouse: Warehouse) -> Iterator[Api]:
    made: Api
    app = create_app(warehouse.settings, loopback=False, now=lambda: made.now_ms, fresh_s=0.0)
    with TestClient(app) as client:
        made = Api(client)
        yield made
