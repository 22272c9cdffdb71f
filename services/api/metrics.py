"""GET /v1/metrics and /v1/metrics/{id}."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas import times
from schemas.metrics import CATALOGUE, Metric
from services.api.answers import group_order, json_answer
from services.api.context import ContextDependency
from services.api.database import Row
from services.api.dimensions import check_groups, grouping
from services.api.freshness import freshness
from services.api.metric_queries import stated, sums
from services.api.parameters import MetricParameters
from services.api.ranges import Steps, refused, to_range, to_steps
from services.web.problems import Problem

router = APIRouter(prefix="/v1/metrics", tags=["Metrics"])


class CatalogueEntry(BaseModel):
    """What a metric means."""

    id: str
    en: str
    zh: str
    unit: str
    formula: str
    direction: str = Field(description="Which way is better: up, down, none.")
    goal: float | None = Field(description="Default goal in the metric's unit.")


class Catalogue(BaseModel):
    """All metrics."""

    metrics: list[CatalogueEntry]


class FreshnessModel(BaseModel):
    """How old the data is."""

    stream_time: str | None = Field(description="Everything before it is in.")
    behind_s: float | None
    late_share: float | None
    silent: list[str]


class MetricRow(BaseModel):
    """The metric in one group (and step). Carries the dimensions asked for with `by` besides."""

    model_config = ConfigDict(extra="allow")

    t: str | None = Field(default=None, description="Where the step begins; only with `step`.")
    value: float | None = Field(description="Null without denominator, never 0 instead.")
    n: int = Field(description="How many facts stand behind the value.")
    numerator: int
    denominator: int | None
    ci: tuple[float, float] | None = Field(description="Wilson's 95 % interval of a ratio.")
    provisional: bool


class MetricAnswer(BaseModel):
    """One metric."""

    id: str
    unit: str
    from_: str = Field(alias="from")
    to: str
    as_of: str
    freshness: FreshnessModel
    rows: list[MetricRow]


@router.get("", responses={200: {"model": Catalogue}})
async def get_metrics() -> Response:
    """The catalogue: each metric once, with its formula, unit and goal."""
    return json_answer({"metrics": [entry(metric) for metric in CATALOGUE.values()]})


@router.get("/{id}", responses={200: {"model": MetricAnswer}})
async def get_metric(
    id: Annotated[str, Path()], asked: Annotated[MetricParameters, Query()], context: ContextDependency
) -> Response:
    """One metric over a range (without one: the last 15 minutes), by dimension, step by step where `step` is given.

    Computed from one-minute slices: from, to and step must be whole minutes. With `step`, each group that has anything
    in the range has a row for every step.
    """
    metric = CATALOGUE.get(id)
    if metric is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no metric {id!r}; /v1/metrics lists them all")
    now = context.now()
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=now)
    if not range_.whole_minutes:
        raise refused("from, to", "metrics are kept in one-minute slices; both must be whole minutes.")
    steps = to_steps(range_, asked.step) if asked.step else None
    if steps and not steps.whole_minutes:
        raise refused("step", "metrics are kept in one-minute slices; steps must be whole minutes.")
    by = grouping(asked.by)
    found, fresh = await asyncio.gather(
        sums(context.database, by, asked.where(), range_, steps), freshness(context.database)
    )
    rows = _rows(metric, by, found, steps)
    about = {"id": metric.id, "unit": metric.unit, **range_.stated()}
    return json_answer(about | {"as_of": times.text(now), "freshness": fresh.stated(now), "rows": rows})


def entry(metric: Metric) -> dict[str, Any]:
    """A metric as the catalogue answers it."""
    return {
        "id": metric.id,
        "en": metric.en,
        "zh": metric.zh,
        "unit": metric.unit,
        "formula": metric.formula,
        "direction": metric.direction,
        "goal": metric.goal,
    }


def _rows(metric: Metric, by: tuple[str, ...], found: list[Row], steps: Steps | None) -> list[Row]:
    cells = {(tuple(row[name] for name in by), row.get("step")): row["sums"] for row in found}
    # Without `by` there is one group, even when nothing happened.
    groups = {group for group, _ in cells} if by else {()}
    check_groups(len(groups), steps.count if steps else 1)
    moments: list[tuple[int | None, Row]] = [(None, {})]
    if steps:
        moments = [(index, {"t": times.text(ms)}) for index, ms in enumerate(steps.starts)]
    return [
        moment | dict(zip(by, group, strict=True)) | stated(metric, cells.get((group, index), {}))
        for group in group_order(groups)
        for index, moment in moments
    ]
