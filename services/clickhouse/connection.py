"""One engine connection: a session of its own inside the engine, safe to use beside the others from other threads."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from services.clickhouse.config import READER_ROLE
from services.clickhouse.errors import BAD_ARGUMENTS, NOT_ENOUGH_SPACE, QueryError, from_engine
from services.clickhouse.sql import quote, quote_name, reading_from

_SETTING_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave. Counts as the server's X-ClickHouse-Summary has them; times in nanoseconds."""

    data: memoryview | bytes
    read_rows: int = 0
    read_bytes: int = 0
    result_rows: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0
    owner: object = None
    """What `data` lies in; kept so that it outlives the view."""


class EngineConnection:
    """A chDB connection with the database and settings it was last given. One statement at a time.

    Every method raises QueryError with the engine's code where the engine refuses.
    """

    def __init__(self, connect: Any, target: str, *, read_only: bool) -> None:
        self._raw: Any = connect(target)
        self._database = "default"
        self._settings: dict[str, str] = {}
        self._shadowed: dict[str, str] = {}
        self.has_state = False
        """Whether a statement may have left something behind: its own SET or USE, a temporary table."""
        if read_only:
            self.execute(f"SET ROLE {READER_ROLE}")
            # 2: settings may be changed (Grafana's plugin sends some), nothing may be written.
            self.execute("SET readonly = 2")

    def close(self) -> None:
        """Give the connection back to the engine."""
        self._raw.close()

    def prepare(self, database: str | None, settings: Mapping[str, str]) -> None:
        """Use `database` (None: stay) and exactly `settings` for what follows; those of the last request are undone."""
        if database is not None and database != self._database:
            self.execute(f"USE {quote_name(database)}")
            self._database = database
        gone = [name for name in self._settings if name not in settings]
        if gone:
            self._reset(gone)
        changed = {name: value for name, value in settings.items() if self._settings.get(name) != value}
        if not changed:
            return
        for name in changed:
            if not _SETTING_NAME.fullmatch(name):
                raise QueryError(BAD_ARGUMENTS, f"Invalid setting name {name!r}")
        if self.has_state:
            self._remember(name for name in changed if name not in self._settings)
        try:
            self.execute("SET " + ", ".join(f"{name} = {quote(value)}" for name, value in changed.items()))
        except QueryError:
            # Some of them may have been taken before the bad one was met.
            self._settings.update(changed)
            self._reset(list(changed))
            raise
        self._settings.update(changed)

    def set_params(self, params: Mapping[str, str]) -> None:
        """Give the session query parameters: an insert of data takes them from nowhere else."""
        self.has_state = True
        for name in params:
            if not _SETTING_NAME.fullmatch(name):
                raise QueryError(BAD_ARGUMENTS, f"Invalid parameter name {name!r}")
        self.execute("SET " + ", ".join(f"param_{name} = {quote(value)}" for name, value in params.items()))

    def database_after_use(self) -> str:
        """The database the session stands in now, after a statement of its own may have changed it."""
        self._database = bytes(self.query(b"SELECT currentDatabase()", "TSVRaw", {}).data).decode().rstrip("\n")
        return self._database

    def execute(self, statement: str) -> None:
        """Run a statement without a result."""
        self.query(statement.encode(), "Null", {})

    def query(self, statement: bytes, output_format: str, params: Mapping[str, str]) -> Result:
        """Run one statement; `output_format` holds unless the statement has a FORMAT clause of its own."""
        started = time.perf_counter_ns()
        try:
            raw = self._raw.query(statement, output_format, params=dict(params))
            return Result(
                data=raw.get_memview().view() if raw.size() else b"",
                owner=raw,
                read_rows=raw.storage_rows_read(),
                read_bytes=raw.storage_bytes_read(),
                result_rows=raw.rows_read(),
                written_rows=raw.rows_written(),
                written_bytes=raw.bytes_written(),
                elapsed_ns=time.perf_counter_ns() - started,
            )
        except RuntimeError as error:
            raise from_engine(str(error)) from None

    def insert(self, statement: bytes, input_format: str, chunks: list[bytes], directory: Path) -> Result:
        """Insert data in `input_format`; `statement` ends before its FORMAT clause.

        All rows are on their way to disk when this returns; where it raises, blocks before the bad one may be in. The
        data go through a file in `directory`: chDB's streaming insert says nothing of rows that it read but could not
        write (a constraint, a partition key, a view that fails).
        """
        try:
            with NamedTemporaryFile(dir=directory, suffix=".data") as file:
                file.writelines(chunks)
                file.flush()
                done = self.query(reading_from(statement, file.name, input_format), "Null", {})
        except OSError as error:
            raise QueryError(NOT_ENOUGH_SPACE, f"Cannot keep the data of the insert: {error.strerror}") from None
        return replace(
            done,
            data=b"",
            owner=None,
            read_rows=done.written_rows,
            read_bytes=done.written_bytes,
            result_rows=done.written_rows,
        )

    def classify(self, statement: bytes) -> tuple[str, int]:
        """The engine's own word on a statement: its class (READ_ONLY, MUTATING, ..., UNKNOWN) and how many it holds."""
        verdict = self._raw.classify_query(statement)
        return verdict["query_class"].name, verdict["statement_count"]

    def _remember(self, names: Iterable[str]) -> None:
        wanted = ", ".join(quote(name) for name in names)
        if not wanted:
            return
        rows = self.query(
            f"SELECT name, value FROM system.settings WHERE changed AND name IN ({wanted})".encode(), "TSVRaw", {}
        )
        for line in bytes(rows.data).decode().splitlines():
            name, _, value = line.partition("\t")
            self._shadowed[name] = value

    def _reset(self, names: list[str]) -> None:
        for name in names:
            before = self._shadowed.pop(name, None)
            self._settings.pop(name, None)
            try:
                self.execute(f"SET {name} = {'DEFAULT' if before is None else quote(before)}")
            except QueryError:
                # Unknown to the engine: it was never set.
                continue
