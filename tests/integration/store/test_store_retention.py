"""Rows are kept as long as the settings say, by when they came and not by the time they are about."""

from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from schemas.errors import WorkFailed
from schemas.settings import Settings
from services.store import retention
from services.store.migrations import migrate
from services.store.retention import apply_retention, retention_days
from tests.integration.store.bench import ClickHouse, fresh_url, until


@pytest.fixture
def settings(clickhouse: ClickHouse) -> Settings:
    settings = Settings(clickhouse=SecretStr(fresh_url(clickhouse)))
    migrate(settings)
    return settings


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=settings.clickhouse.get_secret_value(), autogenerate_session_id=False)
    yield client
    client.close()


def kept(client: Client, table: str, column: str) -> list[str]:
    """The values of a column once the server has dropped what it need not keep."""
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    return [row[0] for row in client.query(f"SELECT {column} FROM {table} ORDER BY {column}").result_rows]


def ttl(client: Client, table: str) -> str:
    [(engine,)] = client.query(
        f"SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
    ).result_rows
    return str(engine)


def test_it_is_applied_once_and_only_where_it_differs(settings: Settings, client: Client) -> None:
    assert apply_retention(settings) == ["events", "event_arrivals"]
    assert apply_retention(settings) == []
    assert "TTL toDateTime(received_at) + toIntervalDay(400)" in ttl(client, "events")
    assert "TTL" not in ttl(client, "outcomes")
    other = settings.model_copy(
        update={"events_retention_days": 0, "outcomes_retention_days": 30, "histories_retention_days": 10}
    )
    assert apply_retention(other) == [
        "events", "event_arrivals", "outcomes", "outcome_history", "clock_slice_history", "contact_slice_history",
        "case_history",
    ]  # fmt: skip
    assert "TTL" not in ttl(client, "events")
    assert "TTL toDateTime(told_at) + toIntervalDay(10)" in ttl(client, "case_history")
    assert apply_retention(other) == []
    assert len(apply_retention(settings)) == 7


def test_stores_that_start_at_once_agree(settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another has changed all tables after this one looked: ClickHouse refuses to remove what is not there."""
    limited = settings.model_copy(update={"outcomes_retention_days": 30, "slices_retention_days": 30})
    apply_retention(limited)
    look = retention._standing

    def look_and_be_overtaken(client: Client) -> dict[str, str]:
        monkeypatch.setattr(retention, "_standing", look)
        seen = look(client)
        assert len(apply_retention(settings)) == 4
        return seen

    monkeypatch.setattr(retention, "_standing", look_and_be_overtaken)
    assert apply_retention(settings) == []
    assert all("TTL" not in ttl(client, table) for table in ("outcomes", "clock_slices", "contact_slices", "cases"))


def test_old_history_that_is_imported_today_stays(settings: Settings, client: Client) -> None:
    apply_retention(settings.model_copy(update={"slices_retention_days": 30}))
    client.command(
        "INSERT INTO events (case_id, occurred_at, event_id, received_at) VALUES "
        "('c', '2016-01-01', 'imported', now()), ('c', '2016-01-02', 'old', now() - INTERVAL 500 DAY)"
    )
    client.command(
        "INSERT INTO clock_slices (slice, clock, told_at) VALUES "
        "('2016-01-01', 'imported', now()), ('2016-01-01', 'old', now() - INTERVAL 40 DAY)"
    )
    assert kept(client, "events", "event_id") == ["imported"]
    assert kept(client, "clock_slices", "clock") == ["imported"]


def test_what_is_there_already_goes_by_a_shorter_retention(settings: Settings, client: Client) -> None:
    apply_retention(settings)
    client.command("INSERT INTO events (case_id, event_id, received_at) VALUES ('c', 'e', now() - INTERVAL 20 DAY)")
    assert kept(client, "events", "event_id") == ["e"]
    apply_retention(settings.model_copy(update={"events_retention_days": 10}))
    until(lambda: kept(client, "events", "event_id") == [])


def test_rolled_up_hours_and_days_are_kept_for_ever(settings: Settings) -> None:
    everything = settings.model_copy(update={"slices_retention_days": 30, "outcomes_retention_days": 30})
    assert not {table for table in retention_days(everything) if table.endswith(("_hours", "_days"))}


def test_a_clickhouse_that_is_away_is_one_clear_line() -> None:
    with pytest.raises(WorkFailed, match="ClickHouse cannot be told how long to keep rows"):
        apply_retention(Settings(clickhouse=SecretStr("http://default:@127.0.0.1:9/x")))
