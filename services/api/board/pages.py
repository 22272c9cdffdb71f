"""The pages a browser sees: the board, a case, the sign-in form. Values reach them escaped, scripts only as files."""

import html
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from services.api.board.session import Sessions
from services.web.problems import Problem

_HERE = Path(__file__).parent
_LANGUAGE_COOKIE = "contactpulse_lang"
_FORM_LIMIT = 8_192

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def install(app: FastAPI, sessions: Sessions) -> None:
    """Adds the pages and their static files to the application."""
    app.include_router(_router(sessions))
    app.mount("/static", _Static(directory=_HERE / "static"), name="static")


class _Static(StaticFiles):
    """Asked again every time (304 when unchanged): after an update no browser mixes old files with new."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _router(sessions: Sessions) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def page(request: Request, name: str, data: object) -> Response:
        if not sessions.may_grant(request) and not sessions.permits(request):
            return _sign_in(request, request.url.path)
        response = _page(request, name, data={"signed_in": not sessions.may_grant(request)} | {"data": data})
        sessions.grant(request, response)
        return response

    @router.get("/")
    async def board(request: Request) -> Response:
        return page(request, "board", None)

    @router.get("/cases/{case_id:path}")
    async def case(request: Request, case_id: str) -> Response:
        return page(request, "case", case_id)

    @router.post("/login")
    async def login(request: Request) -> Response:
        form = await _form(request)
        target = _local(form.get("next", "/"))
        if not sessions.right_key(form.get("key", "")):
            return _sign_in(request, target, wrong=True)
        response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
        sessions.grant(request, response)
        return response

    @router.post("/logout")
    async def logout() -> Response:
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.delete_cookie(sessions.cookie, path="/")
        return response

    return router


def _sign_in(request: Request, target: str, *, wrong: bool = False) -> Response:
    response = _page(request, "login", data={"wrong": wrong}, next=target)
    response.status_code = HTTPStatus.FORBIDDEN if wrong else HTTPStatus.UNAUTHORIZED
    return response


def _page(request: Request, name: str, *, data: object, **values: str) -> Response:
    template = Template((_HERE / "templates" / f"{name}.html").read_text(encoding="utf-8"))
    # Inside a script element only "<" could end it early; JSON may spell it otherwise.
    embedded = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    escaped = {key: html.escape(value) for key, value in values.items()}
    text = template.substitute(lang=_language(request), data=embedded, **escaped)
    return HTMLResponse(text, headers=_HEADERS)


def _language(request: Request) -> str:
    """zh or en: what was chosen on the board, else the first of the two that the browser asks for."""
    wanted = [request.cookies.get(_LANGUAGE_COOKIE, "")]
    wanted += [part.strip() for part in request.headers.get("accept-language", "").lower().split(",")]
    for one in wanted:
        if one.startswith("zh"):
            return "zh-CN"
        if one.startswith("en"):
            return "en"
    return "en"


def _local(target: str) -> str:
    """Where to go after signing in: a path of ours, never another site."""
    ours = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if ours else "/"


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_LIMIT:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too long")
    try:
        fields = parse_qs(body.decode(), strict_parsing=False)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the form cannot be read") from None
    return {name: values[0] for name, values in fields.items()}
