"""Verdicts that changed after they were told.

The records told of a clock instance, in order of version, are read as a list of changes; one is a restatement where
what stood before was a verdict (met, breached, cancelled). Two things are not restatements:

- a breached clock that stops at last, and takes over the dimensions of that moment: the ordinary course;
- what a worker repeats after a restart. Its versions are of a new epoch (their upper 32 bits). It tells again what was
  told since the last checkpoint, maybe with the steps in between; all of an epoch up to the record that equals the last
  one of the epoch before, cause included, is repetition.
"""

from enum import StrEnum

from schemas import times
from schemas.rollup import DIMENSIONS
from services.api.database import Questions, Row
from services.api.history import KEY
from services.api.told import IS_VERDICT, TOLD_IN_RANGE, WITHDRAWN, Asked, Cause, corrected


class Kind(StrEnum):
    """How a verdict was restated."""

    VERDICT = "verdict"
    """Another verdict."""
    REOPENED = "reopened"
    """None any more: the clock runs or is paused."""
    WITHDRAWN = "withdrawn"
    """The clock instance never existed."""
    RESTORED = "restored"
    """A verdict on a clock instance that had been withdrawn."""
    TIME = "time"
    """The same verdict, with another due instant or stop."""
    DIMENSIONS = "dimensions"
    """The same verdict at the same time, of another team, channel, ..."""


_WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
_OF_CLOCK = f"OVER (PARTITION BY {KEY} ORDER BY version {_WHOLE})"
_OF_EPOCH = f"OVER (PARTITION BY {KEY}, epoch ORDER BY version {_WHOLE})"
_SAID = ("state", "ended_at", "stopped_at", *DIMENSIONS)
_READ = f"SELECT {KEY}, version, told_at, cause, passes, said, words"


async def verdict_changes(
    database: Questions, asked: Asked, kinds: frozenset[Kind]
) -> tuple[list[tuple[Row, Cause | None]], int]:
    """The newest `asked.limit` restated verdicts of these kinds as the answer carries them, each with its cause, newest
    first; and how many there are."""
    parameters = {**asked.parameters, "kinds": [str(kind) for kind in kinds], "limit": asked.limit}
    rows = await database.rows(_sql(asked), parameters)
    changes = [(_stated(row), (row["case_id"], row["cause"]) if row["cause"] else None) for row in rows]
    return changes, rows[0]["total"] if rows else 0


def _sql(asked: Asked) -> str:
    told = (
        f"SELECT {KEY}, version, bitShiftRight(version, 32) AS epoch, told_at, ifNull(cause, '') AS cause,"
        f" {asked.where.sql} AS passes, tuple(if(withdrawn = 1, '{WITHDRAWN}', toString(state)),"
        f" toUnixTimestamp64Milli(ended_at), toUnixTimestamp64Milli(stopped_at), {', '.join(DIMENSIONS)}) AS said,"
        # In SQL a null equals nothing; as text it equals itself.
        " toString(said) AS words"
        f" FROM outcome_history WHERE {asked.key.sql} AND instance IN ({corrected(asked.key.sql)})"
        f" LIMIT 1 BY {KEY}, version"
    )
    after = f"SELECT *, lagInFrame((words, cause)) {_OF_CLOCK} AS previous FROM ({told})"
    begun = f"SELECT *, first_value(previous) {_OF_EPOCH} AS before FROM ({after})"
    again = (
        f"{_READ}, version <= minIf(version, words = before.1 AND cause = before.2)"
        f" OVER (PARTITION BY {KEY}, epoch) AS repeated FROM ({begun})"
    )
    news = f"{_READ}, lagInFrame(words) {_OF_CLOCK} AS last FROM ({again}) WHERE NOT repeated"
    # The first record of a clock follows the empty one, which has no state.
    changes = f"{_READ}, lagInFrame((said, told_at, passes)) {_OF_CLOCK} AS old FROM ({news}) WHERE words != last"
    told_kinds = f"SELECT *, said.1 AS state, old.1 AS was, {_KIND} AS kind FROM ({changes})"
    return (
        f"SELECT {KEY}, said, toUnixTimestamp64Milli(told_at) AS told_ms, cause, was,"
        " toUnixTimestamp64Milli(old.2) AS was_told_ms, kind, count() OVER () AS total"
        f" FROM ({told_kinds}) WHERE {TOLD_IN_RANGE} AND (passes OR old.3) AND kind IN {{kinds:Array(String)}}"
        f" ORDER BY told_at DESC, {KEY}, version LIMIT {{limit:UInt32}}"
    )


_KIND = (
    f"multiIf(was.1 = '{WITHDRAWN}', if({IS_VERDICT}, '{Kind.RESTORED}', ''),"
    " was.1 NOT IN {verdicts:Array(String)}, '',"
    f" state = '{WITHDRAWN}', '{Kind.WITHDRAWN}',"
    f" NOT ({IS_VERDICT}), '{Kind.REOPENED}',"
    f" state != was.1, '{Kind.VERDICT}',"
    " state = 'breached' AND said.2 = was.2 AND was.3 IS NULL AND said.3 IS NOT NULL, '',"
    f" toString((said.2, said.3)) != toString((was.2, was.3)), '{Kind.TIME}', '{Kind.DIMENSIONS}')"
)


def _stated(row: Row) -> Row:
    return {
        "told_at": times.text(row["told_ms"]),
        "kind": row["kind"],
        "case_id": row["case_id"],
        "clock": row["clock"],
        "seq": row["seq"],
        "old": _record(row["was"], row["was_told_ms"]),
        "new": _record(row["said"], row["told_ms"]),
    }


def _record(said: tuple[object, ...], told_ms: int) -> Row:
    record = dict(zip(_SAID, said, strict=True))
    for name in ("ended_at", "stopped_at"):
        at = record[name]
        record[name] = times.text(at) if isinstance(at, int) else None
    return record | {"told_at": times.text(told_ms)}
