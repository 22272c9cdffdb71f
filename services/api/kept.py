"""Answers that many questions need at once and that may be a moment old."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

_MOST = 256

V = TypeVar("V")


class Kept(Generic[V]):
    """Answers by key, asked for again before they are `keep_s` seconds old; with 0, every time.

    Of one key only one question is on its way. An answer past half its time is renewed while readers still get it, so
    that where there are many of them nobody waits.
    """

    def __init__(self, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._answers: dict[Hashable, tuple[float, V]] = {}
        self._asking: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer to `key`: kept, or what `ask` gives. Raises what `ask` raises, where the answer was waited for."""
        if not self._keep_s:
            return await ask()
        asked_at, kept = self._answers.get(key, (-float("inf"), None))
        age = self._clock() - asked_at
        if kept is not None and age < self._keep_s / 2:
            return kept
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, ask))
            task.add_done_callback(_take_notice)
        if kept is not None and age < self._keep_s:
            return kept
        # A reader that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        asked_at = self._clock()
        try:
            answer = await ask()
        finally:
            del self._asking[key]
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[key] = asked_at, answer
        return answer


def _take_notice(task: asyncio.Task[V]) -> None:
    """Of a failure that nobody waited for: whoever needs the answer next asks again, and is told."""
    if not task.cancelled():
        task.exception()
