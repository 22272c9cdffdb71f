"""The statements by which hours and days are rolled up (`services.store.tiers` says when).

All instants in parameters and answers are whole milliseconds since 1970; "now" is the server's clock.
"""

from collections.abc import Iterable
from typing import Final

from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.rollup import CLOCK_COUNTS, DIMENSIONS
from services.tiers import DAY_MS, HOUR_MS, WIDTH_MS, between, tables

_SOURCE: Final = {"hour": "minute", "day": "hour"}

_NEVER_MS: Final = 2**62

_SERIES: Final = {"clock": ("clock", *DIMENSIONS), "contact": DIMENSIONS}
_SUMS: Final = {"clock": CLOCK_COUNTS, "contact": MEASURES}
_HISTOGRAMS: Final = {"clock": (), "contact": DURATIONS}

_DAY: Final = f"ms - positiveModulo(ms, {DAY_MS})"


def _told(which: str) -> str:
    """Each hour that fulfils a condition on `kind` and `ms`: its touches, and up to how many it is rolled up."""
    return f"""
    SELECT
        kind, ms, sum(touches) AS told, min(first_ms) AS begun, max(last_ms) AS latest,
        max(rolled_to) AS rolled, max(rolled_ms) AS rolled_last
    FROM
    (
        SELECT
            kind, toUnixTimestamp64Milli(hour) AS ms, touches, toUnixTimestamp64Milli(first) AS first_ms,
            toUnixTimestamp64Milli(last) AS last_ms, 0 AS rolled_to, 0 AS rolled_ms
        FROM slice_touches
        WHERE {which}
        UNION ALL
        SELECT kind, toUnixTimestamp64Milli(slice) AS ms, 0, {_NEVER_MS}, 0, touches, toUnixTimestamp64Milli(rolled_at)
        FROM tiers
        WHERE tier = 'hour' AND {which}
    )
    GROUP BY kind, ms
"""


_TOUCHED: Final = """(kind, ms) IN (
            SELECT kind, toUnixTimestamp64Milli(hour) FROM slice_touches
            WHERE last >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
                OR hour >= fromUnixTimestamp64Milli({since_hour_ms:Int64}, 'UTC'))"""

DUE_HOURS: Final = f"""
WITH toUnixTimestamp64Milli(now64(3)) AS now
SELECT kind, ms, told, rolled > 0 AND begun < now - {{sealed_ms:Int64}} AS sealed, count() OVER () AS due
FROM ({_told(_TOUCHED)})
WHERE told > rolled AND ms + {HOUR_MS} <= now
    AND (latest <= now - {{quiet_ms:Int64}} OR greatest(begun, rolled_last) <= now - {{patience_ms:Int64}})
ORDER BY ms DESC, kind
LIMIT {{most:UInt32}}
"""
"""Of the hours touched since `since_ms` or beginning at `since_hour_ms` or later those that are over and not level, the
newest first: kind, ms, touches, whether minutes of it may be gone already, and how many there are in all. Those touched
within `quiet_ms` are left out, but not for longer than `patience_ms`."""

DUE_DAYS: Final = f"""
SELECT kind, day AS ms, sum(told) AS touches, 0 AS sealed, count() OVER () AS due
FROM
(
    SELECT kind, {_DAY} AS day, told, told <= rolled AS level, 0 AS upto
    FROM ({_told(f"(empty({{days:Array(Int64)}}) OR has({{days:Array(Int64)}}, {_DAY}))")})
    WHERE told > 0
    UNION ALL
    SELECT kind, toUnixTimestamp64Milli(slice), 0, 1, touches FROM tiers WHERE tier = 'day'
)
GROUP BY kind, day
HAVING min(level) AND touches > max(upto)
ORDER BY ms DESC, kind
LIMIT {{most:UInt32}}
"""
"""Of some days, or all where `days` is empty, those that are not level though all their hours are; as `DUE_HOURS`."""

NOW: Final = "SELECT toUnixTimestamp64Milli(now64(3))"
"""The server's clock."""


def roll_sql(kind: str, tier: str, starts: Iterable[int]) -> str:
    """Rolls up the hours or days that begin at `starts` from the next finer table. Their row's version is the number
    of touches in `{touches:Array(UInt64)}` that stands where its beginning stands in `{starts:Array(Int64)}`."""
    names, sums, histograms = _SERIES[kind], _SUMS[kind], _HISTOGRAMS[kind]
    distinct = ("customers",) if kind == "contact" else ()
    columns = (*names, *sums, *histograms, *distinct)
    values = (
        *(f"any({name})" for name in names),
        *(f"sum({name})" for name in sums),
        *(f"sumMap({name})" for name in histograms),
        *(f"groupUniqArrayArray({name})" for name in distinct),
    )
    width = WIDTH_MS[tier]
    return f"""
INSERT INTO {tables(kind)[tier]} (slice, series, version, {", ".join(columns)})
SELECT
    fromUnixTimestamp64Milli(start, 'UTC'), series,
    transform(start, {{starts:Array(Int64)}}, {{touches:Array(UInt64)}}, toUInt64(0)), {", ".join(values)}
FROM {tables(kind)[_SOURCE[tier]]} FINAL
WHERE {_within(starts, width)}
GROUP BY toUnixTimestamp64Milli(slice) - positiveModulo(toUnixTimestamp64Milli(slice), {width}) AS start, series
"""


LEVEL: Final = """
INSERT INTO tiers (kind, tier, slice, touches, rolled_at)
SELECT {kind:String}, {tier:String}, fromUnixTimestamp64Milli(rolled.1, 'UTC'), rolled.2, now64(3, 'UTC')
FROM (SELECT arrayJoin(arrayZip({starts:Array(Int64)}, {touches:Array(UInt64)})) AS rolled)
"""
"""States up to how many touches hours or days are rolled up."""


def _within(starts: Iterable[int], width: int) -> str:
    """A condition on `slice` by ranges, which the primary key answers: FINAL reads nothing in between."""
    ranges: list[tuple[int, int]] = []
    for start in sorted(starts):
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], start + width)
        else:
            ranges.append((start, start + width))
    return " OR ".join(between(start, end) for start, end in ranges)
