"""Metrics over slices, generically from the catalogue: sums first, formulas last.

Histograms stay in ClickHouse: what travels is the bucket of a quantile with the total, or the variance's moments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from schemas.metrics import Measure, Metric, MetricValue, Sums, sql
from services.api.database import Questions, Row
from services.api.slices import SliceQuery, summed

Group: TypeAlias = tuple[Any, ...]

_ARRIVALS: Final = (Measure.EVENTS, Measure.EVENTS_LATE)


@dataclass(slots=True)
class Cells:
    """A metric's values by group and step (None without steps), and the share of events that came late."""

    values: dict[tuple[Group, int | None], MetricValue] = field(default_factory=dict)
    events: int = 0
    events_late: int = 0

    @property
    def late_share(self) -> float | None:
        """Of all events of the range; None without any."""
        return self.events_late / self.events if self.events else None


async def of_slices(database: Questions, metric: Metric, query: SliceQuery) -> Cells:
    """The metric by group and step, for groups that have any slice. Clock slices do not count events."""
    if query.kind == "clock":
        sums = [f"sum({sql.CLOCK_SUMS[measure]}) AS {measure}" for measure in sorted(metric.measures)]
        rows = await summed(database, query, ("met", "breached"), sums)
    else:
        columns, sums = _contact_sums(metric)
        rows = await summed(database, query, columns, sums)
    cells = Cells()
    for row in rows:
        cells.events += row.get(Measure.EVENTS, 0)
        cells.events_late += row.get(Measure.EVENTS_LATE, 0)
        group = tuple(row[name] for name in query.by)
        cells.values[group, row.get("step")] = metric.compute(_sums(metric, row))
    return cells


async def arrivals(database: Questions, query: SliceQuery) -> Cells:
    """Only the share of events that came late."""
    [row] = await summed(database, query, _ARRIVALS, [f"sum({name}) AS {name}" for name in _ARRIVALS])
    return Cells({}, row[Measure.EVENTS], row[Measure.EVENTS_LATE])


def _contact_sums(metric: Metric) -> tuple[list[str], list[str]]:
    """The columns that a metric reads, and the aggregates over them."""
    measures = sorted({*metric.measures, *_ARRIVALS})
    columns, sums = [*measures, *metric.histograms], [f"sum({name}) AS {name}" for name in measures]
    if metric.distinct:
        columns.append("customers")
        sums.append("uniqExactArray(customers) AS different")
    if metric.histograms:
        asked = metric.histograms
        sums += _moments(asked) if metric.quantile is None else _quantile(metric.quantile, asked)
    return columns, sums


def _quantile(quantile: float, histograms: Sequence[str]) -> Iterator[str]:
    yield f"{sql.bucket_of_quantile(quantile, histograms)} AS bucket"
    yield f"{sql.total(histograms)} AS total"


def _moments(histograms: Sequence[str]) -> Iterator[str]:
    yield f"{sql.total(histograms)} AS total"
    for name, term in (("first_moment", "v"), ("second_moment", "v * v")):
        values = f"arrayMap(b -> {sql.value_of('b')}, mapKeys(%s))"
        parts = (
            f"arraySum((v, n) -> {term} * n, {values % histogram}, mapValues({histogram}))" for histogram in histograms
        )
        yield f"sum({' + '.join(parts)}) AS {name}"


def _sums(metric: Metric, row: Row) -> Sums:
    """What the formula is worked out of. A quantile's histogram is its one bucket with all in it."""
    counts = {measure: row[measure] for measure in metric.measures}
    histograms = {metric.durations[0]: {row["bucket"]: row["total"]}} if "bucket" in row else {}
    return Sums(counts, histograms, row.get("different", 0), _variance(row) if "second_moment" in row else None)


def _variance(row: Row) -> float | None:
    n = row["total"]
    return (row["second_moment"] - row["first_moment"] ** 2 / n) / (n - 1) if n > 1 else None
