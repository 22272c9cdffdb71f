"""Keys: who may call. `Authorization: Bearer KEY` or `X-API-Key: KEY`, compared in constant time."""

import hmac
from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from pydantic import SecretStr

from services.web.problems import Problem


def presented_key(request: Request) -> str | None:
    """The key that came with the request, if any. `Authorization` wins over `X-API-Key`."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return request.headers.get("x-api-key") or None


def require_key(api_key: SecretStr, also: Callable[[Request], bool] | None = None) -> Callable[[Request], None]:
    """A FastAPI dependency that lets a request pass with the right key, or where `also` says so.

    `also` is asked only where no key was sent (e.g. for a browser's session cookie). Raises `Problem`: 401 where
    nothing was sent, 403 where the key is wrong.
    """
    expected = api_key.get_secret_value().encode()
    if not expected:
        raise ValueError("an empty key would let everybody in")

    def check(request: Request) -> None:
        key = presented_key(request)
        if key is not None:
            # Headers arrive decoded as Latin-1; encoding back gives the bytes that were sent.
            if not hmac.compare_digest(key.encode("latin-1"), expected):
                raise Problem(HTTPStatus.FORBIDDEN, "this key is not valid here")
            return
        if also is not None and also(request):
            return
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            headers={"WWW-Authenticate": 'Bearer realm="contactpulse"'},
        )

    return check
