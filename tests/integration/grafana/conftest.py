"""A migrated ClickHouse with two hours of rows, the API over it, and the boards' queries asked as Grafana asks them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from pydantic import SecretStr

from schemas.settings import Settings
from services.api.app import create_app
from services.store.clickhouse import Tables
from services.store.migrations import migrate
from tests.integration.grafana.plugin import Row, Value, View
from tests.integration.grafana.traffic import FIRST, NOW, Traffic, traffic
from tests.support.clickhouse import ROOT, ClickHouseHandle, start_clickhouse

BOARDS = ROOT / "grafana" / "boards"
KEY = "test-key"


@dataclass(frozen=True)
class World:
    """What was inserted, who reads it as Grafana does, and the API."""

    traffic: Traffic
    grafana: Client
    http: TestClient

    def ask(self, sql: str, *, step_s: int = 300, to_ms: int = NOW, **chosen: Value) -> list[Row]:
        """The rows of a panel's or variable's query; variables that are not `chosen` say what they say at first."""
        expanded = View(FIRST, to_ms, step_s, defaults() | chosen).expand(sql)
        return [*self.grafana.query(expanded).named_results()]

    def api(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The API's answer over the same range: whole minutes, up to the end of the one that has begun."""
        asked = {"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T10:21:00Z"} | parameters
        answer = self.http.get(path, params=asked, headers={"X-API-Key": KEY})
        assert answer.status_code == 200, answer.text
        decoded: dict[str, Any] = answer.json()
        return decoded


def board(name: str) -> dict[str, Any]:
    """A committed board."""
    found: dict[str, Any] = json.loads((BOARDS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panels(name: str) -> list[dict[str, Any]]:
    """The panels of a board that show something."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def query_of(name: str, title: str) -> str:
    """The query of the panel with a title."""
    [sql] = [panel["targets"][0]["rawSql"] for panel in panels(name) if panel["title"] == title]
    assert isinstance(sql, str)
    return sql


def defaults() -> Mapping[str, Value]:
    """What the variables of both boards say at first."""
    return {
        variable["name"]: variable["current"]["value"]
        for name in ("operations", "sla")
        for variable in board(name)["templating"]["list"]
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHandle]:
    handle = start_clickhouse(Path(tmp_path_factory.mktemp("grafana")) / "clickhouse")
    yield handle
    handle.stop()


@pytest.fixture(scope="session")
def world(server: ClickHouseHandle) -> Iterator[World]:
    settings = Settings(clickhouse=SecretStr(server.url), api_key=SecretStr(KEY), partitions=2)
    migrate(settings)
    generated = traffic(seed=20260302)
    tables = Tables(settings)
    full = clickhouse_connect.get_client(dsn=server.url)
    for table in generated.tables:
        # Older versions stay beside newer ones, as they do for a while in production.
        full.command(f"SYSTEM STOP MERGES {table}")
        for block in generated.ndjson(table):
            tables.insert(table, block)
    full.close()
    tables.close()
    grafana = clickhouse_connect.get_client(dsn=server.grafana_url)
    with TestClient(create_app(settings, loopback=False, now=lambda: NOW)) as http:
        yield World(generated, grafana, http)
    grafana.close()
