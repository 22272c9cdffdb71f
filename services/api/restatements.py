"""GET /v1/restatements: which verdicts and windows changed after they were first told, and what made them."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.answers import json_answer
from services.api.context import ContextDependency
from services.api.database import Row
from services.api.dimensions import filters
from services.api.history import check_kept
from services.api.parameters import ClockFilters, PeriodParameters, Values
from services.api.ranges import MINUTE_MS, duration, refused, to_range
from services.api.told import Asked, Cause, events_behind
from services.api.verdict_changes import Kind, verdict_changes
from services.api.window_changes import CAUSES, window_changes

router = APIRouter(prefix="/v1", tags=["SLA"])

PUBLISH_MARGIN_MS = 2_000
"""A window counts as published this long after stream time has passed its end. A breach is noticed and told within a
second of stream time; a worker that is further behind shows in the ledger, as it showed on the board."""

WINDOWS = "window"
"""The kind that stands for changed windows, beside those of verdicts."""

_LONGEST_STEP_MS = 31 * 86_400_000


class RestatementParameters(ClockFilters, PeriodParameters):
    """Parameters of /v1/restatements."""

    case_id: Values = Field(
        default=[], max_length=100, description="Only verdicts of these cases, and windows that they changed."
    )
    kind: list[Literal["verdict", "reopened", "withdrawn", "restored", "time", "dimensions", "window"]] = Field(
        default=[], max_length=20, description=f"Only verdicts so restated; `{WINDOWS}`: changed windows. Default: all."
    )
    step: str = Field(default="1m", description="Length of windows, in whole minutes; they begin at multiples of it.")
    limit: int = Field(default=1000, ge=1, le=10_000, description="At most so many verdicts, and so many windows.")


class CauseModel(BaseModel):
    """The event that made a difference; type and time are null where it is not stored."""

    event_id: str
    type: str | None
    occurred_at: str | None


class CaseCause(CauseModel):
    """The same with its case."""

    case_id: str


class ToldRecord(BaseModel):
    """What was said of a clock, and when. Carries all dimensions besides."""

    model_config = ConfigDict(extra="allow")

    state: str = Field(description="A clock state, or withdrawn: this clock never existed.")
    ended_at: str | None = Field(description="The instant it counts at: due for a breach, else the stop.")
    stopped_at: str | None
    told_at: str


class RestatedVerdict(BaseModel):
    """A verdict that is another one now."""

    told_at: str
    kind: Kind
    case_id: str
    clock: str
    seq: int
    old: ToldRecord
    new: ToldRecord
    cause: CauseModel | None = Field(description="Null where time passed, not an event.")


class WindowFigures(BaseModel):
    """What a window said."""

    as_of: str = Field(description="/v1/sla/compliance gives the same figures with this `as_of`.")
    met: int
    breached: int
    compliance: float | None


class RestatedWindow(BaseModel):
    """A window [t, t + step) of one clock that says something else now."""

    t: str
    clock: str
    published_at: str
    old: WindowFigures
    new: WindowFigures
    clocks_changed: int = Field(description="How many clock instances came, went or changed.")
    causes: list[CaseCause] = Field(description=f"Events that did it, {CAUSES} at most.")


class VerdictLedger(BaseModel):
    """Newest first."""

    total: int
    note: str | None = Field(description="Says so where the list is cut.")
    rows: list[RestatedVerdict]


class WindowLedger(BaseModel):
    """Latest window first."""

    total: int
    note: str | None = Field(description="Says so where the list is cut.")
    rows: list[RestatedWindow]


class RestatementAnswer(BaseModel):
    """What was restated in [from, to)."""

    from_: str = Field(alias="from")
    to: str
    step_s: float
    published_after_s: float = Field(description="How long after its end a window counts as published.")
    verdicts: VerdictLedger
    windows: WindowLedger


@router.get("/restatements", responses={200: {"model": RestatementAnswer}})
async def get_restatements(asked: Annotated[RestatementParameters, Query()], context: ContextDependency) -> Response:
    """Corrections told in [from, to), by the wall clock (`told_at`), whatever time they are about. Without a range: the
    last 24 hours.

    `verdicts`: a clock that was told met, breached or cancelled, and something else afterwards. Kinds: `verdict`
    (another one), `reopened` (runs or is paused again), `withdrawn`, `restored` (after a withdrawal), `time` (another
    due instant or stop), `dimensions` (another team, channel, ...). Filters take a verdict that passes before or after.

    `windows`: minutes (or `step`) whose met and breached clocks are others than when they were first published, or than
    at `from`, where that is later. Dimension filters apply to what is counted.
    """
    now = context.now()
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=now, default="24h")
    kept_days = context.settings.histories_retention_days
    check_kept("from" if asked.from_ else "window", range_.from_ms, now, kept_days)
    step_ms = duration("step", asked.step)
    if step_ms % MINUTE_MS or step_ms > _LONGEST_STEP_MS:
        raise refused("step", "must be whole minutes, 31d at most.")
    wanted = Asked(range_, asked.limit, filters({"clock": asked.clock, "case_id": asked.case_id}), asked.dimensions())
    every_case = Asked(range_, asked.limit, filters({"clock": asked.clock}), asked.dimensions())
    publish_ms = round(context.settings.lateness_s * 1000) + PUBLISH_MARGIN_MS
    kinds = frozenset(Kind(kind) for kind in asked.kind or Kind if kind != WINDOWS)
    (verdicts, of_verdicts), (windows, of_windows) = await asyncio.gather(
        verdict_changes(context.database, wanted, kinds) if kinds else _no_verdicts(),
        window_changes(context.database, every_case, step_ms, publish_ms, now, asked.case_id)
        if not asked.kind or WINDOWS in asked.kind
        else _no_windows(),
    )
    events = await events_behind(
        context.database,
        [cause for _, cause in verdicts if cause is not None] + [cause for _, causes in windows for cause in causes],
    )
    return json_answer(
        range_.stated()
        | {
            "step_s": step_ms / 1000,
            "published_after_s": publish_ms / 1000,
            "verdicts": _ledger(
                [row | {"cause": None if cause is None else events[cause]} for row, cause in verdicts], of_verdicts
            ),
            "windows": _ledger(
                [row | {"causes": [{"case_id": c[0]} | events[c] for c in sorted(causes)]} for row, causes in windows],
                of_windows,
            ),
        }
    )


def _ledger(rows: list[Row], total: int) -> Row:
    cut = f"only the latest {len(rows):,} of {total:,}; ask for a shorter range or filter"
    return {"total": total, "note": cut if len(rows) < total else None, "rows": rows}


async def _no_verdicts() -> tuple[list[tuple[Row, Cause | None]], int]:
    return [], 0


async def _no_windows() -> tuple[list[tuple[Row, list[Cause]]], int]:
    return [], 0
