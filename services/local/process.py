"""One child process: leashed to us, in a process group of its own, its output in a file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.errors import WorkFailed
from services.local.disk import MIB, NO_SPACE, free_bytes

LEASH = Path(__file__).with_name("leash.py")
LOG_BYTES = 10 * 2**20
"""A log larger than this is set aside as PART.log.1 at the next start."""


LAST_BYTES = 256 * 1024
"""So much of a log's end is looked through for why a part ended: Kafka writes tracebacks of some kB behind it."""


def leashed(command: Sequence[str]) -> list[str]:
    """The command, such that it dies (SIGKILL) with the thread that starts it. Linux only; elsewhere it merely runs."""
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]


class Child:
    """A running child process. It dies with the thread that made it, which must live as long as it should.

    Its group is its own, so that Ctrl-C in a terminal reaches only us and we decide the order in which parts stop.
    Raises WorkFailed where its log cannot be written.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._log_begins = 0
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            if log.exists() and log.stat().st_size > LOG_BYTES:
                log.replace(log.with_name(log.name + ".1"))
            with log.open("ab") as output:
                self._log_begins = output.tell()
                self._process = subprocess.Popen(
                    leashed(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | (env or {}),
                    process_group=0,
                )
        except OSError as error:
            raise WorkFailed(f"cannot start {name}: {error}") from error

    @property
    def pid(self) -> int:
        """Its process id, also that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, else its exit code (minus the signal that ended it)."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; does not wait."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it and everything it started, at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, grace_s: float = 10.0) -> bool:
        """Asks it to stop and waits; kills it after `grace_s`. Returns whether it stopped by itself."""
        self.ask_to_stop()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._signal(signal.SIGKILL)  # what it may have started and left
        return True

    def last_words(self) -> str:
        """The last line of its log that says something, for error messages; and where the log is."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            said = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return f"{said[-1] if said else 'it said nothing'} (log: {self.log})"

    def met_full_disk(self) -> bool:
        """Whether it said that there is no space, or could not say so: its log may lie on the full disk itself."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_begins, self.log.stat().st_size - LAST_BYTES))
                return NO_SPACE.encode() in file.read() or free_bytes(self.log.parent)[0] < MIB
        except OSError:
            return False

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # gone; macOS says EPERM for a zombie's group
            os.killpg(self._process.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.exit_code is None:
            self.kill()


def wait_until(ready: Callable[[], bool], timeout_s: float, *, child: Child) -> None:
    """Waits until `ready()`. Raises WorkFailed, with its last words, where the child ends first or time is up."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        code = child.exit_code
        if code is not None:
            raise WorkFailed(f"{child.name} ended with exit code {code}: {child.last_words()}")
        if time.monotonic() > deadline:
            raise WorkFailed(f"{child.name} is not ready after {timeout_s:.0f} s: {child.last_words()}")
        time.sleep(0.02)
