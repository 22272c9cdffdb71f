"""The door as an app of its own, and as parts that another app mounts.

Another app does three things: include `router(settings)`, enter `lifespan(app, settings)` in its own lifespan, and add
`readiness(app)` to what it is missing.
"""

import contextlib
import functools
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from schemas.errors import InputError
from schemas.settings import Settings
from schemas.topics import Topic
from services.ingest import endpoints
from services.ingest.endpoints import IngestState
from services.ingest.limits import IngestSettings
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import KafkaPublisher, Publisher
from services.ingest.throttle import InFlight
from services.local.disk import full_disk
from services.web import metrics, probes, problems


def create_app(
    settings: Settings, *, ingest: IngestSettings | None = None, publisher: Publisher | None = None
) -> FastAPI:
    """The whole service: POST /v1/events, /healthz, /readyz, /metrics, /docs.

    `ingest` and `publisher` default to the environment's and Kafka's. Raises `InputError` where no key is set.
    """

    @contextlib.asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app, settings, ingest=ingest, publisher=publisher):
            yield

    app = FastAPI(title="ContactPulse ingest", summary="Contact events in.", version="1", lifespan=running)
    problems.install(app)
    metrics.install(app)
    probes.install(app, lambda: readiness(app))
    app.include_router(router(settings))
    return app


def router(settings: Settings) -> APIRouter:
    """POST /v1/events. Raises `InputError` where no key is set."""
    return endpoints.router(_key(settings))


@contextlib.asynccontextmanager
async def lifespan(
    app: FastAPI, settings: Settings, *, ingest: IngestSettings | None = None, publisher: Publisher | None = None
) -> AsyncIterator[IngestState]:
    """Opens the door: connects to Kafka (or goes on trying) and puts an `IngestState` at `app.state.ingest`.

    Its metrics go into the registry that `services.web.metrics.install(app)` made.
    """
    knobs = ingest or IngestSettings()
    out = publisher or KafkaPublisher(settings.kafka, settings.topic(Topic.EVENTS), knobs.publish_timeout_s)
    state = IngestState(
        knobs,
        out,
        IngestMetrics(metrics.registry_of(app)),
        InFlight(knobs.max_in_flight),
        functools.partial(full_disk, settings.data_dir),
    )
    state.metrics.broker_up.set_function(lambda: 0 if out.missing else 1)
    state.metrics.in_flight.set_function(lambda: state.in_flight.total)
    app.state.ingest = state
    await out.start()
    try:
        yield state
    finally:
        await out.close()


def readiness(app: FastAPI) -> list[str]:
    """What the door is missing, in words; empty where it takes events."""
    state: IngestState | None = getattr(app.state, "ingest", None)
    return ["ingest is not started"] if state is None else state.publisher.missing


def _key(settings: Settings) -> SecretStr:
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise InputError("set CONTACTPULSE_API_KEY: the services do not start without a key")
    return settings.api_key
