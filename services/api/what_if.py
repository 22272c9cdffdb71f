"""POST /v1/what-if: another policy over the stored events, worked out in a process of its own."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from schemas.settings import Settings
from services.api.context import Context, ContextDependency
from services.api.ranges import instant, to_range
from services.api.what_if_job import RETRY_AFTER_S, Job
from services.web.problems import Problem
from services.what_if.job import Ask, Said
from streams.what_if.compare import GROUPS

Group = Literal[GROUPS]  # type: ignore[valid-type]

_POLICY_CHARACTERS = 256 * 1024
_PLACE = re.compile(r"(?P<document>policy|base):(?P<line>\d+): (?:(?P<field>[\w.-]+): )?.*", re.DOTALL)


class WhatIfQuestion(BaseModel):
    """Which policy to try on which cases."""

    model_config = ConfigDict(extra="forbid")

    policy: str = Field(max_length=_POLICY_CHARACTERS, description="The policy file to try, YAML.")
    base: str | None = Field(
        default=None,
        max_length=_POLICY_CHARACTERS,
        description="What to compare with; null: the policy in force.",
    )
    from_: str = Field(alias="from", description="Cases opened from here on: RFC 3339 with offset.")
    to: str = Field(description="Cases opened before this.")
    until: str | None = Field(
        default=None, description="Judge as of this stream time; null: the newest that the product has told."
    )
    by: list[Group] = Field(default=[], max_length=len(GROUPS), description="Group clocks by these.")
    flips: int = Field(default=100, ge=0, le=10_000, description="List so many flips; all are counted.")


class States(BaseModel):
    """Clocks by state under one policy."""

    met: int
    breached: int
    cancelled: int
    running: int
    paused: int
    compliance: float | None = Field(description="met / (met + breached); null without any.")


class WhatIfRow(BaseModel):
    """One clock, or one group of it. Carries what was asked for with `by` besides."""

    model_config = ConfigDict(extra="allow")

    clock: str
    before: States
    after: States
    points: float | None = Field(description="The difference of compliance in percentage points.")
    to_breached: int = Field(description="Clocks that only the new policy finds breached.")
    to_met: int = Field(description="Clocks that only the new policy finds met.")
    added: int = Field(description="Clocks that only the new policy starts.")
    removed: int = Field(description="Clocks that only the base starts.")


class Flips(BaseModel):
    """Clocks that the policies judge differently."""

    count: int
    listed: list[dict[str, Any]] = Field(description="The first of them, by case.")


class WhatIfAnswer(BaseModel):
    """How the same cases come out under both policies."""

    from_: str = Field(alias="from")
    to: str
    base: str = Field(description="Where the policy to compare with comes from.")
    stream_time: str
    cases: int
    cases_judged_twice: int = Field(description="Those for which the policies promise different things.")
    events: int
    events_rejected: int
    total: WhatIfRow
    rows: list[WhatIfRow]
    flips: Flips


def what_if_router(settings: Settings) -> APIRouter:
    """The route; one question at a time is worked on."""
    router = APIRouter(prefix="/v1", tags=["SLA"])
    job = Job(settings)

    @router.post(
        "/what-if",
        responses={
            200: {
                "model": WhatIfAnswer,
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
                "description": "The comparison; as an event stream: events `progress`, then `result` or `trouble`.",
            },
            429: {"description": "Another what-if runs; see Retry-After."},
            504: {"description": "It was not done within CONTACTPULSE_WHAT_IF_TIMEOUT_S and was given up."},
        },
    )
    async def post_what_if(asked: WhatIfQuestion, request: Request, context: ContextDependency) -> Response:
        """Judges the cases opened in [from, to) by another policy too, and compares.

        The same engine over the same stored events: all events of each case up to the final stream time.

        With `Accept: text/event-stream` it tells its progress meanwhile. The work is given up when the client leaves.
        """

        async def client_gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                continue

        lines = job.ask(_to_ask(asked, context), client_gone)
        try:
            first = await anext(lines)
            _check(first)
        except BaseException:
            await lines.aclose()
            raise
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventSourceResponse(_events(first, lines), headers={"X-Accel-Buffering": "no"})
        return Response(
            await _result(first, lines), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return router


def _to_ask(asked: WhatIfQuestion, context: Context) -> Ask:
    range_ = to_range(None, asked.from_, asked.to, now_ms=context.now())
    return Ask(
        asked.policy,
        asked.base,
        range_.from_ms,
        range_.to_ms,
        None if asked.until is None else instant("until", asked.until),
        list(dict.fromkeys(asked.by)),
        asked.flips,
    )


def _check(said: Said) -> Said:
    """Raises the Problem that the process tells of, if any."""
    if said.wrong is None:
        return said
    if not said.caller:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, said.wrong, headers={"Retry-After": str(RETRY_AFTER_S)})
    place = _PLACE.fullmatch(said.wrong)
    extra: dict[str, Any] = {}
    if place is not None:
        extra = {"document": place["document"], "line": int(place["line"]), "field": place["field"] or ""}
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, said.wrong, **extra)


async def _result(first: Said, lines: AsyncGenerator[Said, None]) -> bytes:
    said = first
    async with aclosing(lines):
        while not said.result:
            said = _check(await anext(lines))
    return bytes(said.result)


async def _events(first: Said, lines: AsyncGenerator[Said, None]) -> AsyncIterator[bytes]:
    said = first
    async with aclosing(lines):
        try:
            while not said.result:
                yield _event("progress", msgspec.json.encode(said.progress))
                said = _check(await anext(lines))
            yield _event("result", bytes(said.result))
        except Problem as problem:
            yield _event("trouble", bytes(problem.response().body))


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
