"""POST /v1/events."""

import asyncio
import functools
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NoReturn, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from pydantic import SecretStr

from services.ingest import body as bodies
from services.ingest import cloudevents, openapi, packing
from services.ingest.limits import MAX_BODY_BYTES, IngestSettings
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import BrokerAway, Publisher
from services.ingest.throttle import InFlight
from services.web.auth import presented_key, require_key
from services.web.problems import Problem

# Work of more than about a millisecond leaves the event loop, so that the streams of an app that shares it flow on.
_INLINE_BYTES = 32 * 1024

_RETRY_AFTER_S = 2

T = TypeVar("T")


@dataclass(slots=True)
class IngestState:
    """What a running door holds; at `app.state.ingest`."""

    settings: IngestSettings
    publisher: Publisher
    metrics: IngestMetrics
    in_flight: InFlight
    full_disk: Callable[[], str] = lambda: ""
    """How little is left where the broker's disk is full and that is known, i.e. on one machine; else empty."""


def router(api_key: SecretStr) -> APIRouter:
    """The route POST /v1/events; the app must carry an `IngestState` at `app.state.ingest`."""
    routes = APIRouter(tags=["events"])
    routes.add_api_route(
        "/v1/events",
        take_events,
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        summary="Send events",
        dependencies=[Depends(require_key(api_key))],
        responses=openapi.RESPONSES,
        openapi_extra=openapi.REQUEST,
        response_class=Response,
    )
    return routes


async def take_events(request: Request) -> Response:
    """Takes one event, an array, NDJSON or CloudEvents; answers 202 once Kafka has acknowledged the good ones."""
    state: IngestState = request.app.state.ingest
    media = bodies.media_type(request.headers.get("content-type"))
    packed = bodies.encoding(request.headers.get("content-encoding"))
    with state.in_flight.request(_caller(request)):
        _partitions(state)
        sent = await _read(request)
        split = functools.partial(_split, sent, packed, media, request.headers)
        raws, convert, size = await _compute(split, len(sent))
        state.metrics.body_bytes.inc(size)
        sort = functools.partial(packing.sort, raws, _partitions(state), datetime.now(UTC), convert)
        found = await _compute(sort, size)
        if found.rejected and not found.accepted:
            _refuse_all(raws, found, media, state.metrics)
        await _publish(state, found)
    answer = {"accepted": found.accepted, "rejected": found.rejected}
    return Response(msgspec.json.encode(answer), HTTPStatus.ACCEPTED, media_type="application/json")


def _caller(request: Request) -> str:
    return hashlib.sha256((presented_key(request) or "").encode("latin-1")).hexdigest()


def _partitions(state: IngestState) -> int:
    """How many partitions there are. Where nobody knows, the request is not worth reading: 503."""
    partitions = state.publisher.partitions
    return partitions if partitions is not None else _away(state, "; ".join(state.publisher.missing))


def _away(state: IngestState, why: str) -> NoReturn:
    if left := state.full_disk():
        why = f"the disk is full ({left}), so Kafka cannot write: {why}"
    raise Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{why}; send the request again, nothing is counted twice",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )


async def _read(request: Request) -> bytes:
    """The body as sent. 413 as soon as it is known to be too large; the server lets the rest of it run out."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        bodies.refuse_size(MAX_BODY_BYTES)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            bodies.refuse_size(MAX_BODY_BYTES)
        chunks.append(chunk)
    return b"".join(chunks)


def _split(
    sent: bytes, packed: str, media: str, headers: Mapping[str, str]
) -> tuple[list[bytes], Callable[[bytes], bytes] | None, int]:
    body = bodies.unpack(sent, packed, MAX_BODY_BYTES)
    if media == bodies.JSON and cloudevents.is_binary(headers):
        return [cloudevents.from_headers(headers.items(), bodies.json_text(body))], cloudevents.to_event, len(body)
    convert = cloudevents.to_event if media in (bodies.CLOUDEVENT, bodies.CLOUDEVENTS_BATCH) else None
    return bodies.split(body, media), convert, len(body)


async def _compute(work: Callable[[], T], size: int) -> T:
    return work() if size <= _INLINE_BYTES else await asyncio.to_thread(work)


def _refuse_all(raws: list[bytes], found: packing.Sorted, media: str, metrics: IngestMetrics) -> NoReturn:
    if media == bodies.NDJSON:
        # Not one line is JSON: this is another kind of file rather than bad events.
        problems = [bodies.unreadable(raw) for raw in raws]
        if problems[0] is not None and all(problems):
            raise problems[0]
    metrics.rejected.inc(len(found.rejected))
    detail = "the event is not valid" if len(raws) == 1 else f"none of the {len(raws):,} events is valid"
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, accepted=0, rejected=found.rejected)


async def _publish(state: IngestState, found: packing.Sorted) -> None:
    values = {partition: packing.pack(lines) for partition, lines in found.by_partition.items()}
    began = time.perf_counter()
    try:
        await state.publisher.publish(values)
    except BrokerAway as error:
        state.metrics.unsure.inc(found.accepted)
        _away(state, str(error))
    state.metrics.publish_seconds.observe(time.perf_counter() - began)
    state.metrics.accepted.inc(found.accepted)
    state.metrics.rejected.inc(len(found.rejected))
    state.metrics.ahead.inc(found.ahead)
