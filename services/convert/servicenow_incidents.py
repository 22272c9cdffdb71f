"""A ServiceNow incident log (UCI "Incident management process enriched event log") as contract v1 events.

One row of the log is an incident as one update left it; what changed between two rows becomes events. What each column
becomes, and why, stands in docs/incidents.md. Times have no zone in the log: they are taken as UTC.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from schemas.errors import InputError
from services.convert.output import listed

COLUMNS = (
    "number", "incident_state", "reassignment_count", "reopen_count", "sys_mod_count", "caller_id", "opened_at",
    "sys_updated_at", "contact_type", "category", "priority", "assignment_group", "assigned_to",
)  # fmt: skip
"""The columns that are read. Others may stand between them: resolved_at, closed_at and made_sla are not read, because
the log copies an incident's last values onto all of its rows or tells what this product is to find out by itself."""

PRIORITIES = {"1": "L1", "2": "L1", "3": "L2", "4": "L3"}
"""Critical and high are L1, moderate L2, low L3."""

CHANNELS = {"phone": "phone", "ivr": "phone", "email": "email", "self service": "web"}
"""By contact_type in small letters; all else is `other`."""

WAITS = {
    "Awaiting User Info": "customer",
    "Awaiting Problem": "third_party",
    "Awaiting Vendor": "third_party",
    "Awaiting Evidence": "third_party",
}
"""Pause reasons: the one who is affected, or somebody who is neither that one nor the team that has the incident."""

_RESOLVED, _CLOSED = "Resolved", "Closed"
_STATES = frozenset({"New", "Active", _RESOLVED, _CLOSED} | WAITS.keys())
_TIME = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/](\d{4}) (\d{1,2}):(\d{2})")
_UNKNOWN = "?"

_STEP = {
    type_: f"{digit}-{type_.partition('.')[2]}"
    for digit, type_ in enumerate(
        (
            "contact.opened", "contact.resumed", "contact.reopened", "contact.updated", "contact.transferred",
            "contact.connected", "contact.pending", "contact.resolved", "contact.closed",
        ),
        start=1,
    )
}  # fmt: skip
"""What an event's id ends in: the digit keeps the events of one row in this order."""

Dated = tuple[datetime, dict[str, Any]]


class Skip(StrEnum):
    """Why a row gives no events."""

    REPEATED = "the same row again"
    UNKNOWN_STATE = "a state that is none of an incident's"
    NO_TIME = "opened or updated at an unknown time"
    EARLY = "updated before it was opened"
    NOT_REOPENED = "open again but not counted as reopened"
    AFTER_CLOSE = "resolved after it was closed"


@dataclass(slots=True)
class Counts:
    """What became of the rows. `incidents` counts those that gave events."""

    rows: int = 0
    incidents: int = 0
    events: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.events:,} events of {self.incidents:,} incidents in {self.rows:,} rows; "
            f"{self.skipped.total():,} rows skipped: {listed(self.skipped)}"
        )


@dataclass(slots=True, frozen=True, order=True)
class _Row:
    """An incident as an update left it, ordered by when that was; empty text is unknown."""

    at: datetime
    update: int
    line: int
    number: str
    opened: datetime
    state: str
    level: str
    category: str
    team: str
    agent: str
    caller: str
    channel: str
    reassigned: int
    reopened: int


def convert(lines: Iterable[str], counts: Counts | None = None, name: str = "log") -> Iterator[dict[str, Any]]:
    """Events of an incident log (CSV, header first), ordered by time and, within a minute, by event_id.

    All rows are read before the first event leaves. `counts` is kept up to date; `name` stands for the file in
    messages. Raises `InputError` where the text is no such log.
    """
    counts = counts if counts is not None else Counts()
    incidents: dict[str, list[_Row]] = {}
    for row in _rows(lines, counts, name):
        incidents.setdefault(row.number, []).append(row)
    events: list[Dated] = []
    for rows in incidents.values():
        counts.incidents += 1
        events += _events(sorted(rows), counts)
    events.sort(key=lambda dated: (dated[0], dated[1]["event_id"]))
    for _, event in events:
        counts.events += 1
        yield event


def _rows(lines: Iterable[str], counts: Counts, name: str) -> Iterator[_Row]:
    """The rows that hold together by themselves, as they stand in the file."""
    table = csv.reader(lines)
    try:
        header = next(table, [])
        missing = [column for column in COLUMNS if column not in header]
        if missing:
            raise InputError(f"{name}:1: not the header of an incident log: no column {missing[0]}")
        seen: set[tuple[str, ...]] = set()
        for cells in table:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(f"{name}:{table.line_num}: {len(cells)} columns instead of {len(header)}")
            counts.rows += 1
            record = tuple(cells)
            row = Skip.REPEATED if record in seen else _row(dict(zip(header, cells, strict=True)), name, table.line_num)
            seen.add(record)
            if isinstance(row, _Row):
                yield row
            else:
                counts.skipped[row] += 1
    except csv.Error as error:
        raise InputError(f"{name}:{table.line_num}: not CSV: {error}") from None


