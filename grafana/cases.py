"""Tables of single cases: what is about to break a promise, what has broken one."""

from collections.abc import Iterable, Mapping
from typing import Final

from grafana_foundation_sdk.builders.table import Panel as Table

from grafana import look, sql
from grafana.panels import Column, rows

WHOSE: Final[Mapping[str, str]] = {"Team": "team", "Agent": "agent_id", "Channel": "channel", "Level": "priority"}
"""Columns by their titles, as every table of cases has them."""

_FIRST: Final = 100
"""As many rows as anyone reads; the API answers more."""

_COLUMNS: Final = (
    Column("Case", link=("Case in ContactPulse", "${board_url}/cases/${__value.text:percentencode}"), width=230),
    Column("Clock", width=170),
    Column("Due in", look.SECONDS, width=110),
    Column("Overdue", look.SECONDS, width=110),
    Column("Target", look.SECONDS, width=110),
    Column("Due", width=170),
)


def at_risk() -> Table:
    """Clocks that run out soon; how soon, the variable `within` says in seconds."""
    due_in = f"dateDiff('millisecond', {sql.AT}, assumeNotNull(due_at)) / 1000"
    columns = {"Case": "case_id", "Clock": "clock", "Due in": due_in, "Due": "due_at", **WHOSE}
    statement = sql.select(
        columns,
        "outcomes FINAL",
        ["state = 'running'", f"due_at > {sql.AT}", f"due_at <= {sql.AT} + toIntervalSecond(${{within}})"],
        order=("due_at", "case_id", "clock", "seq"),
        limit=_FIRST,
    )
    return rows(
        "At risk",
        "Clocks that still run and are due within the chosen time of the end of the range, soonest first / 即将超时.",
        [column for column in _COLUMNS if column.name in columns],
        sql.at_end(statement),
        width=24,
        height=10,
    )


def breached(title: str, *, only: Iterable[str] = (), whose: Mapping[str, str] = WHOSE) -> Table:
    """Clocks that were breached in the range; `only` names the columns that variables choose values of."""
    overdue = f"dateDiff('millisecond', assumeNotNull(due_at), ifNull(stopped_at, {sql.AT})) / 1000"
    columns = {"Case": "case_id", "Clock": "clock", "Overdue": overdue, "Target": "target_s", "Due": "due_at", **whose}
    statement = sql.select(
        columns,
        "outcomes FINAL",
        ["state = 'breached'", sql.ENDED_IN_RANGE, *sql.chosen(only)],
        order=("ended_at DESC", "case_id", "clock", "seq"),
        limit=_FIRST,
    )
    return rows(
        title,
        "Clocks due in the range that were not stopped by then, latest first; overdue until they were stopped, or "
        "until the end of the range / 超时明细.",
        [column for column in _COLUMNS if column.name in columns],
        sql.at_end(statement),
        width=24,
        height=10,
    )
