"""One snapshot a second for all who watch the same view, and none while nobody watches."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from http import HTTPStatus
from typing import Generic, TypeVar

from services.web.problems import Problem

MAX_VIEWS = 32
"""Different filters watched at the same time; each costs its own queries every second."""

V = TypeVar("V", bound=Hashable)


class Hub(Generic[V]):
    """Computes what a view shows and hands the newest to every listener; a slow listener skips, never queues.

    `compute` must not raise. A view that takes long to compute is computed less often: it never uses more than half of
    the time.
    """

    def __init__(self, compute: Callable[[V], Awaitable[bytes]], every_s: float = 1.0) -> None:
        self._compute = compute
        self._every_s = every_s
        self._views: dict[V, _View] = {}

    def check_room(self, view: V) -> None:
        """Raises Problem 503 where too many different views are watched already."""
        if view not in self._views and len(self._views) >= MAX_VIEWS:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_VIEWS} different filters are being watched already")

    async def listen(self, view: V) -> AsyncIterator[bytes]:
        """The newest snapshot at once where there is one, then each new one."""
        shared = self._views.get(view)
        if shared is None:
            shared = self._views[view] = _View()
            shared.task = asyncio.create_task(self._run(view, shared))
        shared.listeners += 1
        seen = 0
        try:
            while True:
                async with shared.changed:
                    while shared.number <= seen:
                        await shared.changed.wait()
                    seen, latest = shared.number, shared.latest
                yield latest
        finally:
            shared.listeners -= 1
            if not shared.listeners:
                self._forget(view, shared)

    async def close(self) -> None:
        """Ends all computing; listeners get nothing more."""
        tasks = [shared.task for shared in self._views.values() if shared.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, view: V, shared: "_View") -> None:
        if self._views.get(view) is shared:
            del self._views[view]
        if shared.task:
            shared.task.cancel()

    async def _run(self, view: V, shared: "_View") -> None:
        while True:
            began = time.monotonic()
            latest = await self._compute(view)
            async with shared.changed:
                shared.latest, shared.number = latest, shared.number + 1
                shared.changed.notify_all()
            took = time.monotonic() - began
            await asyncio.sleep(max(self._every_s - took, took))


class _View:
    def __init__(self) -> None:
        self.latest = b""
        self.number = 0
        self.listeners = 0
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None
