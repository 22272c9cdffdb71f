"""Calendar arithmetic that the tests of other products state: `tests/data/sla_vectors.json`."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.calendar import Calendar as CalendarModel
from schemas.times import parse
from streams.engine.calendar import Calendar, make_calendar

FILE: dict[str, Any] = json.loads(Path("tests/data/sla_vectors.json").read_text(encoding="utf-8"))
ROWS = [
    pytest.param(vector, row, id=f"{vector['id']}-{number}")
    for vector in FILE["vectors"]
    for number, row in enumerate(vector.get("arith", ()), 1)
]
REFUSED = {"C02": "no open hour at all: Chatwoot then counts around the clock, here such a calendar is refused"}
"""Rows that contradict our rules, and why."""

# What the other cases are about is not open time; the rules of the clocks answer for it.
NOT_ARITHMETIC = {
    "status of a case from several clocks": {f"C{number}" for number in range(12, 22)},
    "when a clock starts": {*(f"C{number}" for number in range(22, 29)), "C32", "C33", "C34", "C35"},
    "what counts as an answer": {f"C{number}" for number in range(36, 46)},
}


def instant(text: str) -> int:
    """Times without an offset are of a site whose zone does not matter."""
    return parse(text if text.endswith("Z") else text + "Z")


def model_of(vector: dict[str, Any], row: dict[str, Any]) -> CalendarModel:
    """The calendar of a row as a policy file has it."""
    told = FILE["calendars"][row.get("calendar") or vector["calendar"]]
    if told is None:
        return CalendarModel()
    hours = {day: ["-".join(window) for window in windows] for day, windows in told["hours"].items()}
    zone = "UTC" if "naive" in told["tz"] else told["tz"]
    closed = [*told["holidays"], *row.get("holidays", ())]
    return CalendarModel.model_validate({"timezone": zone, "hours": hours, "closed": closed})


def runs(row: dict[str, Any], end: int) -> list[tuple[int, int]]:
    """The stretches from the start of a row to `end` in which it is not paused."""
    edges = [instant(row["start"]), *(instant(at) for pause in row["pauses"] for at in pause), end]
    return list(zip(edges[::2], edges[1::2], strict=True))


def due(calendar: Calendar, row: dict[str, Any]) -> int:
    """When the budget of a row is used up."""
    *paused, (last, _) = runs(row, 0)
    left = round(row["minutes"] * 60_000) - sum(calendar.elapsed(begin, end) for begin, end in paused)
    return calendar.after(last, left)


@pytest.mark.parametrize(("vector", "row"), ROWS)
def test_a_row(vector: dict[str, Any], row: dict[str, Any]) -> None:
    if vector["id"] in REFUSED:
        assert row["fallback"] == "wallclock"
        with pytest.raises(ValidationError, match="a week without an open hour"):
            model_of(vector, row)
        return
    calendar = make_calendar("c", model_of(vector, row))
    if row["op"] == "add":
        assert due(calendar, row) == instant(row["expect"])
    else:
        assert row["unit"] == "seconds"
        passed = sum(calendar.elapsed(begin, end) for begin, end in runs(row, instant(row["end"])))
        assert passed == row["expect"] * 1000


def test_every_case_is_either_arithmetic_or_listed_as_not() -> None:
    without = {vector["id"] for vector in FILE["vectors"] if not vector.get("arith")}
    assert without == set().union(*NOT_ARITHMETIC.values())
    assert len(ROWS) == 41


@pytest.mark.parametrize("id", ["F04", "F08"])
def test_a_budget_used_up_at_closing_is_due_at_closing(id: str) -> None:
    """Chatwoot and Frappe say so too; these are rows of that kind."""
    closings = 0
    for vector in FILE["vectors"]:
        for row in vector.get("arith", ()) if vector["id"] == id else ():
            calendar = make_calendar("c", model_of(vector, row))
            at = due(calendar, row)
            if not calendar.is_open(at):
                closings += 1
                assert calendar.is_open(at - 1), "not at an opening, nor in closed hours"
    assert closings
