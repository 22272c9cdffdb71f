"""Stop signals as an exception in the main thread, so that a stop interrupts whatever the start is waiting for."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopAsked(BaseException):
    """SIGINT, SIGTERM or SIGHUP came. Not an Exception: nothing but `up` should catch it."""


class StopSignals:
    """Turns the first stop signal into `StopAsked`; the second sets `hurry`, for who has no patience left.

    Use as `with StopSignals() as signals:` in the main thread; the former handlers come back at the end.
    """

    def __init__(self) -> None:
        self.asked = False
        self.hurry = False
        self._shields = 0
        self._raised = False
        self._before: dict[int, object] = {}

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Puts a stop off until the block is left: for steps that must not be cut in half."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self._raise_once()

    def _raise_once(self) -> None:
        if self.asked and not self._shields and not self._raised:
            self._raised = True
            raise StopAsked

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.hurry = self.asked
        self.asked = True
        self._raise_once()

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
