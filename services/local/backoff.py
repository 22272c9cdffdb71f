"""When a part that ended is started again: at once, or after a pause. Pure; times are seconds of one rising clock.

- A part has *come up* once it was seen ready, or has run for `CAME_UP_S`; where nothing tells, only the latter.
- Came up, and then ended by a signal from outside (SIGKILL by a person or by the kernel for lack of memory, SIGTERM):
  that says nothing against the part. It is back at once, however often it happens, and counts as no failure.
- Any other end is a failure: it ended by itself, crashed (SIGSEGV and the like), or was gone before it came up. The
  first costs no pause, each further one in a row the next pause of `BACKOFF_S`.
- Having worked for `STEADY_S` proves it healthy: what it fails by later is a first failure again.
"""

import signal
from collections.abc import Sequence

# A part that fails once is back at once; one that fails again and again costs at most one start in half a minute.
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
STEADY_S = 30.0
"""As long as the longest pause: what works that long costs no more starts without a pause than with it."""
CAME_UP_S = 10.0
"""All parts start in 1 to 5 s on two cores; what is killed later than this costs one start in ten seconds at most."""

_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS)
"""Signals that a process brings upon itself; all others come from outside."""


class Backoff:
    """Counts the failures of one part."""

    def __init__(self, now: float, pauses_s: Sequence[float] = BACKOFF_S) -> None:
        self.failures = 0
        """In a row."""
        self._pauses_s = pauses_s
        self.started(now)

    def started(self, now: float) -> None:
        """It was started (again)."""
        self._came_up_at = now + CAME_UP_S

    def ready(self, now: float) -> None:
        """It was seen ready."""
        self._came_up_at = min(self._came_up_at, now)

    def came_up(self, now: float) -> bool:
        """Whether its present start has come up."""
        return now >= self._came_up_at

    def ended(self, code: int, now: float) -> float:
        """It ended, with an exit code or minus a signal. The pause before it is started again."""
        if now - self._came_up_at >= STEADY_S:
            self.failures = 0
        if self.came_up(now) and from_outside(code):
            return 0.0
        self.failures += 1
        return self._pauses_s[min(self.failures, len(self._pauses_s)) - 1]

    def forgive(self) -> None:
        """What it failed by is over: its next failure is a first one."""
        self.failures = 0


def from_outside(code: int) -> bool:
    """Whether an exit code says that somebody else ended the process. Java ends with 128 + 15 when SIGTERM asks it."""
    return code == 128 + signal.SIGTERM or (code < 0 and -code not in _CRASHES)
