"""Single cases: what runs out soon, what is overdue, all about one."""

from schemas import times
from schemas.rollup import DIMENSIONS
from services.api.database import Questions, Row
from services.api.dimensions import Where
from services.api.history import NOW_KNOWN, Known

_INSTANTS = ("started_at", "due_at", "stopped_at", "breached_at", "warned_at")
_RECORD = (
    *("case_id", "clock", "seq", "policy", "calendar", "state", "target_s", "elapsed_s"),
    *DIMENSIONS,
    *("ref", "warned", "held", *_INSTANTS),
)
_CLOCK_COLUMNS = ", ".join(
    f"toUnixTimestamp64Milli({name}) AS {name}_ms" if name in _INSTANTS else name for name in _RECORD
)
# Nobody has held a clock that has not ended: the widest column need not be read to say so.
_OPEN_COLUMNS = _CLOCK_COLUMNS.replace("held", "CAST(map(), 'Map(String, Float64)') AS held")
URGENT_COLUMNS = "case_id, clock, seq, state, channel, team, priority, toUnixTimestamp64Milli(due_at) AS due_at_ms"
"""What a list on a screen needs: each column fewer makes the pass over all outcomes quicker."""

_EVENT_LIMIT = 10_000
"""A case with more events than this is a machine's; the oldest are shown."""


async def urgent(
    database: Questions,
    where: Where,
    now_ms: int,
    within_ms: int,
    limit: int,
    *,
    overdue: bool,
    columns: str = _OPEN_COLUMNS,
) -> tuple[list[Row], list[Row]]:
    """Running clocks due in (now, now + within], soonest first; and where `overdue` is set, breached clocks that still
    run, due in (now - within, now], the latest first. Up to `limit` of each.

    Both come from one question. `columns` must hold `state` and `due_at_ms`.
    """
    soon = f"state = 'running' AND due_at > {_instant('now_ms')} AND due_at <= {_instant('until_ms')}"
    late = (
        "state = 'breached' AND stopped_at IS NULL"
        f" AND due_at > {_instant('since_ms')} AND due_at <= {_instant('now_ms')}"
    )
    wanted = f"({soon}) OR ({late})" if overdue else soon
    # Any version of the kind names the instance; then the newest one decides.
    rows = await database.rows(
        f"SELECT {columns} FROM outcomes FINAL PREWHERE instance IN (SELECT instance FROM outcomes WHERE {wanted})"
        f" WHERE ({wanted}) AND {where.sql}"
        " ORDER BY abs(toUnixTimestamp64Milli(assumeNotNull(due_at)) - {now_ms:Int64}), case_id, clock, seq"
        " LIMIT {limit:UInt32} BY state",
        {
            **where.parameters,
            "now_ms": now_ms,
            "until_ms": now_ms + within_ms,
            "since_ms": now_ms - within_ms,
            "limit": limit,
        },
    )
    for row in rows:
        row["remaining_s"] = (row["due_at_ms"] - now_ms) / 1000
    listed = [_as_record(row) for row in rows]
    return [row for row in listed if row["state"] == "running"], [row for row in listed if row["state"] == "breached"]


async def clocks_of(database: Questions, case_id: str, known: Known = NOW_KNOWN) -> list[Row]:
    """All clocks of a case in the order of their start, as outcome records."""
    rows = await database.rows(
        f"SELECT {_CLOCK_COLUMNS} FROM {known.outcomes(_RECORD, of='case_id = {case_id:String}')}"
        " ORDER BY started_at, clock, seq",
        {"case_id": case_id, **known.parameters},
    )
    return [_as_record(row) for row in rows]


async def events_of(database: Questions, case_id: str, known: Known = NOW_KNOWN) -> list[Row]:
    """The first 10,000 events of a case in the order they are applied; `body` is text, `_ms` are instants."""
    received = "" if known.as_of_ms is None else f" AND received_at <= {_instant('as_of_ms')}"
    return await database.rows(
        "SELECT event_id, type, toUnixTimestamp64Milli(occurred_at) AS occurred_at_ms,"
        " toUnixTimestamp64Milli(received_at) AS received_at_ms, body FROM events FINAL"
        f" WHERE case_id = {{case_id:String}}{received} ORDER BY occurred_at, event_id LIMIT {_EVENT_LIMIT}",
        {"case_id": case_id, **known.parameters},
    )


def _instant(parameter: str) -> str:
    return f"fromUnixTimestamp64Milli({{{parameter}:Int64}}, 'UTC')"


def _as_record(row: Row) -> Row:
    """Instants as text, in place of the milliseconds they were read as."""
    for name in _INSTANTS:
        if f"{name}_ms" in row:
            ms = row.pop(f"{name}_ms")
            row[name] = None if ms is None else times.text(ms)
    return row
