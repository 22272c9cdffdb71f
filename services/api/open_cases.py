"""Metrics over the cases that are open at an instant: the backlog, its age, and who waits for a human.

A case is open from each of its `opens` to the `ends` of the same place, or without end. It waits while it is open and
neither connected nor answered by a human. Ages count from contact.opened, waits from when it was queued.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from schemas.metrics import Metric, MetricValue
from schemas.metrics.sql import exact_level
from services.api.database import Questions, Row
from services.api.dimensions import Where, row_limit
from services.api.history import AS_OF, NOW_KNOWN, Known
from services.api.metric_queries import Group
from services.api.ranges import Steps

_WAITING: Final = ("waiting", "oldest_waiting")
_NEVER: Final = 2**62
_AHEAD_MS: Final = 65 * 60_000
"""Events dated further ahead than an hour are dead letters: whatever ends later than now was told of within it."""

_ENDED: Final = f"arrayResize(arrayMap(at -> toUnixTimestamp64Milli(at), ends), length(opens), toInt64({_NEVER}))"
_COLUMNS: Final = ("opened_at", "queued_at", "connected_at", "answered_at", "opens", "ends", "withdrawn")


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """Which cases: those that pass `where` by their present dimensions, grouped by the columns `by`."""

    by: Sequence[str]
    where: Where
    known: Known = NOW_KNOWN


async def open_at(
    database: Questions, metric: Metric, query: OpenQuery, at_ms: int, *, now: bool
) -> Mapping[Group, MetricValue]:
    """The metric at an instant, by group. `now`: the instant is the present, which is found without looking at cases
    that ended long ago."""
    recent = f"open OR told_at >= {_instant('at_ms')} - toIntervalMillisecond({_AHEAD_MS})"
    past = f"opened_at <= {_instant('at_ms')} AND (open OR ends[-1] > {_instant('at_ms')})"
    source = _spans(metric, query, recent if now else past)
    sql = (
        f"SELECT {_listed(query.by)}count() AS n, {_state(metric, '{at_ms:Int64}')} AS ms FROM {source}"
        f" WHERE begin <= {{at_ms:Int64}} AND {{at_ms:Int64}} < end{_grouped(query.by)} LIMIT {row_limit(False)}"
    )
    rows = await database.rows(sql, {**query.where.parameters, **query.known.parameters, "at_ms": at_ms})
    return {tuple(row[name] for name in query.by): metric.of_state(row["n"], row["ms"]) for row in rows}


async def open_by_step(
    database: Questions, metric: Metric, query: OpenQuery, steps: Steps, moment_ms: int
) -> Mapping[tuple[Group, int | None], MetricValue]:
    """The metric at the end of each step (at `moment_ms`, where that is earlier), by group and step. Nothing is said of
    steps that begin later. Groups have a value for each of the others, where they have any."""
    ends = [min(start + steps.step_ms, steps.range.to_ms, moment_ms) for start in steps.starts if start <= moment_ms]
    if not ends:
        return {}
    span = f"(begun, ended) -> {_index(_ms('begun'))} < {_index('ended')}"
    of = f"opened_at <= {_instant('last_ms')} AND arrayExists({span}, opens, {_ENDED})"
    source = _spans(metric, query, of)
    parameters = {
        **query.where.parameters,
        **query.known.parameters,
        "from_ms": steps.range.from_ms,
        "step_ms": steps.step_ms,
        "last_ms": ends[-1],
        "count": len(ends),
    }
    changes = metric.quantile is None and metric.id != "oldest_waiting"
    sql = (_changes if changes else _expanded)(metric, query.by, source)
    rows = await database.rows(sql, parameters)
    if not changes:
        return {
            (tuple(row[name] for name in query.by), row["step"]): metric.of_state(row["n"], row["ms"]) for row in rows
        }
    return _cumulated(metric, query.by, rows, ends)


def _changes(metric: Metric, by: Sequence[str], source: str) -> str:
    """By how much the number of open cases, and the sum of when they were opened, differ from the step before."""
    return (
        f"SELECT {_listed(by)}change.1 AS step, sum(change.2) AS n, sum(change.2 * since) AS sinces FROM"
        f" (SELECT {_listed(by)}since, arrayJoin([(first, 1), (after, -1)]) AS change FROM {_stepped(source)})"
        f" WHERE step < {{count:Int64}}{_grouped((*by, 'step'))} ORDER BY {_listed(by)}step LIMIT {row_limit(True)}"
    )


def _expanded(metric: Metric, by: Sequence[str], source: str) -> str:
    """Each open case at each step's end."""
    at = "least({from_ms:Int64} + (step + 1) * {step_ms:Int64}, {last_ms:Int64})"
    return (
        f"SELECT {_listed(by)}step, count() AS n, {_state(metric, at)} AS ms FROM"
        f" (SELECT {_listed(by)}since, opened, arrayJoin(range(first, after)) AS step FROM {_stepped(source)})"
        f" GROUP BY {_listed(by)}step LIMIT {row_limit(True)}"
    )


