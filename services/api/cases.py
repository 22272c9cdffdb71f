"""GET /v1/cases/at-risk and /v1/cases/{case_id}."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas import times
from services.api.answers import json_answer
from services.api.case_queries import clocks_of, events_of, urgent
from services.api.case_story import story_of
from services.api.context import ContextDependency
from services.api.database import Row
from services.api.elapsed import count_up
from services.api.history import known_at
from services.api.parameters import AsOfParameters, AtRiskParameters
from services.api.ranges import duration
from services.web.problems import Problem

router = APIRouter(prefix="/v1/cases", tags=["Cases"])

_LONGEST_WITHIN_MS = 366 * 86_400_000


class ClockRecord(BaseModel):
    """One clock of one case: the fields of an outcome record."""

    case_id: str
    clock: str
    seq: int
    policy: str
    calendar: str
    state: str
    target_s: float
    elapsed_s: float
    started_at: str
    due_at: str | None
    stopped_at: str | None
    breached_at: str | None
    channel: str | None
    team: str | None
    agent_id: str | None
    priority: str | None
    customer_tier: str | None
    category: str | None
    queue: str | None
    ref: str | None = Field(description="The callback_id of a call-back.")
    warned_at: str | None = Field(description="When the last warning was due.")
    warned: float | None = Field(description="The share of the target that the warning stands for.")
    held: dict[str, float] = Field(
        description="Of a clock that stopped: seconds by holder (queue, bot, agent:ID, team:NAME, customer,"
        " third_party, closed); they add up to stop minus start."
    )


class Held(BaseModel):
    """A stretch of a clock's time and who had the case in it."""

    model_config = ConfigDict(populate_by_name=True)

    begin: str = Field(alias="from")
    to: str
    holder: str = Field(description="queue, bot, agent:ID, team:NAME, customer, third_party or closed (hours).")
    s: float


class CaseClock(ClockRecord):
    """A clock of the case with its waterfall: every second between its start and its stop (or now) has one holder."""

    waterfall: list[Held]


class TimelineStep(BaseModel):
    """What happened to one clock: started, restarted, paused, resumed, retargeted, warned, breached, met, late (stopped
    after its breach), cancelled or withdrawn."""

    at: str
    clock: str
    seq: int
    what: str
    reason: str | None = Field(description="Which policy, which pause, which share of the target.")
    event_id: str | None = Field(description="The event that did it; null where time passed or the policy changed.")
    type: str | None
    target_s: float
    elapsed_s: float
    due_at: str | None


class AtRiskRow(ClockRecord):
    """A clock that is about to run out."""

    remaining_s: float = Field(description="Until it is due; negative where it is overdue.")


class AtRiskAnswer(BaseModel):
    """Clocks about to run out, soonest due first; before them the overdue ones where asked for and where `limit` leaves
    room for them, latest first."""

    as_of: str
    within_s: float
    rows: list[AtRiskRow]


class CaseEvent(BaseModel):
    """An event as it was pushed, and when it arrived."""

    model_config = ConfigDict(extra="allow")

    event_id: str
    type: str
    occurred_at: str
    received_at: str


class CaseAnswer(BaseModel):
    """All about one case."""

    case_id: str
    as_of: str
    clocks: list[CaseClock]
    timeline: list[TimelineStep]
    events: list[CaseEvent]


@router.get("/at-risk", responses={200: {"model": AtRiskAnswer}})
async def get_at_risk(asked: Annotated[AtRiskParameters, Query()], context: ContextDependency) -> Response:
    """Running clocks that are due in (now, now + within], soonest due first."""
    within_ms = min(duration("within", asked.within), _LONGEST_WITHIN_MS)
    now, where = context.now(), asked.where()
    soon, late = await urgent(context.database, where, now, within_ms, asked.limit, overdue=asked.overdue)
    # Hundreds of overdue clocks must not crowd out those that can still be saved.
    rows = late[: asked.limit - len(soon)] + soon
    count_up(rows, now, context.policy)
    return json_answer({"as_of": times.text(now), "within_s": within_ms / 1000, "rows": rows})


@router.get("/{case_id:path}", responses={200: {"model": CaseAnswer}})
async def get_case(
    case_id: Annotated[str, Path(max_length=512)],
    asked: Annotated[AsOfParameters, Query()],
    context: ContextDependency,
) -> Response:
    """The clocks of one case, what happened to them and why, who had it meanwhile, and its events.

    Its id may hold any character, percent-encoded where URLs demand it.

    With `as_of`: its clocks as told up to then, and the events received up to then.
    """
    now = context.now()
    known = known_at(asked.as_of, now, context.settings.histories_retention_days)
    clocks, events = await asyncio.gather(
        clocks_of(context.database, case_id, known), events_of(context.database, case_id, known)
    )
    if not clocks and not events:
        then = "" if known.as_of_ms is None else f" known at {times.text(known.as_of_ms)}"
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no case {case_id!r}{then}")
    moment = known.moment(now)
    story = await story_of(context, case_id, events, moment)
    count_up(clocks, moment, context.policy)
    for clock in clocks:
        clock["waterfall"] = story.waterfalls.get((clock["clock"], clock["seq"]), [])
    return json_answer(
        {
            "case_id": case_id,
            "as_of": times.text(moment),
            "clocks": clocks,
            "timeline": story.timeline,
            "events": [_as_pushed(event) for event in events],
        }
    )


def _as_pushed(event: Row) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(event["body"])
    except msgspec.DecodeError:
        body = None
    known = {
        "event_id": event["event_id"],
        "type": event["type"],
        "occurred_at": times.text(event["occurred_at_ms"]),
        "received_at": times.text(event["received_at_ms"]),
    }
    # A CloudEvent names these otherwise; what we understood wins over what stands in the body.
    return (body if isinstance(body, dict) else {}) | known
