"""Questions to ClickHouse: one lazy, self-healing client; every failure becomes a problem a caller can act on.

Values always travel as server-side parameters (`{name:Type}`). The SQL around them is put together from fixed parts
and from names listed in `schemas`, never from anything a caller sent.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

import aiohttp
import clickhouse_connect
import structlog
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from services.api.kept import Kept
from services.web.problems import Problem

Row: TypeAlias = dict[str, Any]

_log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 35
_MAX_EXECUTION_S = 30
"""A question that takes longer than this is given up: the board asks every second, people lose patience sooner."""

_UNKNOWN_TABLE_CODES = ("code: 60.", "code: 81.")
_TIMEOUT_CODES = ("code: 159.", "code: 160.")


class Questions(Protocol):
    """What answers SQL with rows. `Database` in production; tests may answer otherwise."""

    async def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of a SELECT, each a dictionary by column name."""

    async def rows_kept(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """The same, which may be a moment old."""


class Database:
    """ClickHouse over HTTP. Connects at the first question and again after a failure; safe for many tasks of a loop."""

    def __init__(self, url: str, keep_s: float = 0.0) -> None:
        """`url` is http[s]://user:password@host:port/database. Does not connect yet. `keep_s`: how old an answer of
        `rows_kept` may be."""
        self._url = url
        self._kept: Kept[list[Row]] = Kept(keep_s)
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of a SELECT. Raises Problem 503 where ClickHouse is away, not migrated or too slow."""
        try:
            client = await self._connected()
            result = await client.query(sql, parameters=dict(parameters or {}))
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _problem(error) from error
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    async def rows_kept(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """As `rows`; the same question within `keep_s` gets the same answer. For what many questions begin with."""
        return await self._kept.get((sql, *sorted(parameters.items())), lambda: self.rows(sql, parameters))

    async def close(self) -> None:
        """Closes the connections. A later question would open new ones."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(ClickHouseError, aiohttp.ClientError, OSError):
                await client.close()

    async def _connected(self) -> AsyncClient:
        if self._client is None:
            async with self._connecting:
                if self._client is None:
                    self._client = await clickhouse_connect.get_async_client(
                        dsn=self._url,
                        connect_timeout=_CONNECT_TIMEOUT_S,
                        send_receive_timeout=_READ_TIMEOUT_S,
                        settings={"max_execution_time": _MAX_EXECUTION_S},
                        client_name="contactpulse-api",
                    )
        return self._client


def _problem(error: Exception) -> Problem:
    """What to tell the caller. Never the error's own text: it may quote the URL, and with it a password."""
    said = str(error).lower()
    if isinstance(error, DatabaseError) and any(code in said for code in _UNKNOWN_TABLE_CODES):
        return _unavailable("the ClickHouse migrations have not been applied yet")
    if isinstance(error, DatabaseError) and any(code in said for code in _TIMEOUT_CODES):
        return _unavailable(f"ClickHouse took longer than {_MAX_EXECUTION_S} s; ask for a shorter range")
    _log.warning("clickhouse does not answer", error=type(error).__name__)
    return _unavailable("ClickHouse does not answer")


def _unavailable(detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})
