"""Runs what a request asks for and makes the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from services.clickhouse.bodies import encoded
from services.clickhouse.connection import EngineConnection, Result
from services.clickhouse.engine import Engine, Reading
from services.clickhouse.errors import BAD_ARGUMENTS, QueryError
from services.clickhouse.guard import Kind, check
from services.clickhouse.native import FLAGGED_PROTOCOL, with_protocol
from services.clickhouse.request import Request
from services.clickhouse.sql import output_format, quote_name, read_insert

_CONTENT_TYPES = {
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "HTML": "text/html; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONStringsEachRow": "application/x-ndjson; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "TSVWithNames": "text/tab-separated-values; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
}
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, headers without those of the connection, body."""

    status: int
    headers: Mapping[str, str]
    body: memoryview | bytes
    owner: object = None
    """What the body lies in."""


def answer(
    engine: Engine,
    request: Request,
    body: list[bytes],
    files: Mapping[str, bytes],
    accept: str,
    *,
    reading: Reading,
    may_write: bool,
) -> Answer:
    """Run the request's statement. Raises QueryError where it is refused or fails."""
    with engine.lend(request.place) as connection:
        result, shape = _run(engine, connection, request, body, files, reading, may_write)
    if request.close_session:
        engine.sessions.end(request.place)
    if shape == "Native" and request.protocol >= FLAGGED_PROTOCOL and result.data:
        result = with_protocol(result)
    data, encoding = encoded(result.data, accept) if request.compress else (result.data, None)
    headers = {
        "Content-Type": _CONTENT_TYPES.get(
            shape, "text/plain; charset=UTF-8" if not data else "application/octet-stream"
        ),
        "X-ClickHouse-Query-Id": request.query_id,
        "X-ClickHouse-Format": shape,
        "X-ClickHouse-Timezone": request.place.settings.get("session_timezone") or "UTC",
        "X-ClickHouse-Summary": _summary(result),
    }
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return Answer(200, headers, data, result.owner)


def _run(
    engine: Engine,
    connection: EngineConnection,
    request: Request,
    body: list[bytes],
    files: Mapping[str, bytes],
    reading: Reading,
    may_write: bool,
) -> tuple[Result, str]:
    user = request.place.user
    inserted = _insert_of(request.query, body)
    if inserted is not None:
        statement, shape, chunks = inserted
        check(connection, statement, user, may_write=may_write)
        return engine.insert(connection, statement, shape, chunks, request.params), request.default_format
    text = b"\n".join(part for part in (request.query, b"".join(body)) if part)
    if not text.strip():
        raise QueryError(BAD_ARGUMENTS, "Empty query")
    kind = check(connection, text, user, may_write=may_write)
    shape = output_format(text) or request.default_format
    if kind is Kind.READS:
        with _External(engine, connection, request.external, files):
            return engine.run(connection, text, request.default_format, request.params, reading), shape
    connection.has_state = connection.has_state or kind is Kind.LEAVES_STATE
    return engine.change(connection, text, request.default_format, request.params), shape


def _insert_of(query: bytes, body: list[bytes]) -> tuple[bytes, str, list[bytes]] | None:
    """Statement, format and data where the request is an INSERT with data in a format; big bodies are not copied."""
    if query:
        found = read_insert(query)
        if found is not None:
            rest = query[found.data :]
            return found.statement, found.format, [rest, *body] if rest else body
        return None
    if not body:
        return None
    found = read_insert(body[0][:_HEAD_BYTES])
    if found is None:
        return None
    rest = body[0][found.data :]
    return found.statement, found.format, [rest, *body[1:]] if rest else body[1:]


class _External:
    """Tables sent along with a query, there while it runs."""

    def __init__(
        self, engine: Engine, connection: EngineConnection, described: Mapping[str, str], files: Mapping[str, bytes]
    ) -> None:
        self._engine = engine
        self._connection = connection
        self._described = described
        self._files = files
        self._made: list[str] = []

    def __enter__(self) -> None:
        for name, content in self._files.items():
            structure = self._described.get(f"{name}_structure") or _numbered(self._described.get(f"{name}_types", ""))
            if not structure:
                raise QueryError(
                    BAD_ARGUMENTS, f"External table {name}: neither {name}_structure nor {name}_types given"
                )
            self._connection.has_state = True
            self._connection.execute(f"CREATE TEMPORARY TABLE {quote_name(name)} ({structure}) ENGINE = Memory")
            self._made.append(name)
            shape = self._described.get(f"{name}_format") or "TabSeparated"
            self._engine.insert(self._connection, f"INSERT INTO {quote_name(name)}".encode(), shape, [content], {})

    def __exit__(self, *_: object) -> None:
        for name in self._made:
            self._connection.execute(f"DROP TEMPORARY TABLE IF EXISTS {quote_name(name)}")


def _numbered(types: str) -> str:
    return ", ".join(f"_{number} {kind.strip()}" for number, kind in enumerate(types.split(","), 1)) if types else ""


def _summary(result: Result) -> str:
    # Strings, as the server writes them: JSON numbers above 2^53 would lose digits in some clients.
    counts = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "total_rows_to_read": result.read_rows,
        "result_rows": result.result_rows,
        "result_bytes": len(result.data),
        "elapsed_ns": result.elapsed_ns,
    }
    return json.dumps({name: str(count) for name, count in counts.items()}, separators=(",", ":"))
