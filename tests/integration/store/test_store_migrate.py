"""Migrations against a real ClickHouse engine: once, together, early, and never over a changed file."""

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import clickhouse_connect
import pytest
from pydantic import SecretStr

from schemas.errors import InputError, WorkFailed
from schemas.settings import Settings
from services.store import migrations
from services.store.migrations import migrate, read_migrations
from tests.integration.store.bench import ClickHouse, fresh_url

FIRST = "0001_events_outcomes.sql"


@pytest.fixture
def settings(clickhouse: ClickHouse) -> Settings:
    """A database that does not exist yet."""
    return Settings(clickhouse=SecretStr(fresh_url(clickhouse)))


def test_the_database_is_made_and_each_migration_applied_once(settings: Settings) -> None:
    assert migrate(settings)[0] == FIRST
    assert migrate(settings) == []


def test_rows_of_an_older_version_are_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = files("deploy") / "clickhouse" / "migrations" / FIRST
    (tmp_path / FIRST).write_bytes(first.read_bytes())
    with monkeypatch.context() as older:
        older.setattr(migrations, "read_migrations", lambda _: read_migrations(tmp_path))
        assert migrate(settings) == [FIRST]
    client = clickhouse_connect.get_client(dsn=settings.clickhouse.get_secret_value())
    try:
        client.command("INSERT INTO outcomes (case_id, clock, state, version) VALUES ('c', 'connect', 'met', 1)")
        assert FIRST not in migrate(settings)
        asked = "SELECT case_id, state, ref, held, toUnixTimestamp64Milli(told_at) FROM outcomes FINAL"
        assert client.query(asked).result_rows == [("c", "met", None, {}, 0)]
    finally:
        client.close()


def test_processes_that_start_at_once_all_end_well(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [name for names in pool.map(lambda _: migrate(settings), range(4)) for name in names]
    assert FIRST in done
    assert migrate(settings) == []


def test_a_file_changed_after_it_was_applied_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    migrate(settings)
    (tmp_path / FIRST).write_text("DROP TABLE IF EXISTS nothing;\n")
    monkeypatch.setattr(migrations, "read_migrations", lambda _: read_migrations(tmp_path))
    with pytest.raises(InputError, match=f"{FIRST} was changed after it had been applied"):
        migrate(settings)


def test_a_clickhouse_that_stays_away_is_one_clear_line() -> None:
    with pytest.raises(WorkFailed, match="ClickHouse does not answer"):
        migrate(Settings(clickhouse=SecretStr("http://default:@127.0.0.1:9/x")), wait_s=0.3)


def test_it_waits_for_a_clickhouse_that_is_still_starting(clickhouse: ClickHouse, settings: Settings) -> None:
    clickhouse.kill()
    back = threading.Timer(0.5, clickhouse.restart)
    back.start()
    assert migrate(settings)[0] == FIRST
    back.join()