def _stepped(source: str) -> str:
    """Spans with the first step at whose end they stand, and the first after that at whose end they do not."""
    first, after = _index("begin"), _index("end")
    return f"(SELECT *, toInt64({first}) AS first, toInt64({after}) AS after FROM {source} WHERE first < after)"


def _index(ms: str) -> str:
    """The step whose end is the first at or after an instant; the last one may end earlier than its length says."""
    ceiling = f"intDiv({ms} - {{from_ms:Int64}} + {{step_ms:Int64}} - 1, {{step_ms:Int64}}) - 1"
    return f"if({ms} > {{last_ms:Int64}}, {{count:Int64}}, greatest(0, least({{count:Int64}} - 1, {ceiling})))"


def _cumulated(
    metric: Metric, by: Sequence[str], rows: Sequence[Row], ends: Sequence[int]
) -> dict[tuple[Group, int | None], MetricValue]:
    values: dict[tuple[Group, int | None], MetricValue] = {}
    for group, changes in groupby(rows, lambda row: tuple(row[name] for name in by)):
        by_step = {row["step"]: row for row in changes}
        n = since = 0
        for step, at in enumerate(ends):
            if step in by_step:
                n, since = n + by_step[step]["n"], since + by_step[step]["sinces"]
            values[group, step] = metric.of_state(n, n * at - since)
    return values


def _spans(metric: Metric, query: OpenQuery, of: str) -> str:
    """A row for each span of time in which a case was open (or waited, where the metric is about that): `begin` and
    `end`, `since` when its age counts, `opened`; all ms. `of` is true of any version of a case that may matter."""
    of = f"instance IN (SELECT instance FROM cases WHERE {of})" + (
        ""
        if query.known.as_of_ms is None
        else f" OR instance IN (SELECT instance FROM case_history WHERE told_at <= {AS_OF} AND {of})"
    )
    columns = [*dict.fromkeys((*query.by, *query.where.columns, *_COLUMNS))]
    source = query.known.newest("cases", "case_history", "case_id", columns, f"({of})")
    taken = [f"ifNull({_ms(name)}, {_NEVER})" for name in ("connected_at", "answered_at")]
    until, since = str(_NEVER), "opened"
    if metric.id in _WAITING:
        until, since = f"least({', '.join(taken)})", f"ifNull({_ms('queued_at')}, opened)"
    return (
        f"(SELECT {_listed(query.by)}{_ms('opened_at')} AS opened, {since} AS since, {_ms('begun')} AS begin,"
        f" least({until}, ended) AS end FROM {source} ARRAY JOIN opens AS begun, {_ENDED} AS ended"
        f" WHERE withdrawn = 0 AND {query.where.sql} AND begin < end)"
    )


def _state(metric: Metric, at: str) -> str:
    """What `Metric.of_state` asks for, over rows with `since` at an instant in ms."""
    if metric.id == "oldest_waiting":
        # Queued later than that, it had waited since it was opened.
        return f"max({at} - if(since <= {at}, since, opened))"
    age = f"{at} - since"
    if metric.quantile is not None:
        return f"quantileExactWeighted({exact_level(metric.quantile)})({age}, toUInt64(1))"
    return f"sum({age})"


def _listed(by: Sequence[str]) -> str:
    return "".join(f"{name}, " for name in by)


def _grouped(by: Sequence[Any]) -> str:
    return f" GROUP BY {', '.join(by)}" if by else ""


def _ms(column: str) -> str:
    return f"toUnixTimestamp64Milli({column})"


def _instant(parameter: str) -> str:
    return f"fromUnixTimestamp64Milli({{{parameter}:Int64}}, 'UTC')"
