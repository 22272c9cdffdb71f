"""The engine: connections to one data directory, lent to statements."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from schemas.errors import InputError, WorkFailed
from services.clickhouse.config import Limits, write_engine_config
from services.clickhouse.connection import EngineConnection, Result
from services.clickhouse.errors import QUERY_WAS_CANCELLED, TOO_MANY_QUERIES, QueryError
from services.clickhouse.native import native_header
from services.clickhouse.place import Place
from services.clickhouse.sessions import Sessions
from services.clickhouse.sql import first_word, quote, quote_name, without_format
from services.clickhouse.sql import output_format as wanted_format
from services.clickhouse.users import FULL_USER, User

_POOLED = 16
_SELF = Place(User(FULL_USER, read_only=False))


class Reading:
    """A statement that only reads, as `Engine.cancel` finds it again."""

    def __init__(self) -> None:
        self.mark = f"/*read-{uuid.uuid4().hex}*/"
        self.cancelled = False


class Engine:
    """chDB on one directory.

    Connections are sessions inside the engine and run beside each other, so a long SELECT holds up nobody. They are
    kept and lent again, which saves their set-up and most of the SETs; one that a statement left something behind in
    (SET, USE, a temporary table outside a session) is closed instead.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open `path` (made if missing). Raises InputError for a path chDB cannot take, else WorkFailed."""
        if "?" in str(path):
            raise InputError(f"{path}: a ClickHouse data directory cannot have a question mark in its name")
        self._path = str(path.resolve())
        self._connect = _load()
        self._incoming = path.resolve() / "incoming"
        if self._incoming.exists():
            rmtree(self._incoming)  # of a process that was killed
        self._incoming.mkdir(parents=True)
        self._limits = limits
        config = write_engine_config(path.resolve() / "config", limits)
        self._idle: dict[bool, list[EngineConnection]] = {True: [], False: []}
        self._lock = threading.Lock()
        self._reads = threading.BoundedSemaphore(limits.reads)
        self._writes = threading.BoundedSemaphore(limits.writes)
        try:
            # The first connection starts the engine and must stay open: with the last one the engine goes.
            self._first = EngineConnection(self._connect, f"{self._path}?config-file={config}", read_only=False)
        except (RuntimeError, QueryError) as error:
            raise WorkFailed(f"{path}: the ClickHouse engine cannot open it: {error}") from error
        self.version = bytes(self._first.query(b"SELECT version()", "TSVRaw", {}).data).decode().strip()
        self.sessions = Sessions(self._open, limits)

    def create_database(self, name: str) -> None:
        """Make a database unless it is there."""
        self._first.execute(f"CREATE DATABASE IF NOT EXISTS {quote_name(name)}")

    @contextmanager
    def lend(self, place: Place) -> Iterator[EngineConnection]:
        """A connection prepared for `place`, for one statement and what belongs to it."""
        if place.session is not None:
            with self.sessions.lend(place) as connection:
                yield connection
            return
        with self._lock:
            idle = self._idle[place.user.read_only]
            waiting = idle.pop() if idle else None
        connection = waiting or self._open(place.user)
        try:
            connection.prepare(place.database or "default", place.settings)
            yield connection
        finally:
            with self._lock:
                keep = not connection.has_state and len(idle) < _POOLED
                if keep:
                    idle.append(connection)
            if not keep:
                connection.close()

    def run(
        self,
        connection: EngineConnection,
        statement: bytes,
        output_format: str,
        params: Mapping[str, str],
        reading: Reading,
    ) -> Result:
        """Run a statement that only reads; `cancel(reading)` from another thread ends it."""
        with self._turn(self._reads):
            if reading.cancelled:
                raise QueryError(QUERY_WAS_CANCELLED, "Query was cancelled")
            # The mark ends the text, where it shifts no position that an error message names.
            result = connection.query(statement + f"\n{reading.mark}".encode(), output_format, params)
            if not result.data and (wanted_format(statement) or output_format) == "Native":
                return self._with_header(connection, statement, params, result)
            return result

    def change(
        self, connection: EngineConnection, statement: bytes, output_format: str, params: Mapping[str, str]
    ) -> Result:
        """Run a statement that may change something; it always runs to its end."""
        with self._turn(self._writes):
            return connection.query(statement, output_format, params)

    def insert(
        self,
        connection: EngineConnection,
        statement: bytes,
        input_format: str,
        chunks: list[bytes],
        params: Mapping[str, str],
    ) -> Result:
        """Insert data; it always runs to its end."""
        with self._turn(self._writes):
            if params:
                connection.set_params(params)
            return connection.insert(statement, input_format, chunks, self._incoming)

    def cancel(self, reading: Reading) -> None:
        """End a reading statement, or keep it from starting. Does not wait for it."""
        reading.cancelled = True
        with self.lend(_SELF) as connection:
            connection.execute(f"KILL QUERY WHERE endsWith(query, {quote(reading.mark)}) ASYNC")

    def cancel_reads(self) -> None:
        """End every reading statement that runs: the server stops and nobody is left to be answered."""
        with self.lend(_SELF) as connection:
            connection.execute("KILL QUERY WHERE match(query, '/[*]read-[0-9a-f]{32}[*]/$') ASYNC")

    def cancel_everything(self) -> None:
        """End whatever runs. Writes that end so were not acknowledged."""
        with self.lend(_SELF) as connection:
            connection.execute("KILL QUERY WHERE query NOT LIKE 'KILL QUERY%' ASYNC")

    def close(self) -> None:
        """Close every connection that is not lent, the engine with the last one. Idempotent."""
        self.sessions.close()
        with self._lock:
            idle = [connection for group in self._idle.values() for connection in group]
            for group in self._idle.values():
                group.clear()
        for connection in idle:
            connection.close()
        self._first.close()

    def _open(self, user: User) -> EngineConnection:
        return EngineConnection(self._connect, self._path, read_only=user.read_only)

    @contextmanager
    def _turn(self, turns: threading.BoundedSemaphore) -> Iterator[None]:
        if not turns.acquire(timeout=self._limits.wait_s):
            raise QueryError(TOO_MANY_QUERIES, f"Too many simultaneous queries: waited {self._limits.wait_s:g} s")
        try:
            yield
        finally:
            turns.release()

    def _with_header(
        self, connection: EngineConnection, statement: bytes, params: Mapping[str, str], result: Result
    ) -> Result:
        # A server sends the columns of an empty result, the embedded engine nothing at all; clients then know no names.
        text = without_format(statement)
        described = first_word(text) in ("SELECT", "WITH", "FROM", "(")
        asking = b"DESCRIBE TABLE (" + text + b"\n)" if described else text
        try:
            return native_header(connection.query(asking, "JSONCompact", params), result, described=described)
        except QueryError:
            # An odd ending (a comment behind a semicolon) that cannot stand in brackets: the answer is right, if bare.
            return result


def _load() -> Any:
    try:
        from chdb import _chdb
    except ImportError as error:
        raise WorkFailed("the embedded ClickHouse needs `pip install contactpulse[local]`") from error
    return _chdb.connect  # type: ignore[attr-defined]
