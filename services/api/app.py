"""The read API and the board as one FastAPI application."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from fastapi import APIRouter, Depends, FastAPI

from schemas.errors import InputError
from schemas.settings import Settings
from services.api import callbacks, cases, metrics, policy, restatements, sla, waterfall
from services.api.board import pages
from services.api.board.hub import Hub
from services.api.board.session import Sessions
from services.api.board.stream import BoardSource, stream_router
from services.api.board.view import View
from services.api.context import FRESH_S, Context, Now, wall_clock
from services.api.database import Database
from services.api.docs import install_docs
from services.api.freshness import FreshnessReader
from services.api.policy_in_force import PolicyInForce
from services.api.readiness import Check, readiness_router
from services.api.what_if import what_if_router
from services.web import auth, problems
from services.web import metrics as web_metrics

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def create_app(
    settings: Settings,
    *,
    loopback: bool,
    extra_routers: Sequence[APIRouter] = (),
    extra_lifespans: Sequence[Lifespan] = (),
    extra_checks: Sequence[Check] = (),
    now: Now = wall_clock,
    fresh_s: float = FRESH_S,
) -> FastAPI:
    """The application; nothing is connected before it starts.

    `loopback`: the server listens on loopback only, so the board signs its user in by itself (`board.session`).
    `extra_routers` are included as they are, with their own authentication. `extra_lifespans` are entered in order
    before the first request and left in reverse. `extra_checks` join /readyz. `fresh_s`: how long the stamp on answers,
    and which hours are rolled up, is kept. Raises InputError without an API key.
    """
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise InputError("CONTACTPULSE_API_KEY is not set: the API does not start without a key")
    database = Database(settings.clickhouse.get_secret_value(), keep_s=fresh_s)
    context = Context(settings, database, now, PolicyInForce(settings), FreshnessReader(fresh_s))
    hub: Hub[View] = Hub(BoardSource(context).event)
    sessions = Sessions(settings.api_key.get_secret_value(), loopback, now)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            for extra in extra_lifespans:
                await stack.enter_async_context(extra(app))
            stack.push_async_callback(hub.close)
            yield

    app = FastAPI(
        title="ContactPulse",
        summary="Service quality of an omnichannel operation, live.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.api = context
    problems.install(app)
    web_metrics.install(app)
    with_key = [Depends(auth.require_key(settings.api_key, sessions.permits))]
    resources = (sla, callbacks, restatements, waterfall, metrics, cases, policy)
    for router in (*(resource.router for resource in resources), what_if_router(settings), stream_router(hub)):
        app.include_router(router, dependencies=with_key)
    app.include_router(readiness_router(extra_checks))
    for router in extra_routers:
        app.include_router(router)
    install_docs(app)
    pages.install(app, sessions)
    return app
