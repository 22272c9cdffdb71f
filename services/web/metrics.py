"""Prometheus metrics of a web process: a registry per app, what its requests did, and GET /metrics."""

import time
from collections.abc import Callable

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "contactpulse_"

# From a cached read (1 ms) to the longest wait for a broker (10 s).
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def install(app: FastAPI) -> CollectorRegistry:
    """Count the requests of `app`, serve GET /metrics, and return the registry for the app's own metrics.

    Call it once per app; `registry_of` finds the registry again.
    """
    registry = CollectorRegistry()
    app.state.metrics_registry = registry
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    requests = Counter(
        f"{PREFIX}http_requests_total",
        "Requests by what came of them.",
        ("method", "route", "status"),
        registry=registry,
    )
    duration = Histogram(
        f"{PREFIX}http_request_duration_seconds",
        "Time to the end of the answer; to its beginning where it is an event stream.",
        ("method", "route"),
        buckets=_BUCKETS,
        registry=registry,
    )
    app.add_middleware(_Observe, record=_recorder(requests, duration))

    def metrics() -> Response:
        _at_zero(app, requests)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", metrics, methods=["GET"], include_in_schema=False)
    return registry


def registry_of(app: FastAPI) -> CollectorRegistry:
    """The registry that `install` gave the app; a fresh one where it was not called."""
    registry = getattr(app.state, "metrics_registry", None)
    return registry if isinstance(registry, CollectorRegistry) else CollectorRegistry()


Record = Callable[[str, str, int, float], None]


def _at_zero(app: FastAPI, requests: Counter) -> None:
    # At a scrape rather than at install time, when the app's routes are not there yet. Without the zero a rate misses
    # the first request of its kind.
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            for status in operation.get("responses", {}):
                requests.labels(method.upper(), path, str(status))


def _recorder(requests: Counter, duration: Histogram) -> Record:
    def record(method: str, route: str, status: int, seconds: float) -> None:
        requests.labels(method, route, str(status)).inc()
        duration.labels(method, route).observe(seconds)

    return record


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Observe:
    """Pure ASGI, so that streams pass through untouched and cancellation reaches them."""

    def __init__(self, app: ASGIApp, record: Record) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # 499 is what is left where there is nobody to answer any more.
        status, streaming, seconds = 499, False, 0.0

        async def watch(message: Message) -> None:
            nonlocal status, streaming, seconds
            if message["type"] == "http.response.start":
                status = message["status"]
                streaming = any(
                    n == b"content-type" and v.startswith(b"text/event-stream") for n, v in message["headers"]
                )
                seconds = time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            status = 500
            raise
        finally:
            if not streaming:
                seconds = time.perf_counter() - began
            # Callers choose methods and paths freely; only those we know become label values.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._record(method, getattr(scope.get("route"), "path", "unmatched"), status, seconds)
