"""How long ClickHouse keeps the rows of each table, as the settings say: applied when a store starts.

A row's age counts from when it came (`received_at`) or was told (`told_at`), never from the time it is about: history
of ten years ago that is imported today is as young as today's.
"""

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.errors import WorkFailed
from schemas.settings import Settings
from services.store.clickhouse import connect, one_line

log = structlog.get_logger()

_AGE: Final = {"events": "received_at", "event_arrivals": "received_at"}
_TTL: Final = re.compile(r" TTL (.+?)(?: SETTINGS |$)")


def retention_days(settings: Settings) -> Mapping[str, int]:
    """The days each table's rows are kept; 0: for ever. Hours and days that are rolled up always are."""
    return {
        "events": settings.events_retention_days,
        "event_arrivals": settings.events_retention_days,
        "outcomes": settings.outcomes_retention_days,
        "clock_slices": settings.slices_retention_days,
        "contact_slices": settings.slices_retention_days,
        "cases": settings.slices_retention_days,
        "outcome_history": settings.histories_retention_days,
        "clock_slice_history": settings.histories_retention_days,
        "contact_slice_history": settings.histories_retention_days,
        "case_history": settings.histories_retention_days,
    }


def apply_retention(settings: Settings) -> list[str]:
    """Make the tables keep their rows as long as the settings say; returns the tables that were changed.

    Where nothing differs nothing is done: a changed retention rewrites what ClickHouse knows of every part. Safe when
    several processes do it at once. Raises `WorkFailed` when ClickHouse refuses or is away.
    """
    try:
        with closing(connect(settings)) as client:
            standing = _standing(client)
            changed = [
                table
                for table, days in retention_days(settings).items()
                if table in standing and _change(client, table, days, standing[table])
            ]
    except Error as error:
        raise WorkFailed(f"ClickHouse cannot be told how long to keep rows: {one_line(error)}") from error
    return changed


def _standing(client: Client) -> dict[str, str]:
    """The TTL expression of each table as the server writes it; empty where it has none."""
    rows = client.query("SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()").result_rows
    return {name: match.group(1) if (match := _TTL.search(engine)) else "" for name, engine in rows}


def _change(client: Client, table: str, days: int, standing: str) -> bool:
    wanted = f"toDateTime({_AGE.get(table, 'told_at')}) + toIntervalDay({days})" if days else ""
    if standing == wanted:
        return False
    # Not waited for: a big table takes its time, and goes on being read and written meanwhile.
    change = f"ALTER TABLE {table} " + (f"MODIFY TTL {wanted}" if wanted else "REMOVE TTL")
    try:
        client.command(change, settings={"mutations_sync": 0})
    except Error:
        # A TTL that another store has just removed cannot be removed again.
        if _standing(client).get(table) == wanted:
            return False
        raise
    log.info("retention changed", table=table, days=days or "for ever")
    return True
