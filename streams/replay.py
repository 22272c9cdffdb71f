"""`contactpulse replay`: the engine over files, in stream time, without Kafka or ClickHouse.

The same events in any order give the same bytes, because a case's state is a function of the set of its events.
"""

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from schemas.errors import EventRejected, InputError, WorkFailed
from schemas.event import decode_envelope
from schemas.metrics import ALIASES, CATALOGUE, MetricValue, Source
from schemas.policy import PolicyFile
from schemas.times import text, to_ms
from streams.engine.case import Case
from streams.engine.customers import Customers
from streams.engine.engine import Engine
from streams.engine.policies import PolicyBook
from streams.engine.slices import clock_slices, sums_of

SHOWN_REJECTIONS = 10
"""How many rejected lines the command line shows; rejected.ndjson has all."""
STATES = ("met", "breached", "cancelled", "running", "paused")
_json = msgspec.json.Encoder()


@dataclass
class Rejected:
    """A line that is no valid event."""

    file: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {f'{self.field}: ' if self.field else ''}{self.reason}"


@dataclass
class Replay:
    """What was read. `after_until` counts events later than the final stream time, which are left out."""

    read: int = 0
    applied: int = 0
    duplicates: int = 0
    after_until: int = 0
    rejected: list[Rejected] = field(default_factory=list)


def replay(
    paths: list[Path],
    policy: PolicyFile,
    out: Path,
    until: int | None = None,
    progress: Callable[[int], None] = lambda read: None,
) -> Replay:
    """Runs the engine over NDJSON files ("-": standard input) and writes the outcomes into directory `out`.

    `until` is the final stream time in ms; without it, the last event. `progress` is called with the number of events
    read so far. Lines that are no valid events are left out and listed in the result and in rejected.ndjson. Raises
    `InputError` where a file cannot be read, `WorkFailed` where `out` cannot be written.
    """
    engine, result = Engine(PolicyBook(policy)), Replay()
    with _no_garbage_collection():
        for path in paths:
            with _opened(path) as lines:
                _apply_lines(engine, lines, str(path), until, result, progress)
        final = until if until is not None else max((case.last_t for case in engine.cases.values()), default=None)
        if final is not None:
            engine.advance(final)
            engine.settle()
        try:
            out.mkdir(parents=True, exist_ok=True)
            _write(engine, out, final, result)
        except OSError as error:
            raise WorkFailed(f"{out}: cannot be written: {error.strerror}") from None
    return result


def _apply_lines(
    engine: Engine, lines: BinaryIO, name: str, until: int | None, result: Replay, progress: Callable[[int], None]
) -> None:
    apply = engine.apply
    read = applied = duplicates = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        read += 1
        if not read % 20_000:
            progress(result.read + read)
        try:
            event = decode_envelope(line)
            if until is not None and to_ms(event.occurred_at) > until:
                result.after_until += 1
            elif apply(event):
                applied += 1
            else:
                duplicates += 1
        except EventRejected as error:
            result.rejected.append(Rejected(name, number, error.field, error.reason))
    result.read += read
    result.applied += applied
    result.duplicates += duplicates
    progress(result.read)


def _write(engine: Engine, out: Path, final: int | None, result: Replay) -> None:
    states: dict[str, Counter[str]] = {}
    with (out / "outcomes.ndjson").open("wb") as file:
        for record in engine.outcomes():
            file.write(_json.encode(record) + b"\n")
            states.setdefault(record.clock, Counter())[record.state] += 1
    with (out / "rollups.ndjson").open("wb") as rollups:
        for cell in engine.slices.cells():
            # A correction may leave zeros behind; whether it does depends on the order of arrival.
            cell.counts = {key: n for key, n in cell.counts.items() if n}
            for row in clock_slices(cell):
                rollups.write(_json.encode(row) + b"\n")
    summary = _summary(states, final, result) | {"metrics": _metrics(engine, final)}
    (out / "summary.json").write_bytes(msgspec.json.format(_json.encode(summary)) + b"\n")
    rejected = out / "rejected.ndjson"
    rejected.unlink(missing_ok=True)
    if result.rejected:
        rejected.write_bytes(b"".join(_json.encode(r) + b"\n" for r in result.rejected))


def _metrics(engine: Engine, final: int | None) -> dict[str, Any]:
    """Every metric over all that was read, those of the backlog as of the final stream time; and by aliases."""
    customers = Customers()
    for record in engine.case_records():
        customers.tell(record, 0)
    sums = sums_of([*engine.slices.cells(), *customers.slices.cells()])
    open_now = [case for case in engine.all_cases() if len(case.spans) & 1] if final is not None else []
    ages = [(final or 0) - case.opened for case in open_now]
    waits = [(final or 0) - _since(case) for case in open_now if case.connected < 0 and case.answered < 0]
    values = {id: metric.of_open(ages, waits) if metric.source is Source.OPEN else metric.compute(sums)
              for id, metric in CATALOGUE.items()}  # fmt: skip
    values |= {alias: values[id] for alias, id in ALIASES.items()}
    return {id: _stated(value) for id, value in values.items()}


def _since(case: Case) -> int:
    """When it began to wait for a human."""
    return case.queued if case.queued >= 0 else case.opened


def _stated(value: MetricValue) -> dict[str, Any]:
    return {"value": value.value, "n": value.n, "numerator": value.numerator, "denominator": value.denominator}


def _summary(states: dict[str, Counter[str]], final: int | None, result: Replay) -> dict[str, Any]:
    clocks = {}
    for clock, count in sorted(states.items()):
        ended = count["met"] + count["breached"]
        clocks[clock] = {state: count[state] for state in STATES} | {
            "compliance": count["met"] / ended if ended else None
        }
    return {
        "stream_time": None if final is None else text(final),
        "events": {
            "read": result.read,
            "applied": result.applied,
            "duplicates": result.duplicates,
            "rejected": len(result.rejected),
            "after_until": result.after_until,
        },
        "clocks": clocks,
    }


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # The engine's objects form no cycles; walking them again and again costs a third of the time.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
