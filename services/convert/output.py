"""Writes converted events."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import WorkFailed


def write_events(events: Iterable[dict[str, Any]], out: Path | None) -> None:
    """Writes events as NDJSON to a file, or to standard output where `out` is None.

    A file appears under its name only when it is whole. Raises `WorkFailed` where it cannot be written.
    """
    lines = (msgspec.json.encode(event) + b"\n" for event in events)
    if out is None:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    draft = out.with_name(out.name + ".part")
    try:
        with draft.open("wb") as file:
            file.writelines(lines)
        draft.replace(out)
    except OSError as error:
        raise WorkFailed(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def listed(skipped: Counter[Any]) -> str:
    """The reasons for which rows were skipped and how many each, the most frequent first."""
    return ", ".join(f"{n:,} {reason}" for reason, n in skipped.most_common()) or "-"
