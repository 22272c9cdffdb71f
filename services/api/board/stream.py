"""GET /v1/stream: what the live board shows, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import msgspec
import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from services.api.board.hub import Hub
from services.api.board.snapshot import snapshot
from services.api.board.view import View, choices, read
from services.api.context import Context
from services.api.parameters import Values
from services.web.problems import Problem

_log = structlog.get_logger(__name__)

_PING_S = 10
"""A comment at least this often, so that proxies keep an idle connection open."""
_CHOICES_EVERY_MS = 30_000
_SEND_TIMEOUT_S = 30
"""A client that takes nothing for so long is gone."""


class StreamParameters(BaseModel):
    """Which part of the operation to watch."""

    model_config = ConfigDict(extra="forbid")

    team: Values = Field(default=[], max_length=20, description="Only these teams.")
    channel: Values = Field(default=[], max_length=20, description="Only these channels.")


class BoardSource:
    """Makes the events: `board` with a snapshot, or `trouble` with what is wrong while there is none."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._choices: Mapping[str, Sequence[str]] = {"team": [], "channel": []}
        self._choices_due_ms = 0
        self._asking = asyncio.Lock()

    async def event(self, view: View) -> bytes:
        """One event as it goes over the wire. Never raises: a listener must hear that something is wrong."""
        now = self._context.now()
        try:
            await self._keep_choices(now)
            material = await read(self._context.database, view, now)
            self._context.policy.look()
            board = snapshot(material, view, self._choices, now) | {"policy_refused": self._context.policy.refused}
            return _event("board", board)
        except Problem as problem:
            return _event("trouble", {"as_of_ms": now, "detail": problem.detail})
        except Exception:
            _log.exception("the board's snapshot failed")
            return _event("trouble", {"as_of_ms": now, "detail": "unexpected error; it was logged"})

    async def _keep_choices(self, now: int) -> None:
        async with self._asking:
            if now >= self._choices_due_ms:
                self._choices = await choices(self._context.database, now)
                self._choices_due_ms = now + _CHOICES_EVERY_MS


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def stream_router(hub: Hub[View]) -> APIRouter:
    """The route, listening to a hub."""
    router = APIRouter(prefix="/v1", tags=["Live"])

    @router.get(
        "/stream",
        response_class=EventSourceResponse,
        responses={200: {"description": "Events `board` (a snapshot, about once a second) and `trouble`."}},
    )
    async def get_stream(asked: Annotated[StreamParameters, Query()]) -> EventSourceResponse:
        """Server-sent events: what the live board shows, about once a second; it ends when the server stops."""
        view = View(team=tuple(sorted(set(asked.team))), channel=tuple(sorted(set(asked.channel))))
        hub.check_room(view)
        events: AsyncIterator[bytes] = hub.listen(view)
        return EventSourceResponse(
            events, ping=_PING_S, send_timeout=_SEND_TIMEOUT_S, headers={"X-Accel-Buffering": "no"}
        )

    return router
