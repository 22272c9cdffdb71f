"""How a metric looks: its unit in Grafana's names, its thresholds from goal and direction, its description."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import FieldColorModeId, Threshold, ThresholdsMode

from schemas.metrics import Metric, Source

GOOD: Final = "green"
BAD: Final = "red"
PLAIN: Final = "text"
"""The colour of values that no goal judges."""


class Unit(NamedTuple):
    """A unit in Grafana's names, and how many decimals it is shown with."""

    name: str
    decimals: int


COUNT: Final = Unit("locale", 0)
"""To the last one, with separators: `short` would say 4 K."""
RATIO: Final = Unit("percentunit", 1)
SECONDS: Final = Unit("s", 1)

_UNITS: Final[Mapping[str, Unit]] = {
    "count": COUNT,
    "ratio": RATIO,
    "s": SECONDS,
    "score": Unit("none", 2),
    "points": Unit("none", 1),
    "1": Unit("none", 2),
}


def unit_of(metric: Metric) -> Unit:
    """The unit of a metric's values."""
    return _UNITS[metric.unit]


def described(metric: Metric) -> str:
    """What a reader of a panel should know: both titles, the formula in words and symbols, goal, caveats."""
    parts = [f"{metric.en} / {metric.zh}", metric.formula[:1].upper() + metric.formula[1:]]
    if metric.symbols != metric.formula:
        parts.append(f"In symbols: {metric.symbols}")
    if metric.goal is not None:
        parts.append(f"Goal {'≤' if metric.direction == 'down' else '≥'} {_number(metric, metric.goal)}")
    if metric.baseline is not None:
        parts.append(f"Baseline {_number(metric, metric.baseline)}")
    if metric.source is Source.OPEN:
        parts.append("As it stood at the end of the range")
    if metric.provisional:
        parts.append("Provisional until the repeat window after the range has passed")
    if metric.caveat:
        parts.append(metric.caveat.rstrip("."))
    return ". ".join(parts) + "."


def thresholds(metric: Metric | None) -> ThresholdsConfig:
    """Red on the wrong side of the goal, green on the other; plain where there is no goal."""
    steps = [Threshold(None, PLAIN)]
    if metric is not None and metric.goal is not None and metric.direction in ("up", "down"):
        below, above = (BAD, GOOD) if metric.direction == "up" else (GOOD, BAD)
        steps = [Threshold(None, below), Threshold(metric.goal, above)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def by_thresholds() -> FieldColor:
    """Values take the colour of their threshold."""
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def by_series() -> FieldColor:
    """Series take the colours of the palette."""
    return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)


def _number(metric: Metric, number: float) -> str:
    return f"{number:.0%}" if metric.unit == "ratio" else f"{number:g}{' s' if metric.unit == 's' else ''}"
