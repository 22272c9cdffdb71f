"""Keeps child processes running: starts them, waits until they are ready, starts again what dies, stops them in order.

When a part that ended is started again, `backoff` says: one that was killed at once, one that fails after a pause.
Everything happens in the thread that calls, which must outlive the children (`leash` binds their lives to it).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import ContactPulseError, InputError, WorkFailed
from services.local.backoff import BACKOFF_S, Backoff, from_outside
from services.local.disk import NO_SPACE
from services.local.process import Child

START_ATTEMPTS = 3
"""During `wait_ready` a part may fail this often before the whole start is given up."""
POLL_S = 0.05
PROBE_S = 0.5
"""Between two looks whether a part that was started again is ready: a look may take a second or two."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One child process to keep running."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment."""
    ready: Callable[[], bool] | None = None
    """Whether it does its work; takes at most a second or two. None: nothing tells, waiting for it ends at once."""
    grace_s: float = 10.0
    """How long it may take to stop before it is killed."""
    restarted: Callable[[], None] | None = None
    """Called when it is ready again after a restart, for what others must then do. Errors are said, not raised."""


class _Kept:
    """A part with what became of it."""

    def __init__(self, part: Part, child: Child, backoff_s: Sequence[float]) -> None:
        self.part = part
        self.child = child
        self.backoff = Backoff(time.monotonic(), backoff_s)
        self.start_again_at: float | None = None
        self.owes_restarted = False
        self.look_at = 0.0

    def started(self, child: Child) -> None:
        """Notes that it was started again."""
        self.child = child
        self.backoff.started(time.monotonic())
        self.start_again_at = None
        self.owes_restarted = self.part.restarted is not None

    def is_ready(self) -> bool:
        """Asks it, and remembers that it was ready."""
        if self.part.ready is None:
            return True
        ready = self.part.ready()
        now = time.monotonic()
        self.look_at = now + PROBE_S
        if ready:
            self.backoff.ready(now)
        return ready

    def wants_a_look(self) -> bool:
        """Whether something depends on its being ready, and the last look is long enough ago."""
        now = time.monotonic()
        return now >= self.look_at and (self.owes_restarted or not self.backoff.came_up(now))


@contextmanager
def _no_shield() -> Iterator[None]:
    yield


class Supervisor:
    """Children in stages; later stages need earlier ones, so they stop first.

    `say` gets a line for people about everything worth knowing. `shield` is entered round steps that a signal must not
    cut in half (see `signals.StopSignals.shielded`). Use as a context manager: leaving it stops everything.
    """

    def __init__(
        self,
        logs: Path,
        say: Say,
        shield: Callable[[], AbstractContextManager[None]] = _no_shield,
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        self._logs = logs
        self._say = say
        self._shield = shield
        self._backoff_s = backoff_s
        self._stages: list[list[_Kept]] = []
        self._rounds: list[Callable[[], None]] = []

    def start(self, *parts: Part) -> None:
        """Starts parts as one stage; does not wait for them. Raises WorkFailed where one cannot be started at all."""
        stage: list[_Kept] = []
        self._stages.append(stage)
        for part in parts:
            with self._shield():
                stage.append(_Kept(part, self._launch(part), self._backoff_s))

    def pid(self, name: str) -> int:
        """The process id of a part's present child. Raises KeyError for a name that was not started."""
        for kept in self._all():
            if kept.part.name == name:
                return kept.child.pid
        raise KeyError(name)

    def restart(self, *names: str) -> None:
        """Kills the children of these parts; they are started again like any that died, but without delay."""
        for kept in self._all():
            if kept.part.name in names and kept.start_again_at is None:
                kept.child.kill()
                kept.backoff.forgive()

    def restart_waiting(self) -> None:
        """Starts what waits for its next start in the next round: what it failed by is over."""
        for kept in self._all():
            kept.backoff.forgive()
            if kept.start_again_at is not None:
                kept.start_again_at = time.monotonic()

    def each_round(self, look: Callable[[], None]) -> None:
        """Has `look` called in every round too, some 20 times a second; it must be quick."""
        self._rounds.append(look)

    def wait_ready(self, timeout_s: float, *names: str) -> None:
        """Watches until the named parts (none: all) are ready.

        Raises InputError where a part says wrong usage (exit code 2), WorkFailed where one keeps dying or is not ready
        in time; both with the last words of its log.
        """
        deadline = time.monotonic() + timeout_s
        waiting = [kept for kept in self._all() if not names or kept.part.name in names]
        while waiting:
            self.watch(starting=True)
            running = [kept for kept in waiting if kept.start_again_at is None and kept.is_ready()]
            waiting = [kept for kept in waiting if kept not in running]
            if waiting and time.monotonic() > deadline:
                kept = waiting[0]
                words = kept.child.last_words()
                raise WorkFailed(f"{kept.part.name} is not ready after {timeout_s:.0f} s: {words}")
            if waiting:
                time.sleep(POLL_S)

    def run(self) -> None:
        """Watches for ever: until a signal raises something."""
        while True:
            self.watch()
            time.sleep(POLL_S)

    def watch(self, *, starting: bool = False) -> None:
        """One round: notices deaths, starts again what is due. With `starting`, gives up on what keeps dying."""
        for look in self._rounds:
            look()
        for kept in self._all():
            if kept.start_again_at is not None:
                if time.monotonic() >= kept.start_again_at:
                    self._start_again(kept)
            elif (code := kept.child.exit_code) is not None:
                self._bury(kept, code, starting)
            elif kept.wants_a_look() and kept.is_ready() and kept.owes_restarted:
                kept.owes_restarted = False
                self._tell_restarted(kept.part)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stops stage after stage, the last one first; kills what does not end in its time, or at once on `hurry`."""
        for stage in reversed(self._stages):
            running = [kept for kept in stage if kept.start_again_at is None]
            for kept in running:
                kept.child.ask_to_stop()
            asked_at = time.monotonic()
            for kept in running:
                while kept.child.exit_code is None:
                    late = time.monotonic() - asked_at > kept.part.grace_s
                    if late or hurry():
                        if late:
                            self._say(f"{kept.part.name} does not stop after {kept.part.grace_s:.0f} s: killed")
                        break
                    time.sleep(POLL_S / 5)
                kept.child.kill()  # also what it may have started and left
        self._stages.clear()

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _all(self) -> list[_Kept]:
        return [kept for stage in self._stages for kept in stage]

    def _launch(self, part: Part) -> Child:
        return Child(part.name, part.command, self._logs / f"{part.name}.log", part.env)

    def _bury(self, kept: _Kept, code: int, starting: bool) -> None:
        kept.child.kill()  # what it may have left in its group
        pause = kept.backoff.ended(code, time.monotonic())
        failures = kept.backoff.failures
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not from_outside(code) and kept.child.met_full_disk():
            end += f" ({NO_SPACE})"
        if starting and (code == InputError.exit_code or failures >= START_ATTEMPTS):
            kind = InputError if code == InputError.exit_code else WorkFailed
            raise kind(f"{kept.part.name} ended with {end}: {kept.child.last_words()}")
        kept.start_again_at = time.monotonic() + pause
        again = f", {failures} times in a row: starting it again in {pause:g} s" if pause else ": starting it again now"
        self._say(f"{kept.part.name} ended with {end}{again}; log: {kept.child.log}")

    def _start_again(self, kept: _Kept) -> None:
        with self._shield():
            try:
                kept.started(self._launch(kept.part))
            except ContactPulseError as error:  # no memory, a full disk: try again later
                kept.start_again_at = time.monotonic() + self._backoff_s[-1]
                self._say(f"{error}; trying again in {self._backoff_s[-1]:g} s")

    def _tell_restarted(self, part: Part) -> None:
        try:
            if part.restarted:
                part.restarted()
        except ContactPulseError as error:
            self._say(str(error))
