"""GET /v1/sla/compliance and /v1/sla/timeseries."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas import times
from services.api.answers import CSV_ANSWER, group_order, rows_answer
from services.api.context import ContextDependency
from services.api.database import Row
from services.api.dimensions import check_groups, grouping
from services.api.history import known_at
from services.api.parameters import ComplianceParameters, TimeseriesParameters
from services.api.ranges import Steps, to_range, to_steps
from services.api.sla_queries import ClockQuery, compliance, ended, open_now

router = APIRouter(prefix="/v1/sla", tags=["SLA"])

_COUNTS = ("met", "breached", "running", "paused", "cancelled", "compliance")


class ComplianceRow(BaseModel):
    """One clock, or one group of it. Carries the dimensions asked for with `by` besides."""

    model_config = ConfigDict(extra="allow")

    clock: str
    met: int
    breached: int = Field(description="Due in the range and not met; a breached clock may still run.")
    running: int | None = Field(description="Running now, whenever it is due. In a time series: see `step`.")
    paused: int | None = Field(description="Paused now.")
    cancelled: int
    compliance: float | None = Field(description="met / (met + breached); null without any.")


class ComplianceAnswer(BaseModel):
    """Compliance of a range."""

    from_: str = Field(alias="from")
    to: str
    as_of: str | None = Field(default=None, description="Answered as known then; only where `as_of` was asked for.")
    rows: list[ComplianceRow]


class TimeseriesRow(ComplianceRow):
    """One step of one group."""

    t: str = Field(description="Where the step begins.")


class TimeseriesAnswer(BaseModel):
    """Compliance step by step."""

    from_: str = Field(alias="from")
    to: str
    as_of: str | None = Field(default=None, description="Answered as known then; only where `as_of` was asked for.")
    step_s: float
    rows: list[TimeseriesRow]


@router.get("/compliance", responses={200: {"model": ComplianceAnswer, "content": CSV_ANSWER}})
async def get_compliance(
    asked: Annotated[ComplianceParameters, Query()], request: Request, context: ContextDependency
) -> Response:
    """Clocks that ended in [from, to), and clocks open now, by clock and the dimensions in `by`.

    A met or cancelled clock belongs to the instant of its stop, a breached one to its due instant, also while it still
    runs. Exact to the millisecond. Without a range: the last 15 minutes.

    With `as_of` the answer is the one that could be given then: what late events have changed since is left aside, and
    a `window` ends with the minute that held that instant. Rows as CSV with `Accept: text/csv`.
    """
    now = context.now()
    known = known_at(asked.as_of, now, context.settings.histories_retention_days)
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=known.moment(now))
    query = ClockQuery(grouping(asked.by), asked.where())
    found, still_open = await asyncio.gather(
        ended(context.database, query, range_, known=known), open_now(context.database, query, known)
    )
    ends = {query.group_of(row): row for row in found}
    opens = {query.group_of(row): row for row in still_open}
    groups = ends.keys() | opens.keys()
    check_groups(len(groups))
    rows = [
        dict(zip(query.keys, group, strict=True)) | _counts(ends.get(group), opens.get(group, {}))
        for group in group_order(groups)
    ]
    return rows_answer(request, range_.stated() | known.stated() | {"rows": rows}, (*query.keys, *_COUNTS))


@router.get("/timeseries", responses={200: {"model": TimeseriesAnswer, "content": CSV_ANSWER}})
async def get_timeseries(
    asked: Annotated[TimeseriesParameters, Query()], request: Request, context: ContextDependency
) -> Response:
    """The same, step by step. Without a range: the last hour.

    Dense: each group that has anything in the range has a row for every step, in order of group, then time. What was
    open in the past is not counted: `running` and `paused` are null but in the step that holds the present moment (or
    the instant `as_of`, where the answer is the one that could be given then). Rows as CSV with `Accept: text/csv`.
    """
    now = context.now()
    known = known_at(asked.as_of, now, context.settings.histories_retention_days)
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=known.moment(now), default="1h")
    steps = to_steps(range_, asked.step)
    query = ClockQuery(grouping(asked.by), asked.where())
    present = steps.index_of(known.moment(now))
    found, still_open = await asyncio.gather(
        ended(context.database, query, range_, steps, known),
        open_now(context.database, query, known) if present is not None else _nothing(),
    )
    opens = {query.group_of(row): row for row in still_open}
    ends = {(query.group_of(row), row["step"]): row for row in found}
    groups = {group for group, _ in ends} | opens.keys()
    check_groups(len(groups), steps.count)
    rows = list(_dense(query, group_order(groups), steps, present, ends, opens))
    answer = range_.stated() | known.stated() | {"step_s": steps.step_ms / 1000, "rows": rows}
    return rows_answer(request, answer, ("t", *query.keys, *_COUNTS))


async def _nothing() -> list[Row]:
    return []


def _dense(
    query: ClockQuery,
    groups: Iterable[tuple[Any, ...]],
    steps: Steps,
    present: int | None,
    ends: dict[tuple[tuple[Any, ...], int], Row],
    opens: dict[tuple[Any, ...], Row],
) -> Iterable[Row]:
    starts = [times.text(ms) for ms in steps.starts]
    for group in groups:
        keys = dict(zip(query.keys, group, strict=True))
        for index, t in enumerate(starts):
            still_open = opens.get(group, {}) if index == present else None
            yield {"t": t} | keys | _counts(ends.get((group, index)), still_open)


def _counts(ends: Row | None, still_open: Row | None) -> Row:
    met, breached, cancelled = (ends["met"], ends["breached"], ends["cancelled"]) if ends else (0, 0, 0)
    return {
        "met": met,
        "breached": breached,
        "running": still_open.get("running", 0) if still_open is not None else None,
        "paused": still_open.get("paused", 0) if still_open is not None else None,
        "cancelled": cancelled,
        "compliance": compliance(met, breached),
    }
