"""Between kafka-python's threads and asyncio."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from kafka.producer.future import RecordMetadata

T = TypeVar("T")


class Acknowledgements:
    """Counts down the records of one publish. `acknowledged` and `failed` are called from the producer's thread,
    `done` is awaited in the event loop."""

    def __init__(self, expected: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = expected
        self.done: asyncio.Future[None] = self._loop.create_future()

    def acknowledged(self, _metadata: RecordMetadata) -> None:
        self._hand_over(None)

    def failed(self, error: BaseException) -> None:
        self._hand_over(error)

    def _hand_over(self, error: BaseException | None) -> None:
        # The loop is gone where the process ends while a record is under way.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        self._left -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif self._left == 0:
            self.done.set_result(None)


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`, run in a daemon thread: unlike an executor's, it does not hold up the end of the process
    while it waits for a broker."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_: Callable[[Any], None], result: Any) -> None:
        if not done.done():
            set_(result)

    def run() -> None:
        try:
            outcome: tuple[Callable[[Any], None], Any] = (done.set_result, work())
        except BaseException as error:
            outcome = (done.set_exception, error)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, daemon=True).start()
    return await done