def _row(cells: dict[str, str], name: str, line: int) -> _Row | Skip:
    """One row, or why not. Raises `InputError` where a cell is not what its column says."""
    where = f"{name}:{line}"
    state = cells["incident_state"]
    if state not in _STATES:
        return Skip.UNKNOWN_STATE
    opened, at = (_time(cells[column], where, column) for column in ("opened_at", "sys_updated_at"))
    if opened is None or at is None:
        return Skip.NO_TIME
    if at < opened:
        return Skip.EARLY
    level = PRIORITIES.get(cells["priority"][:1])
    if level is None:
        raise InputError(f"{where}: priority: {cells['priority']!r} does not begin with 1, 2, 3 or 4")
    number = cells["number"]
    if not number:
        raise InputError(f"{where}: number: missing")
    update, reassigned, reopened = (
        _number(cells[column], where, column) for column in ("sys_mod_count", "reassignment_count", "reopen_count")
    )
    category, team, agent, caller = (
        "" if cells[column] == _UNKNOWN else cells[column]
        for column in ("category", "assignment_group", "assigned_to", "caller_id")
    )
    channel = CHANNELS.get(cells["contact_type"].lower(), "other")
    return _Row(
        at, update, line, number, opened, state, level, category, team, agent, caller, channel, reassigned, reopened
    )


def _events(rows: list[_Row], counts: Counts) -> Iterator[Dated]:
    """The events of one incident, from its rows in the order of their updates."""
    first = rows[0]
    data = {"direction": "inbound"}
    yield first.opened, _event(first, 0, "contact.opened", _opening(first) | {"data": data}, first.opened)
    before: _Row | None = None
    connected = False
    for rank, row in enumerate(rows, start=1):
        why = before and _contradiction(before, row)
        if why:
            counts.skipped[why] += 1
            continue
        steps = dict(_changes(before or first, row))
        if before is None or row.state != before.state:
            waited, waits = before and WAITS.get(before.state), WAITS.get(row.state)
            if waited and waited != waits:
                steps["contact.resumed"] = {"reason": waited}
            if waits and waited != waits:
                steps["contact.pending"] = {"reason": waits}
            if before and _over(before) and not _over(row):
                steps["contact.reopened"] = {}
            if not connected and not _over(row) and row.state != "New":
                connected = True
                steps["contact.connected"] = {}
            if row.state in (_RESOLVED, _CLOSED):
                steps[f"contact.{row.state.lower()}"] = {}
        fields = _holders(before or first, row) if "contact.transferred" not in steps else {}
        if fields and not steps:
            steps["contact.updated"] = {}
        for type_ in sorted(steps, key=lambda type_: _STEP[type_]):
            more = fields | ({"data": steps[type_]} if steps[type_] else {})
            fields = {}
            yield row.at, _event(row, rank, type_, more, row.at)
        before = row


def _contradiction(before: _Row, row: _Row) -> Skip | None:
    """Why a row cannot follow the one before."""
    if _over(before) and not _over(row) and row.reopened <= before.reopened:
        return Skip.NOT_REOPENED
    if before.state == _CLOSED and row.state == _RESOLVED:
        return Skip.AFTER_CLOSE
    return None


def _over(row: _Row) -> bool:
    return row.state in (_RESOLVED, _CLOSED)


def _changes(before: _Row, row: _Row) -> Iterator[tuple[str, dict[str, str]]]:
    """Events that the state has no part in."""
    updated = {}
    if row.level != before.level:
        updated["priority"] = row.level
    if row.category and row.category != before.category:
        updated["category"] = row.category
    if updated:
        yield "contact.updated", updated
    if row.reassigned > before.reassigned:
        to = _holders(before, row)
        moved = {"to_team": to.get("team", row.team), "to_agent": to.get("agent_id", "")}
        yield "contact.transferred", {key: value for key, value in moved.items() if value}


def _holders(before: _Row, row: _Row) -> dict[str, str]:
    """Team and agent where they are others than before. An agent taken off leaves no trace: nothing can say so."""
    now = {"team": row.team, "agent_id": row.agent}
    then = {"team": before.team, "agent_id": before.agent}
    return {key: value for key, value in now.items() if value and value != then[key]}


def _opening(row: _Row) -> dict[str, str]:
    known = {"customer_id": row.caller, "team": row.team, "agent_id": row.agent, "category": row.category}
    fixed = {"channel": row.channel, "priority": row.level, "source": "servicenow"}
    return fixed | {key: value for key, value in known.items() if value}


def _event(row: _Row, rank: int, type_: str, more: dict[str, Any], at: datetime) -> dict[str, Any]:
    event_id = f"{row.number}-{rank:04d}-{_STEP[type_]}"
    return {"event_id": event_id, "type": type_, "occurred_at": at.isoformat(), "case_id": row.number, **more}


def _time(text: str, where: str, column: str) -> datetime | None:
    if text == _UNKNOWN:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match:
            day, month, year, hour, minute = map(int, match.groups())
            return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        pass
    raise InputError(f"{where}: {column}: {text!r} is not a time such as 29/2/2016 01:16 (day first)")


def _number(text: str, where: str, column: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{where}: {column}: {text!r} is not a whole number") from None
