"""Which sources and channels have gone silent: so long without an event as their own rate all but rules out."""

from typing import Final, TypedDict

from schemas import times
from services.api.database import Questions

MIN_EXPECTED: Final = 14.0
"""A Poisson process that expects so many events sees none of them once in 1.2 million times (e^-14)."""
MIN_SILENCE_MS: Final = 60_000
LOOK_BACK_MS: Final = 86_400_000
_RATE_OVER_MS: Final = 3_600_000

_SQL: Final = f"""
SELECT
    kind, name, toUnixTimestamp64Milli(max(latest)) AS seen,
    arraySum(arrayMap(
        told -> if(told.1 > toStartOfMinute(max(latest)) - toIntervalMillisecond({_RATE_OVER_MS}), told.2, 0),
        groupArray((minute, n)))) AS lately
FROM
(
    SELECT told.1 AS kind, assumeNotNull(told.2) AS name, minute, sum(events) AS n, max(last) AS latest
    FROM sources
    ARRAY JOIN [('source', toNullable(toString(source))), ('channel', toNullable(toString(channel)))] AS told
    WHERE minute >= fromUnixTimestamp64Milli({{since_ms:Int64}}, 'UTC')
        AND minute < fromUnixTimestamp64Milli({{until_ms:Int64}}, 'UTC') AND told.2 != ''
    GROUP BY kind, name, minute
)
GROUP BY kind, name
ORDER BY kind, name
"""


class Silence(TypedDict):
    """A source or channel that fell silent."""

    kind: str
    name: str
    last_seen: str
    expected_per_min: float


async def silent_at(database: Questions, until_ms: int) -> list[Silence]:
    """What had gone silent at an instant, by the times at which events were received.

    A name's rate is that of the hour before its last event. It is silent where it would have sent MIN_EXPECTED since,
    and at least a minute has passed; after a day without any it is no longer expected.
    """
    rows = await database.rows(_SQL, {"since_ms": until_ms - LOOK_BACK_MS, "until_ms": until_ms})
    return [
        Silence(
            kind=row["kind"],
            name=row["name"],
            last_seen=times.text(row["seen"]),
            expected_per_min=row["lately"] * 60_000 / _RATE_OVER_MS,
        )
        for row in rows
        if (quiet := until_ms - row["seen"]) >= MIN_SILENCE_MS and row["lately"] * quiet >= MIN_EXPECTED * _RATE_OVER_MS
    ]
