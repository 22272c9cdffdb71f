"""The catalogue's formulas in ClickHouse's SQL, and the statements round them.

Statements hold macros of Grafana's ClickHouse plugin. Every table is read with FINAL: the newest version of each row.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.metrics import Metric, Source
from schemas.metrics.formula import Terms
from schemas.metrics.sql import CLOCK_SUMS, bucket_of_quantile, total, value_of

NONE: Final = "(none)"
"""How "has no value" of a dimension is shown and chosen."""

AT: Final = "at"
"""The instant that states are about: the end of the range, the present where that lies ahead. See `at_end`."""

IN_RANGE: Final = "$__timeFilter(slice)"
ENDED_IN_RANGE: Final = "$__timeFilter_ms(ended_at)"

_NEVER: Final = "toDateTime64('2299-12-31 00:00:00', 3, 'UTC')"


def at_end(statement: str) -> str:
    """A statement that speaks of `AT`, with what that is."""
    return f"WITH least($__toTime_ms, now64(3, 'UTC')) AS {AT}\n{statement}"


def quoted(name: str) -> str:
    """A name as it may stand after AS."""
    return '"' + name.replace('"', '\\"') + '"'


def shown(dimension: str) -> str:
    """A dimension's value with a name for "has none"."""
    return f"ifNull({dimension}, '{NONE}')"


def chosen(names: Iterable[str]) -> list[str]:
    """A condition for each column of which a board variable of the same name chooses values; none where it says All."""
    return [f"$__conditionalAll({shown(name)} IN (${{{name}:singlequote}}), ${name})" for name in names]


def summed(terms: Terms, *, of_clocks: bool = False) -> str:
    """The sum of a formula's terms over contact slices, or over clock slices."""
    parts = []
    for place, (sign, measure) in enumerate(terms):
        column = CLOCK_SUMS[measure] if of_clocks else measure
        parts.append(("" if sign > 0 and not place else " + " if sign > 0 else " - ") + f"sum({column})")
    return "".join(parts).strip()


def quotient(metric: Metric, top: str, bottom: str) -> str:
    """The metric's value over its summed terms; NULL without denominator."""
    ratio = f"({top}) / nullIf({bottom}, 0)"
    scaled = ratio if metric.scale == 1 else f"{metric.scale:g} * {ratio}"
    return scaled if not metric.offset else f"{scaled} + ({metric.offset:g})"


def value(metric: Metric, *, of_clocks: bool = False) -> str:
    """The metric's value as an aggregate over slices. Raises ValueError for metrics about an instant."""
    if metric.source is Source.OPEN:
        raise ValueError(f"{metric.id} is not kept in slices")
    if metric.distinct:
        return "uniqExactArray(customers)"
    if metric.quantile is not None:
        return _quantile(metric, metric.quantile)
    top = summed(metric.top, of_clocks=of_clocks)
    return quotient(metric, top, summed(metric.bottom, of_clocks=of_clocks)) if metric.bottom else top


def _quantile(metric: Metric, level: float) -> str:
    """The quantile in seconds; NULL of nothing."""
    found = value_of(bucket_of_quantile(level, metric.durations), metric.id.replace(".", "_") + "_bucket")
    return f"if({total(metric.durations)} <= 0, NULL, {found} / 1000)"


def select(
    columns: Mapping[str, str],
    source: str,
    where: Iterable[str] = (),
    *,
    group: Iterable[str] = (),
    order: Iterable[str] = (),
    limit: int | None = None,
) -> str:
    """A statement: expressions by the names they get, grouped and ordered by some of those names."""
    lines = ["SELECT\n  " + ",\n  ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items()), f"FROM {source}"]
    if conditions := list(where):
        lines.append("WHERE " + "\n  AND ".join(conditions))
    if groups := [quoted(name) for name in group]:
        lines.append("GROUP BY " + ", ".join(groups))
    if orders := list(order):
        lines.append("ORDER BY " + ", ".join(orders))
    if limit is not None:
        lines.append(f"LIMIT {limit}")
    return "\n".join(lines)


def over_slices(
    table: str, columns: Mapping[str, str], *, by: Iterable[str] = (), steps: bool = False, only: Iterable[str] = ()
) -> str:
    """Aggregates over the slices of the range, by dimension, step by step where `steps` is set; `only` names the
    columns that variables choose values of."""
    keys = {"time": "$__timeInterval(slice)"} if steps else {}
    keys |= {name: "clock" if name == "clock" else shown(name) for name in by}
    where = [IN_RANGE, *chosen(only)]
    return select({**keys, **columns}, f"{table} FINAL", where, group=keys, order=[quoted(name) for name in keys])


def open_cases(columns: Mapping[str, str], *, by: Mapping[str, str] | None = None, waiting: bool = False) -> str:
    """Aggregates over the cases that are open at the instant `AT`: or, of those, which wait for a human.

    `age` and `wait` are seconds, `waits` is true of those that wait.
    """
    # The key is looked up first: all versions of few cases are read, not all cases.
    candidates = f"opened_at <= {AT} AND (open OR ends[-1] > {AT})"
    ends = f"arrayResize(ends, length(opens), {_NEVER})"
    spans = f"arrayExists((begun, ended) -> begun <= {AT} AND {AT} < ended, opens, {ends})"
    waits = " AND ".join(f"({name} IS NULL OR {name} > {AT})" for name in ("connected_at", "answered_at"))
    inner = select(
        {
            **(by or {}),
            "age": f"dateDiff('millisecond', opened_at, {AT}) / 1000",
            "wait": f"dateDiff('millisecond', if(queued_at <= {AT}, assumeNotNull(queued_at), opened_at), {AT}) / 1000",
            "waits": waits,
        },
        "cases FINAL",
        [f"case_id IN (SELECT case_id FROM cases WHERE {candidates})", "withdrawn = 0", spans],
    )
    counted = select(
        {**{name: quoted(name) for name in by or {}}, **columns},
        f"(\n{inner}\n)",
        ["waits"] if waiting else [],
        group=by or (),
        order=[quoted(name) for name in by or ()],
    )
    return at_end(counted)
