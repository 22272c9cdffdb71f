"""Asks: reads the cases, judges them under both policies, and says how far it is."""

import gc
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import InputError, WorkFailed
from schemas.settings import Settings
from services.store.clickhouse import connect, one_line
from services.what_if.question import Question
from services.what_if.reading import count_cases, newest_stream_time, pages, policy_in_force
from streams.what_if.compare import Comparison, Flip, Row

MAX_GROUPS = 10_000
"""More rows than anybody reads."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `cases_about` is what `cases` will be in the end, roughly."""

    cases: int
    cases_about: int
    events: int
    flips: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came out. `base` says where that policy comes from, `stream_time` is in ms.

    `judged_twice` counts the cases for which the policies promise different things, `rejected` stored events that are
    none.
    """

    base: str
    stream_time: int
    by: tuple[str, ...]
    cases: int
    judged_twice: int
    events: int
    rejected: int
    flips: int
    rows: list[Row]
    total: Row


def what_if(
    settings: Settings,
    question: Question,
    progress: Callable[[Progress], None] = lambda progress: None,
    on_flip: Callable[[Flip], None] = lambda flip: None,
) -> Report:
    """Judges the cases of a question under both policies, in bounded memory, on one core.

    `progress` is called after each page of some thousand cases, `on_flip` with every clock judged differently. Raises
    `WorkFailed` where ClickHouse does not answer, `InputError` for a URL that is none and for too many groups.
    """
    try:
        with closing(connect(settings)) as client:
            until = newest_stream_time(client) if question.until is None else question.until
            began, ended = question.opened_from, question.opened_to
            base, name = (question.base, "as given") if question.base else policy_in_force(client, settings)
            about = count_cases(client, began, ended, until)
            comparison = Comparison(base, question.new, began, ended, until, question.by, on_flip)
            progress(Progress(0, about, 0, 0))
            gc.disable()  # what is judged forms no cycles; looking for them takes a fifth of the time
            try:
                for columns in pages(client, began, ended, until):
                    comparison.add_all(zip(*columns, strict=True))
                    progress(Progress(comparison.cases, about, comparison.events, comparison.flips))
                    if comparison.groups > MAX_GROUPS:
                        raise InputError(f"by: gives more than {MAX_GROUPS:,} groups; take fewer dimensions")
                    del columns
                    gc.collect(0)
            finally:
                gc.enable()
    except ClickHouseError as error:
        raise WorkFailed(f"ClickHouse: {one_line(error)}") from error
    return Report(
        name,
        until,
        tuple(question.by),
        comparison.cases,
        comparison.twice,
        comparison.events,
        comparison.rejected,
        comparison.flips,
        comparison.rows(),
        comparison.total(),
    )
