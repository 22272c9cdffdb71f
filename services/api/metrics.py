"""GET /v1/metrics and /v1/metrics/{id}."""

import asyncio
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from schemas import times
from schemas.metrics import ALIASES, CATALOGUE, Metric, MetricValue, Source, Sums, find_metric
from schemas.policy import DAY_MS
from services.api.answers import CSV_ANSWER, group_order, rows_answer
from services.api.context import Context, ContextDependency
from services.api.database import Row
from services.api.dimensions import check_groups, grouping
from services.api.history import Known, known_at
from services.api.metric_models import Catalogue, CatalogueEntry, MetricAnswer, dimensions_of, entry
from services.api.metric_queries import Cells, Group, arrivals, of_slices
from services.api.open_cases import OpenQuery, open_at, open_by_step
from services.api.parameters import MetricParameters
from services.api.ranges import Range, Steps, refused, to_range, to_steps
from services.api.slices import SliceQuery
from services.web.problems import Problem

router = APIRouter(prefix="/v1/metrics", tags=["Metrics"])

VALUE_COLUMNS: Final = ("value", "n", "numerator", "denominator", "ci", "provisional")

_REPEAT_WINDOW_MS: Final = 7 * DAY_MS
"""The policy's default, where no policy can be read."""


@router.get("", responses={200: {"model": Catalogue, "content": CSV_ANSWER}})
async def get_metrics(request: Request) -> Response:
    """The catalogue: each metric once, with its formula, unit and goal."""
    rows = [entry(metric) for metric in CATALOGUE.values()]
    return rows_answer(request, {"metrics": rows}, tuple(CatalogueEntry.model_fields), rows="metrics")


@router.get("/{id}", responses={200: {"model": MetricAnswer, "content": CSV_ANSWER}})
async def get_metric(
    id: Annotated[str, Path(max_length=100)],
    asked: Annotated[MetricParameters, Query()],
    request: Request,
    context: ContextDependency,
) -> Response:
    """One metric over a range (without one: the last 15 minutes), by dimension, step by step where `step` is given.

    Computed from one-minute slices: from, to and step must be whole minutes. With `step`, each group that has anything
    in the range has a row for every step.

    Metrics of what is open (`source` in the catalogue) are about the present, whatever the range; with `step` about the
    end of each step, and null for steps that have not begun.

    With `as_of` the answer is the one that could be given then, and a `window` ends with the minute that held that
    instant. Rows as CSV with `Accept: text/csv`.
    """
    metric = find_metric(id)
    if metric is None:
        raise Problem(HTTPStatus.NOT_FOUND, _unknown(id))
    now = context.now()
    known = known_at(asked.as_of, now, context.settings.histories_retention_days)
    moment = known.moment(now)
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=moment)
    if not range_.whole_minutes:
        raise refused("from, to", "metrics are kept in one-minute slices; both must be whole minutes.")
    steps = to_steps(range_, asked.step) if asked.step else None
    if steps and not steps.whole_minutes:
        raise refused("step", "metrics are kept in one-minute slices; steps must be whole minutes.")
    if asked.clock and not metric.by_clock:
        raise refused("clock", f"{metric.id} is not kept by clock.")
    by = grouping(asked.by, dimensions_of(metric))
    cells, (fresh, silent) = await asyncio.gather(
        _cells(context, metric, asked, by, range_, steps, known, moment),
        context.fresh.read(context.database, now, min(moment, range_.to_ms)),
    )
    rows = _rows(metric, by, cells.values, steps, _settled_ms(context, metric, fresh.stream_time, known), range_)
    stamp = fresh.stated(now) | {"late_share": cells.late_share, "silent": silent}
    if known.as_of_ms is not None:
        stamp |= {"stream_time": None, "behind_s": None}
    about = {"id": metric.id, "unit": metric.unit, **range_.stated(), "as_of": times.text(moment), "freshness": stamp}
    return rows_answer(request, about | {"rows": rows}, (*(("t",) if steps else ()), *by, *VALUE_COLUMNS))


async def _cells(
    context: Context,
    metric: Metric,
    asked: MetricParameters,
    by: Sequence[str],
    range_: Range,
    steps: Steps | None,
    known: Known,
    moment: int,
) -> Cells:
    """The metric's values, and how many events of the range came late."""
    database = context.database
    of_clocks = metric.by_clock and ("clock" in by or bool(asked.clock))
    if metric.source is Source.SLICES and not of_clocks:
        return await of_slices(database, metric, SliceQuery("contact", by, asked.dimensions(), range_, steps, known))
    late = arrivals(database, SliceQuery("contact", (), asked.dimensions(), range_, None, known))
    if of_clocks:
        query = SliceQuery("clock", by, asked.where(), range_, steps, known)
        cells, come = await asyncio.gather(of_slices(database, metric, query), late)
        return Cells(cells.values, come.events, come.events_late)
    open_query = OpenQuery(by, asked.dimensions(), known)
    values, come = await asyncio.gather(_open(context, metric, open_query, steps, moment), late)
    return Cells(dict(values), come.events, come.events_late)


async def _open(
    context: Context, metric: Metric, query: OpenQuery, steps: Steps | None, moment: int
) -> Mapping[tuple[Group, int | None], MetricValue]:
    if steps:
        return await open_by_step(context.database, metric, query, steps, moment)
    present = await open_at(context.database, metric, query, moment, now=query.known.as_of_ms is None)
    return {(group, None): value for group, value in present.items()}


def _settled_ms(context: Context, metric: Metric, stream_time: int | None, known: Known) -> int | None:
    """Facts before it can change no more but by late events; None where the metric is of the kind that never does."""
    if not metric.provisional:
        return None
    watch = context.policy.look()
    window = watch.file.metrics.repeat_window if watch else _REPEAT_WINDOW_MS
    reached = stream_time if known.as_of_ms is None else known.as_of_ms
    return (reached or 0) - window


def _rows(
    metric: Metric,
    by: tuple[str, ...],
    cells: Mapping[tuple[Group, int | None], MetricValue],
    steps: Steps | None,
    settled_ms: int | None,
    range_: Range,
) -> list[Row]:
    # Without `by` there is one group, even when nothing happened.
    groups = {group for group, _ in cells} if by else {()}
    check_groups(len(groups), steps.count if steps else 1)
    nothing = metric.of_state(0, None) if metric.source is Source.OPEN else metric.compute(Sums())
    moments: list[tuple[int | None, Row, int]] = [(None, {}, range_.to_ms)]
    if steps:
        ends = [*steps.starts[1:], range_.to_ms]
        moments = [(index, {"t": times.text(ms)}, ends[index]) for index, ms in enumerate(steps.starts)]
    return [
        at
        | dict(zip(by, group, strict=True))
        | _stated(cells.get((group, index), nothing), settled_ms is not None and end_ms > settled_ms)
        for group in group_order(groups)
        for index, at, end_ms in moments
    ]


def _stated(value: MetricValue, provisional: bool) -> Row:
    return {
        "value": value.value,
        "n": value.n,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "ci": value.ci,
        "provisional": provisional,
    }


def _unknown(id: str) -> str:
    known = [*CATALOGUE, *ALIASES]
    near = get_close_matches(id.lower(), known, n=3) or [name for name in known if id.lower() in name][:3]
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return f"there is no metric {id!r}; {guess}/v1/metrics lists them all"
