"""What /v1/metrics answers, for the description."""

from pydantic import BaseModel, ConfigDict, Field

from schemas.metrics import ALIASES, Metric, Source
from schemas.rollup import DIMENSIONS
from services.api.database import Row


class CatalogueEntry(BaseModel):
    """What a metric means."""

    id: str
    aliases: list[str] = Field(description="Other ids that stand for it.")
    en: str
    zh: str
    unit: str = Field(description="count, ratio, s (seconds), score, points or 1 (a plain number).")
    formula: str
    symbols: str = Field(description="The formula over measures of the slices.")
    direction: str = Field(description="Which way is better: up, down, none.")
    goal: float | None = Field(description="Default goal in the metric's unit.")
    baseline: float | None = Field(description="Where the operation stood, in the metric's unit.")
    numerator: list[str] = Field(description="Measures that are added up, or taken off where a minus stands before.")
    denominator: list[str]
    dimensions: list[str] = Field(description="What it can be grouped and filtered by.")
    source: str = Field(description="slices: sums over a range; open: the cases open at an instant.")
    provisional: bool = Field(description="Later contacts may change it until the repeat window has passed.")
    caveat: str = Field(description="What a reader must know besides; mostly empty.")


class Catalogue(BaseModel):
    """All metrics."""

    metrics: list[CatalogueEntry]


class SilentModel(BaseModel):
    """A source or channel that sends nothing any more, though at its rate it should have."""

    kind: str = Field(description="source or channel.")
    name: str
    last_seen: str = Field(description="When its last event was received.")
    expected_per_min: float = Field(description="Its rate in the hour before that.")


class FreshnessModel(BaseModel):
    """How old and how complete the data is."""

    stream_time: str | None = Field(description="Everything before it is in. Null with `as_of`: that is not kept.")
    behind_s: float | None
    late_share: float | None = Field(
        description="Of the events in the range that pass the filters: how many came more than 2 s after their minute"
        " had ended. Null without any."
    )
    silent: list[SilentModel] = Field(description="At the end of the range, or now, where that is earlier.")
    folded: dict[str, int] = Field(
        description='By dimension, how much was booked under "other" because there are too many values.'
    )


class MetricRow(BaseModel):
    """The metric in one group (and step). Carries the dimensions asked for with `by` besides."""

    model_config = ConfigDict(extra="allow")

    t: str | None = Field(default=None, description="Where the step begins; only with `step`.")
    value: float | None = Field(description="Null without denominator, never 0 instead.")
    n: int = Field(description="How many facts stand behind the value.")
    numerator: float | None = Field(description="Null for quantiles and states.")
    denominator: int | None
    ci: tuple[float, float] | None = Field(
        description="95 % confidence interval: Wilson's of a proportion, normal of a mean."
    )
    provisional: bool = Field(description="True until the repeat window after the range (or step) has passed.")


class MetricAnswer(BaseModel):
    """One metric."""

    id: str
    unit: str
    from_: str = Field(alias="from")
    to: str
    as_of: str
    freshness: FreshnessModel
    rows: list[MetricRow]


def dimensions_of(metric: Metric) -> tuple[str, ...]:
    """What a metric can be grouped by."""
    return (*DIMENSIONS, "clock") if metric.by_clock else DIMENSIONS


def entry(metric: Metric) -> Row:
    """A metric as the catalogue answers it."""
    top, bottom = ([("-" if sign < 0 else "") + measure for sign, measure in terms] for terms in
                   (metric.top, metric.bottom))  # fmt: skip
    return {
        "id": metric.id,
        "aliases": [alias for alias, id in ALIASES.items() if id == metric.id],
        "en": metric.en,
        "zh": metric.zh,
        "unit": metric.unit,
        "formula": metric.formula,
        "symbols": metric.symbols,
        "direction": metric.direction,
        "goal": metric.goal,
        "baseline": metric.baseline,
        "numerator": top,
        "denominator": bottom,
        "dimensions": list(dimensions_of(metric)),
        "source": str(Source(metric.source)),
        "provisional": metric.provisional,
        "caveat": metric.caveat,
    }
