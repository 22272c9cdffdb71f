"""Ends of clocks in a range, and clocks open now. Two sources for the ends, which agree:

- `outcomes`: exact to the millisecond for any range, reads every clock instance ever;
- clock slices (`services.api.slices`): sums by the minute, hour and day, exact where the range and its steps are whole
  minutes, a thousand times smaller.

What was known earlier always comes from the outcomes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.outcome import ClockState
from schemas.rollup import DIMENSIONS
from services.api.database import Questions, Row
from services.api.dimensions import Where, row_limit
from services.api.history import NOW_KNOWN, Known
from services.api.ranges import Range, Steps
from services.api.slices import SliceQuery, summed

_END_COUNTS = ("met", "breached", "cancelled")
_ANY = "met != 0 OR breached != 0 OR cancelled != 0"
OPEN_COUNTS = ("running", "paused")
_OPEN = f"state IN ('{ClockState.RUNNING}', '{ClockState.PAUSED}')"
_COLUMNS = ("clock", "state", "ended_at", *DIMENSIONS)
_AT = "fromUnixTimestamp64Milli({{{0}:Int64}}, 'UTC')"
_FROM, _TO = _AT.format("from_ms"), _AT.format("to_ms")


@dataclass(frozen=True, slots=True)
class ClockQuery:
    """What to count: clocks that pass `where`, by clock and the dimensions `by`."""

    by: Sequence[str]
    where: Where

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that make a group."""
        return ("clock", *self.by)

    def group_of(self, row: Row) -> tuple[Any, ...]:
        """The group a row belongs to."""
        return tuple(row[key] for key in self.keys)


def compliance(met: int, breached: int) -> float | None:
    """met / (met + breached); null without any."""
    return met / (met + breached) if met + breached else None


async def ended(
    database: Questions, query: ClockQuery, range_: Range, steps: Steps | None = None, known: Known = NOW_KNOWN
) -> list[Row]:
    """Rows of the group's keys, `step` (an index, with steps only), met, breached, cancelled; none where all are 0."""
    if known.as_of_ms is None and (steps.whole_minutes if steps else range_.whole_minutes):
        slices = SliceQuery("clock", query.keys, query.where, range_, steps)
        return await summed(database, slices, _END_COUNTS, [f"sum({name}) AS {name}" for name in _END_COUNTS], _ANY)
    keys = [*query.keys]
    if steps:
        since = "toUnixTimestamp64Milli(assumeNotNull(ended_at)) - {from_ms:Int64}"
        keys.append(f"intDiv({since}, {{step_ms:Int64}}) AS step")
    groups = ", ".join(str(n) for n in range(1, len(keys) + 1))
    counts = [f"countIf(state = '{name}') AS {name}" for name in _END_COUNTS]
    sql = (
        f"SELECT {', '.join(keys + counts)} FROM {known.outcomes(_COLUMNS)}"
        f" WHERE ended_at >= {_FROM} AND ended_at < {_TO} AND {query.where.sql} GROUP BY {groups} HAVING {_ANY}"
        f" LIMIT {row_limit(steps is not None)}"
    )
    parameters = {**query.where.parameters, **known.parameters, "from_ms": range_.from_ms, "to_ms": range_.to_ms}
    if steps:
        parameters["step_ms"] = steps.step_ms
    return await database.rows(sql, parameters)


async def open_now(database: Questions, query: ClockQuery, known: Known = NOW_KNOWN) -> list[Row]:
    """Rows of the group's keys, running, paused: clocks that have (or had) not ended, whenever they began."""
    counts = ", ".join(f"countIf(state = '{name}') AS {name}" for name in OPEN_COUNTS)
    # Any version that is open names the instance; then the newest one decides.
    among = f"instance IN (SELECT instance FROM outcomes WHERE {_OPEN})" if known.as_of_ms is None else "1"
    sql = (
        f"SELECT {', '.join(query.keys)}, {counts} FROM {known.outcomes(_COLUMNS, of=among)}"
        f" WHERE {_OPEN} AND {query.where.sql}"
        f" GROUP BY {', '.join(query.keys)} LIMIT {row_limit(False)}"
    )
    return await database.rows(sql, {**query.where.parameters, **known.parameters})
