"""What the board reads for one view: slices of the last 75 minutes, open clocks, the most urgent cases, freshness."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from services.api.case_queries import URGENT_COLUMNS, urgent
from services.api.database import Questions, Row
from services.api.dimensions import Where, filters
from services.api.freshness import Freshness, freshness
from services.api.metric_queries import sums
from services.api.ranges import MINUTE_MS, Range, Steps
from services.api.sla_queries import ClockQuery, ended, open_now

WINDOW = 15
"""Minutes behind every number on the board."""
SHOWN = 60
"""Minutes a line goes back; each point looks back over its own window."""
LIST_WITHIN_MS = 15 * MINUTE_MS
LIST_ROWS = 30


@dataclass(frozen=True, slots=True)
class View:
    """Which part of the operation somebody watches. Empty: all of it."""

    team: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()

    @property
    def where(self) -> Where:
        """The filters as an SQL condition."""
        return filters({"team": self.team, "channel": self.channel})


@dataclass(frozen=True, slots=True)
class Material:
    """All rows a snapshot is made of. `steps` are minutes; slices carry `step`, the minute's index in them."""

    steps: Steps
    contacts: list[Row]
    ends: list[Row]
    opens: list[Row]
    due_soon: list[Row]
    overdue: list[Row]
    fresh: Freshness


async def read(database: Questions, view: View, now_ms: int) -> Material:
    """Asks everything at the same time. Raises Problem where ClickHouse does not answer."""
    to = (now_ms // MINUTE_MS + 1) * MINUTE_MS
    range_ = Range(to - (SHOWN + WINDOW - 1) * MINUTE_MS, to)
    steps = Steps(range_, MINUTE_MS)
    query = ClockQuery(("channel",), view.where)
    contacts, ends, opens, (soon, late), fresh = await asyncio.gather(
        sums(database, (), view.where, range_, steps),
        ended(database, query, range_, steps),
        open_now(database, query),
        urgent(database, view.where, now_ms, LIST_WITHIN_MS, LIST_ROWS, overdue=True, columns=URGENT_COLUMNS),
        freshness(database),
    )
    return Material(steps, contacts, ends, opens, soon, late, fresh)


async def choices(database: Questions, now_ms: int) -> Mapping[str, list[str]]:
    """Teams and channels seen in the last day, for the filters."""
    rows = await database.rows(
        "SELECT groupUniqArray(200)(assumeNotNull(team)) AS team, groupUniqArray(50)(assumeNotNull(channel)) AS channel"
        " FROM contact_slices FINAL WHERE slice >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')",
        {"from_ms": now_ms - 86_400_000},
    )
    return {name: sorted(value for value in rows[0][name] if value) for name in ("team", "channel")}
