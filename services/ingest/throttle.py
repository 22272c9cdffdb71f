"""How much of one key is under way at the same time."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from services.web.problems import Problem


class InFlight:
    """Bounds the requests of a key that are under way, so that one caller can fill neither memory nor the broker's
    queue; others are not touched by it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Requests under way, of all keys."""
        return self._now.total()

    @contextlib.contextmanager
    def request(self, key: str) -> Iterator[None]:
        """Holds one place of the key. Raises `Problem` (429, Retry-After in seconds) where none is free."""
        if self._now[key] >= self._limit:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self._limit} requests of this key are under way already",
                headers={"Retry-After": "1"},
            )
        self._now[key] += 1
        try:
            yield
        finally:
            self._now[key] -= 1
            if not self._now[key]:
                del self._now[key]
