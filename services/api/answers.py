"""How answers leave: JSON straight from plain rows, or CSV where that is asked for; in a stable order."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from services.api.database import Row

CSV_ANSWER: Final[dict[str, Any]] = {
    "text/csv": {"schema": {"type": "string", "description": "The rows, with `Accept: text/csv`: RFC 4180, UTF-8."}}
}
"""For the description of endpoints that answer with `rows_answer`."""

_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Accept"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula, wherever the text came from."""


def json_answer(content: object) -> Response:
    """A 200 JSON answer that nobody may keep: it tells the present."""
    body = msgspec.json.encode(content)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def rows_answer(request: Request, content: Row, columns: Sequence[str], rows: str = "rows") -> Response:
    """The same, or only what it has under `rows` as CSV with these columns, where the request would rather have that.
    The interval `ci` is two columns, `ci_low` and `ci_high`."""
    if not _rather_csv(request.headers.get("accept", "")):
        response = json_answer(content)
        response.headers.update(_HEADERS)
        return response
    return Response(csv_text(content[rows], columns), media_type="text/csv; header=present", headers=_HEADERS)


def csv_text(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Rows as RFC 4180 has them. What is null is empty; texts that a spreadsheet would run get an apostrophe before."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([name for column in columns for name in _names(column)])
    for row in rows:
        writer.writerow([_cell(value) for column in columns for value in _values(row, column)])
    return out.getvalue()


def group_order(groups: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Groups sorted by their values, "has none" first."""
    return sorted(groups, key=lambda group: tuple((value is not None, value or "") for value in group))


def _names(column: str) -> tuple[str, ...]:
    return (f"{column}_low", f"{column}_high") if column == "ci" else (column,)


def _values(row: Row, column: str) -> tuple[Any, ...]:
    value = row[column]
    if column == "ci":
        return value or (None, None)
    return (value,)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return value


def _rather_csv(accept: str) -> bool:
    """True where CSV is named with a higher quality than JSON (RFC 9110, section 12.5.1)."""
    quality = {"text/csv": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in quality:
            quality[name] = _quality(parameters)
    return quality["text/csv"] > quality["application/json"]


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
