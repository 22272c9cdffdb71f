"""Liveness and readiness."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Response

from services.web.problems import Problem


def install(app: FastAPI, missing: Callable[[], list[str]]) -> None:
    """Add GET /healthz (200 while the process answers) and GET /readyz (503 with `missing` while anything is)."""

    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    def readyz() -> Response:
        names = missing()
        if not names:
            return Response(b'{"status":"ready"}', media_type="application/json")
        detail = "; ".join(names)
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"}, missing=names).response()

    app.add_api_route("/healthz", healthz, methods=["GET"], tags=["probes"], summary="Liveness")
    app.add_api_route("/readyz", readyz, methods=["GET"], tags=["probes"], summary="Readiness")
