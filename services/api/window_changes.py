"""Windows of compliance that changed after they were first published.

A window [t, t + step) of a clock is published `publish_ms` after its end: by then what ended in it has been told where
the stream is on time. Its old figures are those known then (or at the beginning of the range asked for, where that is
later), its new ones those known at the end of the range: so the ledgers of neighbouring ranges follow on each other,
and /v1/sla/compliance with `as_of` gives the same figures.
"""

from schemas import times
from schemas.rollup import DIMENSIONS
from services.api.database import Questions, Row
from services.api.history import KEY, Known
from services.api.sla_queries import compliance
from services.api.told import TOLD_IN_RANGE, Asked, Cause, corrected

CAUSES = 10
"""Events named with a window at most."""

_WINDOW = "intDiv(toUnixTimestamp64Milli(assumeNotNull(ended_at)), {step_ms:Int64}) * {step_ms:Int64}"
_PUBLISHED = "{step_ms:Int64} + {publish_ms:Int64}"
_FINISHED = "state IN ('met', 'breached')"


async def window_changes(
    database: Questions, asked: Asked, step_ms: int, publish_ms: int, now_ms: int, case_ids: list[str]
) -> tuple[list[tuple[Row, list[Cause]]], int]:
    """The latest `asked.limit` windows with other figures as the answer carries them, with some of the causes, latest
    first; and how many there are.

    With `case_ids` only the windows that these cases have changed; the figures are of all cases.
    """
    parameters = {**asked.parameters, "step_ms": step_ms, "publish_ms": publish_ms, "limit": asked.limit}
    if case_ids:
        parameters["of_cases"] = case_ids
        of_cases = "case_id IN {of_cases:Array(String)}"
        touched = await database.rows(_changes(asked, f"{asked.key.sql} AND {of_cases}", "1", "1"), parameters)
        if not touched:
            return [], 0
        sql = _changes(asked, asked.key.sql, f"countIf({of_cases}) > 0", f"at IN ({_listed(touched)})")
    else:
        sql = _changes(asked, asked.key.sql, "1", "1")
    changed = await database.rows(sql, parameters)
    if not changed:
        return [], 0
    to_ms = asked.range.to_ms
    known = Known(to_ms - 1 if to_ms <= now_ms else None)
    present = await database.rows(_totals(asked, known, changed), {**parameters, **known.parameters})
    totals = {(row["clock"], row["at"]): (row["met"], row["breached"]) for row in present}
    stated = []
    for row in changed:
        met, breached = totals.get((row["clock"], row["at"]), (0, 0))
        published = row["at"] + step_ms + publish_ms
        then = max(published, asked.range.from_ms) - 1
        about = {
            "t": times.text(row["at"]),
            "clock": row["clock"],
            "published_at": times.text(published),
            "old": _figures(met - row["met_more"], breached - row["breached_more"], then),
            "new": _figures(met, breached, min(to_ms - 1, now_ms)),
            "clocks_changed": row["changed"],
        }
        stated.append((about, [(case, event) for case, event in row["causes"]]))
    return stated, changed[0]["total"]


def _figures(met: int, breached: int, as_of_ms: int) -> Row:
    return {
        "as_of": times.text(as_of_ms),
        "met": met,
        "breached": breached,
        "compliance": compliance(met, breached),
    }


def _changes(asked: Asked, key: str, having: str, windows: str) -> str:
    """Of the clocks that pass `key`; of the windows `at` that pass both `having` and `windows`."""
    late = (
        f"SELECT instance FROM outcome_history WHERE {TOLD_IN_RANGE} AND {key} AND {_FINISHED}"
        f" AND toUnixTimestamp64Milli(told_at) >= {_WINDOW} + {_PUBLISHED} AND {windows.replace('at', _WINDOW, 1)}"
    )
    # Of each record: version, when told, the window it counts in (-1: none), met, breached, cause.
    told = (
        f"SELECT {KEY}, arraySort(groupArray((version, toUnixTimestamp64Milli(told_at) AS told_ms,"
        f" if(withdrawn = 0 AND {_FINISHED} AND {asked.where.sql}, {_WINDOW}, -1) AS at,"
        " at >= 0 AND state = 'met', at >= 0 AND state = 'breached', ifNull(cause, '')))) AS records"
        f" FROM outcome_history WHERE {key} AND (instance IN ({late}) OR instance IN ({corrected(key)}))"
        f" GROUP BY {KEY}"
    )
    cut = f"greatest({{from_ms:Int64}}, at + {_PUBLISHED})"
    pairs = (
        f"SELECT {KEY}, records, arrayJoin(arrayDistinct(arrayFilter(w -> w >= 0, records.3))) AS at, {cut} AS cut,"
        " arrayLast(r -> r.2 < cut, records) AS old, arrayLast(r -> r.2 < {to_ms:Int64}, records) AS new,"
        " toInt64(new.3 = at AND new.4) - toInt64(old.3 = at AND old.4) AS met_by,"
        " toInt64(new.3 = at AND new.5) - toInt64(old.3 = at AND old.5) AS breached_by"
        f" FROM ({told}) WHERE {windows} AND at + {_PUBLISHED} < {{to_ms:Int64}} AND (met_by != 0 OR breached_by != 0)"
    )
    # Records told since then that brought the clock into the window or took it out.
    moved = (
        "arrayFilter((r, before) -> r.2 >= cut AND r.2 < {to_ms:Int64} AND r.6 != '' AND (r.3 = at OR before.3 = at),"
        " records, arrayPushFront(arrayPopBack(records), (0, 0, -1, 0, 0, '')))"
    )
    return (
        "SELECT clock, at, sum(met_by) AS met_more, sum(breached_by) AS breached_more, count() AS changed,"
        f" groupUniqArrayArray({CAUSES})(arrayMap(r -> (case_id, r.6), {moved})) AS causes, count() OVER () AS total"
        f" FROM ({pairs}) GROUP BY clock, at HAVING (met_more != 0 OR breached_more != 0) AND {having}"
        " ORDER BY at DESC, clock LIMIT {limit:UInt32}"
    )


def _totals(asked: Asked, known: Known, changed: list[Row]) -> str:
    at = [row["at"] for row in changed]
    from_, to = (f"fromUnixTimestamp64Milli({ms:d}, 'UTC')" for ms in (min(at), max(at)))
    columns = ("clock", "state", "ended_at", *DIMENSIONS)
    return (
        f"SELECT clock, {_WINDOW} AS at, countIf(state = 'met') AS met, countIf(state = 'breached') AS breached"
        f" FROM {known.outcomes(columns)} WHERE ended_at >= {from_}"
        f" AND ended_at < {to} + toIntervalMillisecond({{step_ms:Int64}})"
        f" AND {_FINISHED} AND {asked.where.sql} AND at IN ({_listed(changed)}) GROUP BY clock, at"
    )


def _listed(rows: list[Row]) -> str:
    """The windows of rows, for IN. Whole numbers of our own, so they may stand in the text: parameters travel in a URL,
    which is too short for so many."""
    return ", ".join(sorted({f"{row['at']:d}" for row in rows}))
