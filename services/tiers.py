"""Hours and days that stand rolled up: which of them may be read instead of the one-minute slices.

The store counts in `slice_touches` how often slices of an hour were inserted, always after the slices themselves, and
rolls an hour up by reading that count first. So an hour or day is *level* where `tiers` says it was rolled up to all of
its touches; whoever reads level pieces from their own tables and the rest from the minutes reads every slice once.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

KINDS: Final = ("clock", "contact")
"""What there are slices of."""

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WIDTH_MS: Final = {"hour": HOUR_MS, "day": DAY_MS}

MINUTE_KEY: Final = "slice, series, partition, generation"
"""The key of one-minute slices; versions of a row share it."""


class Piece(NamedTuple):
    """A stretch [from_ms, to_ms) to be read from one table: `tier` is 'day', 'hour' or 'minute'."""

    tier: str
    from_ms: int
    to_ms: int


def tables(kind: str) -> dict[str, str]:
    """The table of each tier."""
    return {"day": f"{kind}_days", "hour": f"{kind}_hours", "minute": f"{kind}_slices"}


def between(from_ms: int, to_ms: int) -> str:
    """A condition: the slice begins in [from, to). Whole numbers of our own, so they may stand in the text: parameters
    travel in a URL, which is too short for many."""
    start, end = (f"fromUnixTimestamp64Milli({ms:d}, 'UTC')" for ms in (from_ms, to_ms))
    return f"(slice >= {start} AND slice < {end})"


def level_sql(kind: str) -> str:
    """A query for what is level and lies wholly in [{from_ms:Int64}, {to_ms:Int64}): rows of `tier` ('day' or 'hour')
    and `ms`, its beginning, in order of time. Hours of a level day are left out."""
    start, end = (f"fromUnixTimestamp64Milli({{{at}}}, 'UTC')" for at in ("from_ms:Int64", "to_ms:Int64"))
    return f"""
SELECT piece.1 AS tier, piece.2 AS ms
FROM
(
    SELECT
        day, sum(told) AS day_told, max(day_rolled) AS day_upto,
        groupArrayIf(ms, told > 0 AND told = hour_rolled AND ms + {HOUR_MS} <= {{to_ms:Int64}}) AS hours
    FROM
    (
        SELECT
            ms, ms - positiveModulo(ms, {DAY_MS}) AS day,
            sum(touches) AS told, max(hour_touches) AS hour_rolled, max(day_touches) AS day_rolled
        FROM
        (
            SELECT toUnixTimestamp64Milli(hour) AS ms, touches, 0 AS hour_touches, 0 AS day_touches
            FROM slice_touches WHERE kind = '{kind}' AND hour >= {start} AND hour < {end}
            UNION ALL
            SELECT toUnixTimestamp64Milli(slice), 0, if(tier = 'hour', touches, 0), if(tier = 'day', touches, 0)
            FROM tiers WHERE kind = '{kind}' AND tier IN ('hour', 'day') AND slice >= {start} AND slice < {end}
        )
        GROUP BY ms
    )
    GROUP BY day
)
ARRAY JOIN if(
    day_told > 0 AND day_told = day_upto AND day >= {{from_ms:Int64}} AND day + {DAY_MS} <= {{to_ms:Int64}},
    [('day', day)], arrayMap(hour -> ('hour', hour), hours)) AS piece
ORDER BY ms
"""


def plan(from_ms: int, to_ms: int, level: Iterable[tuple[str, int]]) -> list[Piece]:
    """Cut [from_ms, to_ms) into pieces in order of time that are disjoint and leave nothing out: whole days where they
    are level, else whole hours where they are, minutes for the rest; neighbours of one tier are one piece.

    `level` holds (tier, beginning in ms) as `level_sql` answers, in any order; what is not wholly in the range, or is
    of another tier, is passed over.
    """
    known = {
        (tier, start)
        for tier, start in level
        if tier in WIDTH_MS and start % WIDTH_MS[tier] == 0 and from_ms <= start and start + WIDTH_MS[tier] <= to_ms
    }
    days = {start for tier, start in known if tier == "day"}
    hours = {start for tier, start in known if tier == "hour" and start - start % DAY_MS not in days}
    pieces: list[Piece] = []
    at = from_ms
    for start, tier in sorted([(day, "day") for day in days] + [(hour, "hour") for hour in hours]):
        if at < start:
            pieces.append(Piece("minute", at, start))
        at = start + WIDTH_MS[tier]
        if pieces and pieces[-1].tier == tier and pieces[-1].to_ms == start:
            pieces[-1] = pieces[-1]._replace(to_ms=at)
        else:
            pieces.append(Piece(tier, start, at))
    if at < to_ms:
        pieces.append(Piece("minute", at, to_ms))
    return pieces
