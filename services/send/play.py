"""`contactpulse send`: an NDJSON file of events pushed to a running product at N times its own pace."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from schemas.errors import InputError, WorkFailed
from services.send.door import MAX_BYTES, MAX_EVENTS, Door
from services.send.rebase import Rebase, mark_of, shift_of
from services.send.source import Extent, Line, measure, read

_TICK_S = 0.1
"""Paced events leave in batches of this much wall-clock time."""
_SHOWN = 20
"""Rejected events named one by one; the rest are counted."""


@dataclass(slots=True)
class Sent:
    """What became of a file."""

    events: int = 0
    accepted: int = 0
    rejected: int = 0
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or that of invalid input where an event was rejected."""
        return InputError.exit_code if self.rejected else 0


@dataclass(slots=True)
class _Batch:
    """Lines that leave together; `opens` and `due` are when the first and the last are due, on the monotonic clock."""

    numbers: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    opens: float = 0.0
    due: float = 0.0

    def full_with(self, raw: bytes) -> bool:
        return len(self.lines) >= MAX_EVENTS or self.size + len(raw) + 1 > MAX_BYTES

    def add(self, number: int, raw: bytes, due: float) -> None:
        if not self.lines:
            self.opens = due
        self.numbers.append(number)
        self.lines.append(raw)
        self.size += len(raw) + 1
        self.due = due


class _Pace:
    """When events are due, on the monotonic clock; `speed` 0: at once."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began = time.monotonic()
        self._first_ms: int | None = None
        self._latest_ms = 0

    def due(self, at_ms: int | None) -> float:
        if not self._speed:
            return 0.0
        if at_ms is not None:
            if self._first_ms is None:
                self._first_ms = self._latest_ms = at_ms
            self._latest_ms = max(self._latest_ms, at_ms)
        if self._first_ms is None:
            return self._began
        return self._began + (self._latest_ms - self._first_ms) / 1000 / self._speed


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


def play(
    path: Path,
    url: str,
    api_key: str,
    speed: float = 0.0,
    rebase: bool = False,
    patience_s: float | None = 60.0,
    console: Console | None = None,
) -> Sent:
    """Sends the file and reports on standard error. `speed` 0: as fast as the product takes it.

    A file is read through first: where one of its lines is no JSON object, nothing is sent. Standard input is sent as
    it comes and stops at such a line. Raises `InputError` for the file, `WorkFailed` where the product stays away for
    `patience_s` or refuses the key.
    """
    if speed < 0:
        raise InputError(f"--speed {speed:g}: must be 0 (as fast as it goes) or more")
    console = console or Console(stderr=True)
    name = "stdin" if str(path) == "-" else str(path)
    extent = None if str(path) == "-" else measure(path)
    change = _change(extent, speed, name) if rebase else None
    sent = Sent()
    began = time.monotonic()

    def trouble(text: str) -> None:
        console.print(f"{text}; trying again" if text else "sending again", markup=False, highlight=False)

    door = Door(url, api_key, patience_s, trouble)
    try:
        with _progress(console) as progress:
            task = progress.add_task("events", total=extent.events if extent else None)
            for batch in _paced(read(path), speed, change):
                answer = door.post(b"\n".join(batch.lines) + b"\n", len(batch.lines))
                for one in answer.rejected:
                    sent.rejected += 1
                    if sent.rejected <= _SHOWN:
                        line = batch.numbers[one.index] if one.index < len(batch.numbers) else 0
                        where = f"{name}:{line}: {one.field}: " if one.field else f"{name}:{line}: "
                        console.print(f"{where}{one.reason}", markup=False, highlight=False, soft_wrap=True)
                sent.events += len(batch.lines)
                sent.accepted += answer.accepted
                progress.update(task, completed=sent.events)
    except (WorkFailed, InputError) as error:
        raise type(error)(f"{error} ({sent.events:,} events of {name} had been sent)") from None
    finally:
        door.close()
    sent.seconds = time.monotonic() - began
    if sent.rejected > _SHOWN:
        console.print(f"... and {sent.rejected - _SHOWN:,} more rejected", highlight=False)
    return sent


def _change(extent: Extent | None, speed: float, name: str) -> Callable[[bytes, int | None], bytes]:
    """What turns a line into one of this play."""
    now_ms = round(time.time() * 1000)
    mark = mark_of(now_ms)
    if extent is not None:
        if extent.first_ms is None:
            raise InputError(f"{name}: no event has a readable occurred_at, so there is nothing to rebase")
        known = Rebase(shift_of(extent.first_ms, extent.last_ms, speed, now_ms), mark)
        return lambda raw, _: known(raw)
    if not 0 < speed <= 1:
        raise InputError(f"{name}: --rebase needs a file, or --speed above 0 up to 1: the end of a stream is not known")
    late: list[Rebase] = []

    def first_is_now(raw: bytes, at_ms: int | None) -> bytes:
        if not late and at_ms is not None:
            late.append(Rebase(round(time.time() * 1000) - at_ms, mark))
        return late[0](raw) if late else raw

    return first_is_now


def _paced(
    lines: Iterator[Line], speed: float, change: Callable[[bytes, int | None], bytes] | None
) -> Iterator[_Batch]:
    """Batches, each yielded when it is due: when the last of its events has happened.

    A file out of order is paced by the latest time seen so far: an event that arrives late in the log is sent late, as
    it was. Where reading stops at a bad line, what came before it is yielded first.
    """
    pace = _Pace(speed)
    batch = _Batch()
    try:
        for line in lines:
            due = pace.due(line.at_ms)
            raw = change(line.raw, line.at_ms) if change else line.raw
            if batch.lines and (due > batch.opens + _TICK_S or batch.full_with(raw)):
                yield _await(batch)
                batch = _Batch()
            batch.add(line.number, raw, due)
    except InputError:
        if batch.lines:
            yield _await(batch)
        raise
    if batch.lines:
        yield _await(batch)


def _await(batch: _Batch) -> _Batch:
    wait_s = batch.due - time.monotonic()
    if wait_s > 0:
        time.sleep(wait_s)
    return batch


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.completed:,.0f} events"), BarColumn(), _Rate(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console, disable=not sys.stderr.isatty(),
    )  # fmt: skip
