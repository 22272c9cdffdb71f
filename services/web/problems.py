"""Errors over HTTP as RFC 9457 problem+json, whatever raised them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import ContactPulseError

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger(__name__)


class Problem(ContactPulseError):
    """An error with its HTTP answer.

    `title` defaults to the status's phrase; `detail` says what is wrong with this request; `extra` are further members
    of the answer (e.g. `rejected`). Raise it anywhere below an app that `install` was called on.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra
        super().__init__(detail or self.title)

    def response(self) -> Response:
        """The answer to send."""
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        body |= self.extra
        return Response(
            msgspec.json.encode(body, enc_hook=str), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def install(app: FastAPI) -> None:
    """Make every error answer of `app` a problem: ours, invalid requests, unknown paths and methods, and bugs.

    A bug is answered by a bare 500 (nothing of it leaks) and logged with its traceback.
    """
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(_Unexpected)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"in": str(found["loc"][0]), "field": ".".join(map(str, found["loc"][1:])), "reason": found["msg"]}
        for found in error.errors()
    ]
    detail = "; ".join(f"{one['field'] or one['in']}: {one['reason']}" for one in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors).response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "" if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)
    if not detail and error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}"
    if not detail and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.url.path} does not take {request.method}"
    return Problem(error.status_code, detail, headers=error.headers).response()


class _Unexpected:
    """Turns an exception nobody handles into a 500. Starlette's own handler for `Exception` would answer too, but
    raises the error again, so that the server logs it a second time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            # Left before its request was complete: nobody is there to be answered, and nothing is wrong with us.
            return
        except Exception:
            if scope["type"] != "http":
                raise
            _log.exception("unexpected error", method=scope["method"], path=scope["path"])
            if started:
                raise
            await Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the error was logged").response()(scope, receive, send)
