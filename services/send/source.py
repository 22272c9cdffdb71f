"""An NDJSON file of events as lines with their times; checked before anything of it is sent."""

import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from schemas.errors import InputError
from schemas.times import to_ms

_GZIP_MAGIC = b"\x1f\x8b"


class _Times(msgspec.Struct):
    occurred_at: Any = None


_times = msgspec.json.Decoder(_Times)


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it stands in the file. `at_ms` is None where it has no readable occurred_at."""

    number: int
    raw: bytes
    at_ms: int | None


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is: events, and the first and last instant (None where no event has a readable one)."""

    events: int
    first_ms: int | None
    last_ms: int | None


def read(path: Path) -> Iterator[Line]:
    """The events of a plain or gzipped file (`-`: standard input); empty lines are passed over.

    Raises `InputError` naming file and line at the first line that is no JSON object, or where reading fails.
    """
    name = "stdin" if str(path) == "-" else str(path)
    try:
        with _opened(path) as file:
            for number, raw in enumerate(file, start=1):
                raw = raw.strip()
                if raw:
                    yield Line(number, raw, _instant(raw, f"{name}:{number}"))
    except (OSError, EOFError) as error:
        raise InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def measure(path: Path) -> Extent:
    """Reads a file through once. Raises `InputError` as `read` does."""
    events, first, last = 0, None, None
    for line in read(path):
        events += 1
        if line.at_ms is not None:
            first = line.at_ms if first is None else min(first, line.at_ms)
            last = line.at_ms if last is None else max(last, line.at_ms)
    return Extent(events, first, last)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, or what it packs; closed afterwards, both of them: a gzip reader leaves what it reads from open."""
    # Standard input with a buffer of its own, so that closing that leaves the process's standard input open.
    raw = io.FileIO(sys.stdin.fileno(), closefd=False) if str(path) == "-" else io.FileIO(path)
    with io.BufferedReader(raw) as file:
        if file.peek(2)[:2] == _GZIP_MAGIC:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield file


def _instant(raw: bytes, where: str) -> int | None:
    try:
        at = _times.decode(raw).occurred_at
    except msgspec.ValidationError:
        raise InputError(f"{where}: not a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not valid JSON: {error}") from None
    return instant_of(at)


def instant_of(value: object) -> int | None:
    """The instant of an RFC 3339 text; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return to_ms(moment) if moment is not None and moment.tzinfo is not None else None
