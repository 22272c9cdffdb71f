"""What the board reads for one view: slices of the last 75 minutes, open clocks, the most urgent cases, freshness."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.metrics import ALIASES, CATALOGUE, MetricValue
from services.api.case_queries import URGENT_COLUMNS, urgent
from services.api.database import Questions, Row
from services.api.dimensions import Where, filters
from services.api.freshness import Freshness, freshness
from services.api.open_cases import OpenQuery, open_at
from services.api.ranges import MINUTE_MS, Range, Steps
from services.api.sla_queries import ClockQuery, ended, open_now
from services.api.slices import SliceQuery, summed

WINDOW = 15
"""Minutes behind every number on the board."""
SHOWN = 60
"""Minutes a line goes back; each point looks back over its own window."""
TILES = (
    ("contacts_opened", "contacts_resolved"),
    ("first_response_time", "asa"),
    ("csat_mean", "csat_pass_rate"),
    ("complaint_rate", "negative_sentiment_rate"),
    ("sla_compliance", "timely_response_rate"),
)
"""What operators look at first: the big number, and the one beneath it."""
TILE_METRICS = {id: CATALOGUE[ALIASES.get(id, id)] for tile in TILES for id in tile}
_MEASURES = sorted(set().union(*(metric.measures for metric in TILE_METRICS.values())))
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
    """All a snapshot is made of. `steps` are minutes; rows of slices carry `step`, the minute's index in them.

    `backlog` counts the open cases; `waiting` is the longest wait of those that no human has taken yet, and how many.
    """

    steps: Steps
    contacts: list[Row]
    ends: list[Row]
    opens: list[Row]
    due_soon: list[Row]
    overdue: list[Row]
    fresh: Freshness
    backlog: MetricValue
    waiting: MetricValue


async def read(database: Questions, view: View, now_ms: int) -> Material:
    """Asks everything at the same time. Raises Problem where ClickHouse does not answer."""
    to = (now_ms // MINUTE_MS + 1) * MINUTE_MS
    range_ = Range(to - (SHOWN + WINDOW - 1) * MINUTE_MS, to)
    steps = Steps(range_, MINUTE_MS)
    query = ClockQuery(("channel",), view.where)
    slices, cases = SliceQuery("contact", (), view.where, range_, steps), OpenQuery((), view.where)
    contacts, ends, opens, (soon, late), fresh, (backlog, waiting) = await asyncio.gather(
        summed(database, slices, _MEASURES, [f"sum({name}) AS {name}" for name in _MEASURES]),
        ended(database, query, range_, steps),
        open_now(database, query),
        urgent(database, view.where, now_ms, LIST_WITHIN_MS, LIST_ROWS, overdue=True, columns=URGENT_COLUMNS),
        freshness(database),
        asyncio.gather(
            *(open_at(database, CATALOGUE[id], cases, now_ms, now=True) for id in ("backlog", "oldest_waiting"))
        ),
    )
    return Material(steps, contacts, ends, opens, soon, late, fresh, backlog[()], waiting[()])


async def choices(database: Questions, now_ms: int) -> Mapping[str, list[str]]:
    """Teams and channels seen in the last day, for the filters."""
    rows = await database.rows(
        "SELECT groupUniqArray(200)(assumeNotNull(team)) AS team, groupUniqArray(50)(assumeNotNull(channel)) AS channel"
        " FROM contact_slices WHERE slice >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')",
        {"from_ms": now_ms - 86_400_000},
    )
    return {name: sorted(value for value in rows[0][name] if value) for name in ("team", "channel")}
