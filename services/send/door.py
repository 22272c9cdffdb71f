"""A keep-alive connection to POST /v1/events that knows when to try again."""

import http.client
import json
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from schemas.errors import InputError, WorkFailed

MAX_EVENTS = 5_000
"""Events a request may hold; the door's own limit is the same."""
MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a request: below the door's 5 MiB."""

_PATH = "/v1/events"
_TIMEOUT_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_TRY_AGAIN = {
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event that was refused: its place in the request, and why."""

    index: int
    event_id: str | None
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    accepted: int
    rejected: tuple[Rejection, ...]


class Door:
    """Posts NDJSON and sees each request through.

    A request that was not taken (429, 503, another 5xx, no connection, no answer) is sent again, after `Retry-After`
    where the server gives one; de-duplication by event_id makes that safe. `patience_s` is how long one request is
    tried (None: for ever). `on_trouble` is told each distinct trouble once, and "" when it is over. Not for use from
    several threads.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        patience_s: float | None = None,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        """Raises `InputError` where `url` is not http(s)://host[:port][/base]."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise InputError(f"{url!r} is not a URL such as http://127.0.0.1:8080")
        self._url = url
        self._path = parts.path.rstrip("/") + _PATH
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/x-ndjson"}
        self._patience_s = patience_s
        self._on_trouble = on_trouble or (lambda _: None)
        self._trouble = ""
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                parts.hostname, port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, port, timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def post(self, body: bytes, events: int) -> Answer:
        """Sends `events` lines and returns once the server has taken or refused each.

        Raises `WorkFailed` where the server refuses the request as a whole (key, size, form) or patience runs out.
        """
        began = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        while True:
            wait_s: float | None = None
            try:
                status, headers, content = self._request(body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                reason = getattr(error, "strerror", None) or error or type(error).__name__
                trouble = f"{self._url} does not answer: {reason}"
            else:
                if status not in _TRY_AGAIN:
                    self._say("")
                    return _answer(self._url, status, content, events)
                trouble = f"{self._url} answers {status}: {_detail(content)}"
                wait_s = _retry_after(headers)
            self._say(trouble)
            if self._patience_s is not None and time.monotonic() - began >= self._patience_s:
                raise WorkFailed(f"{trouble}; gave up after {self._patience_s:g} s")
            # Half of a doubling pause is chance, so that many senders do not come back at the same instant.
            time.sleep(wait_s if wait_s is not None else pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _request(self, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_trouble(trouble)


def _answer(url: str, status: int, content: bytes, events: int) -> Answer:
    answer = _object(content)
    if status == HTTPStatus.ACCEPTED:
        rejected = _rejections(answer)
        return Answer(int(answer.get("accepted", events - len(rejected))), rejected)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        reason = _detail(content)
        all_of_them = (Rejection(index, None, "", reason) for index in range(events))
        return Answer(0, _rejections(answer) or tuple(all_of_them))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise WorkFailed(f"{url} refuses the API key ({status}): {_detail(content)}")
    raise WorkFailed(f"{url} answers {status}: {_detail(content)}")


def _rejections(answer: dict[str, Any]) -> tuple[Rejection, ...]:
    listed = answer.get("rejected") or ()
    return tuple(
        Rejection(int(one.get("index", 0)), one.get("event_id"), one.get("field") or "", one.get("reason") or "")
        for one in listed
    )


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _detail(content: bytes) -> str:
    """What a problem+json says, on one line."""
    problem = _object(content)
    text = problem.get("detail") or problem.get("title") or content[:200].decode(errors="replace")
    return " ".join(str(text).split()) or "no reason given"


def _retry_after(headers: http.client.HTTPMessage) -> float | None:
    """Seconds to wait as the server asks; None where it does not, or gives a date."""
    try:
        return min(max(float(headers.get("Retry-After", "")), 0.0), 60.0)
    except ValueError:
        return None
