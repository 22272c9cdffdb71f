"""Reads the logs to convert."""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a plain or gzipped text file; `-` is standard input. Raises `InputError` where it cannot be read."""
    if str(path) == "-":
        yield from sys.stdin
        return
    try:
        with path.open("rb") as probe:
            zipped = probe.read(2) == _GZIP_MAGIC
        with gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8") as text:
            yield from text
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
