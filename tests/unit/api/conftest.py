"""The API without a database behind it: for everything that is decided before one is asked."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from schemas.settings import Settings
from services.api.app import create_app

KEY = "unit-key"


def nowhere(loopback: bool = False) -> FastAPI:
    """An application whose ClickHouse does not exist: nothing listens on the discard port."""
    away = SecretStr("http://someone:hush@127.0.0.1:9/db")
    return create_app(Settings(clickhouse=away, api_key=SecretStr(KEY)), loopback=loopback)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(nowhere(), headers={"X-API-Key": KEY}) as client:
        yield client
