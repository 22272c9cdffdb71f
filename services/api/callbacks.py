"""GET /v1/callbacks: the ledger of promised call-backs."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas import times
from schemas.outcome import ClockState
from schemas.rollup import DIMENSIONS
from services.api.answers import CSV_ANSWER, rows_answer
from services.api.context import ContextDependency
from services.api.database import Row
from services.api.dimensions import filters
from services.api.history import known_at
from services.api.parameters import CallbackParameters
from services.api.ranges import to_range

router = APIRouter(prefix="/v1", tags=["SLA"])

_INSTANTS: Final = {"promised_at": "started_at", "due_at": "due_at", "made_at": "stopped_at"}
_OF_CALLBACKS: Final = "clock = 'callback'"
_COLUMNS: Final = ("case_id", "clock", "ref", "seq", "state", *_INSTANTS.values(), *DIMENSIONS)
_ANSWERED: Final = ("case_id", "callback_id", *_INSTANTS, "state", "kept", *DIMENSIONS)
_KEPT: Final = {ClockState.MET: True, ClockState.BREACHED: False}


class CallbackRow(BaseModel):
    """One promise. Carries all dimensions besides: the case's at the call, or now while it is still to be made."""

    model_config = ConfigDict(extra="allow")

    case_id: str
    callback_id: str | None
    promised_at: str
    due_at: str
    made_at: str | None = Field(description="When it was made, or cancelled; null while it is still to be made.")
    state: str = Field(description="running, paused, met, breached or cancelled.")
    kept: bool | None = Field(description="Made at or before due; null while that is open, and where it was cancelled.")


class CallbackAnswer(BaseModel):
    """Promises that are due in [from, to), the latest first."""

    from_: str = Field(alias="from")
    to: str
    as_of: str | None = Field(default=None, description="Answered as known then; only where `as_of` was asked for.")
    total: int
    note: str | None = Field(description="Says so where the list is cut.")
    rows: list[CallbackRow]


@router.get("/callbacks", responses={200: {"model": CallbackAnswer, "content": CSV_ANSWER}})
async def get_callbacks(
    asked: Annotated[CallbackParameters, Query()], request: Request, context: ContextDependency
) -> Response:
    """Promised call-backs that are due in [from, to), the latest first; without a range: those of the last 24 hours.

    The policy must have a `callback` clock. How many were kept, by agent and team:
    `/v1/metrics/callback_kept_rate?by=agent_id,team`, where a call-back that was made late counts when it was due.

    With `as_of`: as told up to then. Rows as CSV with `Accept: text/csv`.
    """
    now = context.now()
    known = known_at(asked.as_of, now, context.settings.histories_retention_days)
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=known.moment(now), default="24h")
    chosen = {name: getattr(asked, name) for name in ("case_id", "state", *DIMENSIONS)}
    where = filters(chosen)
    instants = [f"toUnixTimestamp64Milli({column}) AS {name}_ms" for name, column in _INSTANTS.items()]
    rows = await context.database.rows(
        f"SELECT case_id, ref, state, {', '.join((*instants, *DIMENSIONS))}, count() OVER () AS total"
        f" FROM {known.outcomes(_COLUMNS, of=_OF_CALLBACKS)}"
        " WHERE due_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')"
        f" AND due_at < fromUnixTimestamp64Milli({{to_ms:Int64}}, 'UTC') AND {where.sql}"
        " ORDER BY due_at DESC, case_id, seq LIMIT {limit:UInt32}",
        {
            **where.parameters,
            **known.parameters,
            "from_ms": range_.from_ms,
            "to_ms": range_.to_ms,
            "limit": asked.limit,
        },
    )
    total = rows[0]["total"] if rows else 0
    cut = f"only the latest {len(rows):,} of {total:,}; ask for a shorter range or filter"
    answer: dict[str, Any] = range_.stated() | known.stated()
    answer |= {"total": total, "note": cut if len(rows) < total else None, "rows": [_stated(row) for row in rows]}
    return rows_answer(request, answer, _ANSWERED)


def _stated(row: Row) -> Row:
    about = {"case_id": row["case_id"], "callback_id": row["ref"]}
    at = {name: None if row[f"{name}_ms"] is None else times.text(row[f"{name}_ms"]) for name in _INSTANTS}
    verdict = {"state": row["state"], "kept": _KEPT.get(row["state"])}
    return about | at | verdict | {name: row[name] for name in DIMENSIONS}
