"""The browser's session: a signed cookie that lets GETs of /v1 pass, so that no page ever holds the key.

Served on loopback only, the page itself grants the session to whoever can open it: that is the user of this machine.
Two doors must stay shut there. A foreign web page may point its own name at 127.0.0.1 (DNS rebinding): so the Host must
be a loopback name. A proxy may carry the world to our loopback port: so requests that a proxy has marked are refused.
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass

from fastapi import Request, Response

from services.api.context import Now

_LIFETIME_S = 7 * 86_400
"""A wall screen renews its cookie long before; an abandoned one ends within a week."""

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Grants and checks sessions under one API key. `loopback`: the server listens on loopback only."""

    api_key: str
    loopback: bool
    now: Now

    @property
    def cookie(self) -> str:
        """The cookie's name. Told apart by key, since cookies are shared by all ports of a host."""
        return f"contactpulse_{self._sign('name')[:8]}"

    def may_grant(self, request: Request) -> bool:
        """Whether whoever opens the page may have a session without showing the key."""
        return self.loopback and _from_this_machine(request)

    def grant(self, request: Request, response: Response) -> None:
        """Puts a fresh session into the response."""
        expires = str(self.now() // 1000 + _LIFETIME_S)
        response.set_cookie(
            self.cookie,
            f"{expires}.{self._sign(expires)}",
            max_age=_LIFETIME_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def permits(self, request: Request) -> bool:
        """Whether a request without key may pass: a GET with a valid session, on loopback from this machine only."""
        if request.method not in ("GET", "HEAD") or (self.loopback and not _from_this_machine(request)):
            return False
        expires, _, signature = request.cookies.get(self.cookie, "").partition(".")
        signed = hmac.compare_digest(signature.encode(), self._sign(expires).encode())
        return signed and expires.isdecimal() and int(expires) > self.now() // 1000

    def right_key(self, key: str) -> bool:
        """Whether somebody signing in has given the key."""
        return hmac.compare_digest(key.encode(), self.api_key.encode())

    def _sign(self, text: str) -> str:
        return hmac.new(self.api_key.encode(), f"contactpulse session {text}".encode(), hashlib.sha256).hexdigest()


def _from_this_machine(request: Request) -> bool:
    if any(name in request.headers for name in _PROXY_HEADERS):
        return False
    return _is_loopback(request.url.hostname or "") and (request.client is None or _is_loopback(request.client.host))


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
