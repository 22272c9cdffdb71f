"""A report as one JSON object, and flips as a file."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import InputError
from schemas.times import text
from services.what_if.question import Question
from services.what_if.run import Report
from streams.what_if.compare import Flip, Row

_json = msgspec.json.Encoder()


def as_json(question: Question, report: Report, listed: list[Flip]) -> dict[str, Any]:
    """The report as one JSON object, with some of the flips."""
    return {
        "from": text(question.opened_from),
        "to": text(question.opened_to),
        "base": report.base,
        "stream_time": text(report.stream_time),
        "cases": report.cases,
        "cases_judged_twice": report.judged_twice,
        "events": report.events,
        "events_rejected": report.rejected,
        "total": _row(report, report.total),
        "rows": [_row(report, row) for row in report.rows],
        "flips": {"count": report.flips, "listed": [msgspec.to_builtins(flip) for flip in listed]},
    }


def _row(report: Report, row: Row) -> dict[str, Any]:
    fields = msgspec.to_builtins(row)
    clock, group = fields.pop("clock"), fields.pop("group")
    return {"clock": clock, **dict(zip(report.by, group, strict=False)), **fields}


@contextmanager
def flips_file(path: Path | None) -> Iterator[Callable[[Flip], None]]:
    """Gives a function that writes a flip to the file: CSV where its name ends so, else NDJSON; nowhere without a path.

    Raises `InputError` where it cannot be written.
    """
    if path is None:
        yield lambda flip: None
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                rows = csv.writer(file)
                rows.writerow(Flip.__struct_fields__)
                yield lambda flip: rows.writerow(msgspec.structs.astuple(flip))
            else:
                yield lambda flip: print(_json.encode(flip).decode(), file=file)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
