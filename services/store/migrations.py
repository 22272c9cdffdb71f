"""ClickHouse migrations: numbered SQL files, forward only, applied once each and watched by checksum.

Why not the library clickhouse-migrations: it imports the native-protocol driver even where it is told to speak HTTP,
and its lock needs Keeper, which neither a single server nor the embedded engine has. Here the guard against two
processes at once, and against a crash in the middle of a file, is a rule: every statement can be repeated.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import stamina
import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.errors import InputError, WorkFailed
from schemas.settings import Settings
from services.store.clickhouse import connect, database, is_away, one_line

log = structlog.get_logger()

WAIT_S = 60.0
"""How long to wait for a ClickHouse that is not up yet: it starts in seconds, beside us, in any order."""

_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_REPEATABLE = re.compile(r"\bIF\s+(NOT\s+)?EXISTS\b|\bOR\s+REPLACE\b|^ALTER\b.*\bMODIFY\b", re.IGNORECASE | re.DOTALL)
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (name String, sha256 String, applied_at DateTime64(3, 'UTC'))
ENGINE = ReplacingMergeTree ORDER BY (name, sha256)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name, the checksum of its text, its statements."""

    name: str
    sha256: str
    statements: tuple[str, ...]


def migrate(settings: Settings, *, wait_s: float = WAIT_S) -> list[str]:
    """Create the database of the URL and apply the migrations it lacks; returns their names in order.

    Safe when several processes do it at once. Waits up to `wait_s` seconds for a ClickHouse that does not answer yet.
    Raises `WorkFailed` when it stays away or refuses, `InputError` when a file already applied has changed since.
    """
    migrations = read_migrations(files("deploy") / "clickhouse" / "migrations")
    try:
        # attempts=None: only the time is bounded.
        for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, Exception) and is_away(error),
            attempts=None,
            timeout=wait_s,
            wait_initial=0.1,
            wait_max=2.0,
        ):
            with attempt:
                return _apply(settings, migrations)
    except Error as error:
        what = "does not answer" if is_away(error) else "refuses a migration"
        raise WorkFailed(f"ClickHouse {what}: {one_line(error)}") from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def read_migrations(directory: Traversable) -> list[Migration]:
    """The migrations of a directory in order. Raises `InputError` for a file that breaks the rules."""
    names = sorted(entry.name for entry in directory.iterdir() if entry.name.endswith(".sql"))
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(f"{name}: migrations are named like 0002_what_it_does.sql")
    numbers = [name[:4] for name in names]
    if len(set(numbers)) < len(numbers):
        raise InputError(f"two migrations have the same number: {', '.join(names)}")
    return [_read(name, (directory / name).read_bytes()) for name in names]


def _read(name: str, raw: bytes) -> Migration:
    statements = tuple(split_statements(raw.decode()))
    for statement in statements:
        if not _REPEATABLE.search(statement):
            first = statement.splitlines()[0]
            raise InputError(f"{name}: {first!r} cannot be repeated; write IF [NOT] EXISTS or OR REPLACE")
    return Migration(name, hashlib.sha256(raw).hexdigest(), statements)


def split_statements(sql: str) -> Iterable[str]:
    """The statements of a file. One ends at a `;` at the end of a line; lines that are only a comment are left out."""
    code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return (statement.strip() for statement in re.split(r";\s*$", code, flags=re.MULTILINE) if statement.strip())


def _apply(settings: Settings, migrations: list[Migration]) -> list[str]:
    _create_database(settings)
    client = connect(settings)
    try:
        client.command(_LEDGER)
        known = _applied(client)
        for migration in migrations:
            if migration.name in known and migration.sha256 not in known[migration.name]:
                raise InputError(
                    f"{migration.name} was changed after it had been applied: put it back and write a new migration"
                )
        missing = [migration for migration in migrations if migration.name not in known]
        for migration in missing:
            for statement in migration.statements:
                client.command(statement)
            client.command(
                "INSERT INTO schema_migrations SELECT {name:String}, {sha256:String}, now64(3)",
                parameters={"name": migration.name, "sha256": migration.sha256},
            )
            log.info("migration applied", migration=migration.name, database=database(settings))
        return [migration.name for migration in missing]
    finally:
        client.close()


def _create_database(settings: Settings) -> None:
    client = connect(settings, to_database=False)
    try:
        name = database(settings)
        # Looked up first: in production the user may well lack the right to create databases.
        found = client.query("SELECT 1 FROM system.databases WHERE name = {name:String}", parameters={"name": name})
        if not found.result_rows:
            client.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", parameters={"name": name})
    finally:
        client.close()


def _applied(client: Client) -> dict[str, set[str]]:
    rows = client.query("SELECT name, sha256 FROM schema_migrations").result_rows
    known: dict[str, set[str]] = {}
    for name, sha256 in rows:
        known.setdefault(name, set()).add(sha256)
    return known
