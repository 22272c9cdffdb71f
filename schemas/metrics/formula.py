"""What a metric is and how its value is worked out of sums: pure, the same for stream, replay, API and tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.metrics.histogram import Histogram, quantile, variance

_Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""

Terms = tuple[tuple[int, str], ...]
"""(sign, measure) each."""


class Source(StrEnum):
    """Where a metric's facts are."""

    SLICES = "slices"
    """Sums over the one-minute slices of a range."""
    OPEN = "open"
    """The cases that are open at an instant: the present, or the end of a step."""


class Interval(StrEnum):
    """How a metric's 95 % confidence interval is worked out."""

    SHARE = "share"
    """Wilson's, of a proportion (Wilson 1927; Agresti and Coull 1998)."""
    MEAN = "mean"
    """Mean +- z x s / sqrt(n)."""
    NPS = "nps"
    """The same, of answers that count 1, 0 or -1."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Sums:
    """What a metric is worked out of: counts by measure, histograms by duration, how many different customers.

    `spread` is the sample variance of the durations in ms², where whoever summed up has worked it out already.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    customers: int = 0
    spread: float | None = None


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric's value with what it rests on.

    `value` is None where nothing stands behind it. Numerator and denominator are in the metric's unit where the value
    is simply their quotient; a quantile, or a state, has no numerator.
    """

    value: float | None
    n: int
    numerator: float | None
    denominator: int | None
    ci: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: scale x (sum of `top`) / (sum of `bottom`) + offset, or a quantile of `durations`.

    Without `bottom` it is a count. `direction` tells which way is better (up, down, none), `goal` the default target
    and `baseline` where the operation stood, both in the metric's unit. `n` of a value is its denominator (a count's n
    is the count). `squares` is the measure that sums the squares of what `top` sums, for the interval of a mean.
    `provisional`: later contacts may still change it until the repeat window of a range has passed. `by_clock`: may
    also be grouped and filtered by clock. `caveat` is what a reader must know besides.
    """

    id: str
    en: str
    zh: str
    unit: str
    formula: str
    top: Terms = ()
    bottom: Terms = ()
    scale: float = 1.0
    offset: float = 0.0
    durations: tuple[str, ...] = ()
    quantile: float | None = None
    distinct: bool = False
    direction: str = "up"
    goal: float | None = None
    baseline: float | None = None
    interval: Interval = Interval.NONE
    squares: str | None = None
    source: Source = Source.SLICES
    provisional: bool = False
    by_clock: bool = False
    caveat: str = ""

    @property
    def measures(self) -> frozenset[str]:
        """All measures that its value and interval read."""
        return frozenset(m for _, m in self.top + self.bottom) | ({self.squares} if self.squares else set())

    @property
    def histograms(self) -> tuple[str, ...]:
        """The durations whose histograms its value or interval reads."""
        return self.durations if self.quantile is not None or self.interval is Interval.MEAN else ()

    @property
    def symbols(self) -> str:
        """The formula in symbols, over measures."""
        if self.source is Source.OPEN:
            return self.formula
        if self.distinct:
            return "|{customer_id of opened}|"
        if self.quantile is not None:
            return f"Q_{self.quantile:g}({' ∪ '.join(self.durations)})"
        top = _written(self.top)
        if not self.bottom:
            return top
        ratio = f"({top}) / ({_written(self.bottom)})"
        scaled = ratio if self.scale == 1 else f"{self.scale:g} × {ratio}"
        return scaled if not self.offset else f"{scaled} {'+' if self.offset > 0 else '−'} {abs(self.offset):g}"

    def compute(self, sums: Sums) -> MetricValue:
        """The metric over summed measures; measures that are missing count as 0."""
        if self.distinct:
            return MetricValue(sums.customers, sums.customers, sums.customers, None)
        counts = sums.counts
        n = sum(sign * counts.get(m, 0) for sign, m in self.bottom)
        if self.quantile is not None:
            ms = quantile(_merged(self.durations, sums.histograms), self.quantile)
            return MetricValue(None if ms is None else ms / 1000, n, None, n)
        top = sum(sign * counts.get(m, 0) for sign, m in self.top)
        if not self.bottom:
            return MetricValue(top, top, top, None)
        numerator = top / 1000 if self.durations else top
        value = self.offset + self.scale * top / n if n else None
        return MetricValue(value, n, numerator, n, self._interval(sums, top, n))

    def of_open(self, ages_ms: Sequence[int], waits_ms: Sequence[int]) -> MetricValue:
        """A metric of `Source.OPEN` over the cases open at an instant: how long each has been open, and how long those
        have waited that no human has taken yet."""
        found = waits_ms if self.id in ("waiting", "oldest_waiting") else ages_ms
        n = len(found)
        if self.id == "oldest_waiting":
            return self.of_state(n, max(found, default=None))
        if self.quantile is not None and n:
            return self.of_state(n, sorted(found)[max(1, math.ceil(self.quantile * n - 1e-9)) - 1])
        return self.of_state(n, sum(found))

    def of_state(self, n: int, ms: int | None) -> MetricValue:
        """A metric of `Source.OPEN` over n cases (those that wait, or all) of which `ms` is the longest wait, the
        quantile or the total, as the metric asks."""
        if self.unit == "count":
            return MetricValue(n, n, n, None)
        if self.id == "oldest_waiting":
            return MetricValue(None if not n or ms is None else ms / 1000, n, None, None)
        if not n or ms is None:
            return MetricValue(None, 0, None, 0)
        if self.quantile is not None:
            return MetricValue(ms / 1000, n, None, n)
        return MetricValue(ms / 1000 / n, n, ms / 1000, n)

    def _interval(self, sums: Sums, top: int, n: int) -> tuple[float, float] | None:
        if self.interval is Interval.SHARE:
            return wilson(top, n)
        if n < 2:
            return None
        spread: float | None = None
        if self.interval is Interval.NPS:
            answered = sum(sums.counts.get(m, 0) for _, m in self.top)  # promoters and detractors: squares of +-1
            spread = (answered - top * top / n) / (n - 1)
        elif self.interval is Interval.MEAN and self.squares is not None:
            spread = (sums.counts.get(self.squares, 0) - top * top / n) / (n - 1)
        elif self.interval is Interval.MEAN:
            merged = _merged(self.durations, sums.histograms)
            spread = variance(merged) if sums.spread is None else sums.spread
        if spread is None:
            return None
        mean, half = top / n, _Z95 * math.sqrt(max(spread, 0.0) / n)
        return self.offset + self.scale * (mean - half), self.offset + self.scale * (mean + half)


def wilson(top: int, n: int) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a proportion; None where it is no share of a whole.

    Ratios such as surveys to resolved cases can pass 1 in a short window: what is counted above belongs to cases
    counted below in an earlier one.
    """
    if not n or not 0 <= top <= n:
        return None
    share, z2 = top / n, _Z95**2
    centre = share + z2 / (2 * n)
    spread = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _merged(names: tuple[str, ...], histograms: Mapping[str, Histogram]) -> Histogram:
    if len(names) == 1:
        return histograms.get(names[0], {})
    merged: dict[int, int] = {}
    for name in names:
        for bucket, n in histograms.get(name, {}).items():
            merged[bucket] = merged.get(bucket, 0) + n
    return merged


def _written(terms: Terms) -> str:
    return "".join(
        (" + " if sign > 0 else " − ") * bool(place) + ("−" if sign < 0 and not place else "") + measure
        for place, (sign, measure) in enumerate(terms)
    )
