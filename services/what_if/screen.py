"""A report for people."""

from rich.console import Console
from rich.table import Table

from schemas.times import text
from services.what_if.question import Question
from services.what_if.run import Report
from streams.what_if.compare import Flip, Row

SHOWN_FLIPS = 10


def show(console: Console, question: Question, report: Report, listed: list[Flip]) -> None:
    """Prints a report as tables."""
    console.print(
        f"{report.cases:,} cases opened from {text(question.opened_from)} to {text(question.opened_to)},"
        f" {report.events:,} events, as of {text(report.stream_time)}\nbase: {report.base}",
        highlight=False,
        markup=False,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("clock", *report.by):
        table.add_column(name, footer="")
    for name in ("clocks", "before", "after", "points", "to breach", "to met", "added", "removed"):
        table.add_column(name, justify="right")
    for row in (*report.rows, report.total):
        if row is report.total:
            table.add_section()
        group = row.group or ("",) * len(report.by)
        table.add_row(
            row.clock,
            *("-" if value is None else value for value in group),
            f"{_clocks(row):,}",
            _percent(row.before.compliance),
            _percent(row.after.compliance),
            "" if not row.points else f"{row.points:+.2f}",
            *(f"{number:,}" if number else "" for number in (row.to_breached, row.to_met, row.added, row.removed)),
        )
    console.print(table)
    if report.flips:
        console.print(f"{report.flips:,} clocks are judged differently{', the first' if listed else ''}:")
        flips = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("case", "clock", "started", "before", "after", "target before", "target after"):
            flips.add_column(name)
        for flip in listed[:SHOWN_FLIPS]:
            flips.add_row(
                flip.case_id, f"{flip.clock} {flip.seq}", flip.started_at, flip.before, flip.after,
                f"{flip.target_before_s:g} s", f"{flip.target_after_s:g} s",
            )  # fmt: skip
        console.print(flips)
    if report.rejected:
        console.print(f"{report.rejected:,} stored events could not be read and were left out")


def _clocks(row: Row) -> int:
    after = row.after
    return after.met + after.breached + after.cancelled + after.running + after.paused


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
