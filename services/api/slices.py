"""Sums over slices of a range, from the cheapest tables that hold them: days and hours that stand rolled up, minutes
for the rest. So a long window costs little more than its edges, and is as fresh as the newest minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.api.database import Questions, Row
from services.api.dimensions import Where, row_limit
from services.api.history import NOW_KNOWN, Known
from services.api.ranges import Range, Steps
from services.tiers import DAY_MS, HOUR_MS, MINUTE_KEY, Piece, between, level_sql, plan, tables

MAX_PIECES: Final = 400
"""A range in more pieces than this is read from coarser cuts: the condition must stay short."""


@dataclass(frozen=True, slots=True)
class SliceQuery:
    """Which slices of `kind` ('contact' or 'clock'): those that pass `where` in a range, grouped by the columns `by`
    and by step. Range and steps must be whole minutes."""

    kind: str
    by: Sequence[str]
    where: Where
    range: Range
    steps: Steps | None = None
    known: Known = NOW_KNOWN

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the SQL of this module and of the condition names."""
        found = {**self.where.parameters, **self.known.parameters}
        found |= {"from_ms": self.range.from_ms, "to_ms": self.range.to_ms}
        return found | ({"step_ms": self.steps.step_ms} if self.steps else {})

    def in_one_step(self, from_ms: int, length_ms: int) -> bool:
        """True where no step ends inside [from, from + length)."""
        return self.steps is None or self.steps.index_of(from_ms) == self.steps.index_of(from_ms + length_ms - 1)


async def summed(
    database: Questions, query: SliceQuery, columns: Sequence[str], sums: Sequence[str], having: str = "1"
) -> list[Row]:
    """Rows of the columns in `by`, `step` (an index, where steps are given), and `sums`: aggregate expressions over
    `columns` with their aliases. `having` is a condition on those aliases."""
    source = _relation(query, [*dict.fromkeys(("slice", *query.by, *columns))], await pieces(database, query))
    keys = [*query.by]
    if query.steps:
        keys.append("intDiv(toUnixTimestamp64Milli(slice) - {from_ms:Int64}, {step_ms:Int64}) AS step")
    grouped = f" GROUP BY {', '.join(str(number) for number in range(1, len(keys) + 1))}" if keys else ""
    # The sums may be named like the columns they are over, so HAVING would take the columns for them.
    sql = (
        f"SELECT * FROM (SELECT {', '.join([*keys, *sums])} FROM {source}{grouped})"
        f" WHERE {having} LIMIT {row_limit(query.steps is not None)}"
    )
    return await database.rows(sql, query.parameters)


async def pieces(database: Questions, query: SliceQuery) -> list[Piece]:
    """The pieces to read the range in."""
    from_ms, to_ms = query.range.from_ms, query.range.to_ms
    if -(-from_ms // HOUR_MS) >= to_ms // HOUR_MS or (query.steps and query.steps.step_ms < HOUR_MS):
        return [Piece("minute", from_ms, to_ms)]
    # Which pieces are level may be a second old: what is rolled up since, or came late, shows a second later.
    # Asked by whole days, windows that move on by the minute share the answer.
    days = {"from_ms": from_ms // DAY_MS * DAY_MS, "to_ms": -(-to_ms // DAY_MS) * DAY_MS}
    rows = await database.rows_kept(level_sql(query.kind), days)
    level = [(row["tier"], row["ms"]) for row in rows]
    if query.known.as_of_ms is not None and level:
        level = _unchanged(level, await _changed_hours(database, query))
    usable: list[tuple[str, int]] = []
    for tier, ms in level:
        whole = from_ms <= ms and ms + DAY_MS <= to_ms
        if tier == "hour" or (whole and query.in_one_step(ms, DAY_MS)):
            usable.append((tier, ms))
        else:
            # All hours of a level day that hold anything are level, and the others are empty in every table.
            usable += _hours(ms)
    usable = [(tier, ms) for tier, ms in usable if tier == "day" or query.in_one_step(ms, HOUR_MS)]
    for fewer in (usable, [piece for piece in usable if piece[0] == "day"]):
        found = plan(from_ms, to_ms, fewer)
        if len(found) <= MAX_PIECES:
            return found
    return [Piece("minute", from_ms, to_ms)]


async def _changed_hours(database: Questions, query: SliceQuery) -> set[int]:
    """Hours of which something was told after the instant of the question."""
    rows = await database.rows(
        "SELECT DISTINCT intDiv(toUnixTimestamp64Milli(slice), {hour_ms:Int64}) * {hour_ms:Int64} AS ms"
        f" FROM {query.kind}_slice_history WHERE told_at > fromUnixTimestamp64Milli({{as_of_ms:Int64}}, 'UTC')"
        " AND slice >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')"
        " AND slice < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')",
        {**query.parameters, "hour_ms": HOUR_MS},
    )
    return {row["ms"] for row in rows}


def _unchanged(level: list[tuple[str, int]], changed: set[int]) -> list[tuple[str, int]]:
    kept: list[tuple[str, int]] = []
    for tier, ms in level:
        hours = _hours(ms) if tier == "day" else [(tier, ms)]
        same = [hour for hour in hours if hour[1] not in changed]
        kept += [(tier, ms)] if len(same) == len(hours) else same
    return kept


def _hours(day_ms: int) -> list[tuple[str, int]]:
    return [("hour", day_ms + number * HOUR_MS) for number in range(24)]


def _relation(query: SliceQuery, columns: Sequence[str], cut: Sequence[Piece]) -> str:
    """Each slice of the range once, to stand after FROM."""
    parts = []
    for tier, table in tables(query.kind).items():
        ranges = [between(piece.from_ms, piece.to_ms) for piece in cut if piece.tier == tier]
        if ranges:
            of = f"({' OR '.join(ranges)}) AND {query.where.sql}"
            # What is rolled up has been told of before the instant of the question, whatever that is.
            known = query.known if tier == "minute" else NOW_KNOWN
            key = MINUTE_KEY if tier == "minute" else "slice, series"
            parts.append(known.newest(table, f"{query.kind}_slice_history", key, columns, of))
    return parts[0] if len(parts) == 1 else f"({' UNION ALL '.join(f'SELECT * FROM {part}' for part in parts)})"
