"""Query parameters as the endpoints share them. Unknown ones are refused: a mistyped filter must not be ignored."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from schemas.rollup import DIMENSIONS
from services.api.dimensions import Where, filters
from services.api.history import HISTORY_DAYS

Values: TypeAlias = list[Annotated[str, Field(max_length=256)]]

_ANY_OF = "Only these; may be given several times. The empty value means: has none."


class DimensionFilters(BaseModel):
    """Any dimension as a filter."""

    model_config = ConfigDict(extra="forbid")

    channel: Values = Field(default=[], max_length=100, description=_ANY_OF)
    team: Values = Field(default=[], max_length=100, description=_ANY_OF)
    agent_id: Values = Field(default=[], max_length=100, description=_ANY_OF)
    priority: Values = Field(default=[], max_length=100, description=_ANY_OF)
    customer_tier: Values = Field(default=[], max_length=100, description=_ANY_OF)
    category: Values = Field(default=[], max_length=100, description=_ANY_OF)
    queue: Values = Field(default=[], max_length=100, description=_ANY_OF)

    def dimensions(self) -> Where:
        """The filters by dimension as an SQL condition."""
        return filters({name: getattr(self, name) for name in DIMENSIONS})

    def where(self) -> Where:
        """All filters as an SQL condition."""
        return self.dimensions()


class ClockFilters(DimensionFilters):
    """Dimensions and the clock as filters."""

    clock: Values = Field(default=[], max_length=100, description="Only these clocks; may be given several times.")

    def where(self) -> Where:
        """All filters as an SQL condition."""
        return filters({name: getattr(self, name) for name in ("clock", *DIMENSIONS)})


class PeriodParameters(BaseModel):
    """A range of time."""

    model_config = ConfigDict(extra="forbid")

    window: str | None = Field(
        default=None, examples=["15m"], description="The last so many whole minutes, up to the end of the current one."
    )
    from_: str | None = Field(default=None, alias="from", description="RFC 3339 with offset; needs `to`.")
    to: str | None = Field(default=None, description="RFC 3339 with offset; not in the range itself.")


class RangeParameters(PeriodParameters):
    """A range of time and how to group what lies in it."""

    by: str | None = Field(default=None, examples=["team,channel"], description="Dimensions, comma separated.")


class AsOfParameters(BaseModel):
    """A moment in the past to answer for."""

    model_config = ConfigDict(extra="forbid")

    as_of: str | None = Field(
        default=None,
        description="RFC 3339 with offset: answer as known then. A time in the future means now. What was told is kept"
        f" for {HISTORY_DAYS} days, or as long as the operator has set.",
    )


class ComplianceParameters(ClockFilters, RangeParameters, AsOfParameters):
    """Parameters of /v1/sla/compliance."""


class TimeseriesParameters(ClockFilters, RangeParameters, AsOfParameters):
    """Parameters of /v1/sla/timeseries."""

    step: str = Field(default="1m", description="Length of a step; the last one ends with the range.")


class MetricParameters(ClockFilters, RangeParameters, AsOfParameters):
    """Parameters of /v1/metrics/{id}."""

    by: str | None = Field(
        default=None,
        examples=["team,channel"],
        description="Dimensions, comma separated; also `clock` where the metric is kept by clock.",
    )
    step: str | None = Field(default=None, description="Whole minutes; without it one row a group for the whole range.")


class CallbackParameters(DimensionFilters, PeriodParameters, AsOfParameters):
    """Parameters of /v1/callbacks."""

    case_id: Values = Field(default=[], max_length=100, description="Only call-backs of these cases.")
    state: list[Literal["running", "paused", "met", "breached", "cancelled"]] = Field(
        default=[], max_length=5, description="Only these; may be given several times."
    )
    limit: int = Field(default=1000, ge=1, le=10_000, description="At most so many rows.")


class AtRiskParameters(ClockFilters):
    """Parameters of /v1/cases/at-risk."""

    within: str = Field(default="15m", description="How soon a clock must be due to be listed.")
    limit: int = Field(default=100, ge=1, le=1000, description="At most so many rows; clocks not yet due come first.")
    overdue: bool = Field(
        default=False, description="Also clocks that were breached no longer than `within` ago and still run."
    )
