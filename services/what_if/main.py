"""`contactpulse what-if`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from schemas.errors import InputError
from schemas.policy import load_policy
from schemas.settings import Settings
from services.progress import judging
from services.what_if.question import Question, clickhouse_of, groups, instant
from services.what_if.report import flips_file
from services.what_if.run import Progress, what_if
from services.what_if.screen import SHOWN_FLIPS, show
from streams.what_if.compare import Flip

CURRENT = "current"
_PIPE_WIDTH = 400


def run(
    settings: Settings,
    data_dir: Path,
    policy: Path,
    from_: str,
    to: str,
    base: str = CURRENT,
    until: str | None = None,
    by: str = "",
    flips: Path | None = None,
) -> None:
    """Asks and prints. Raises `InputError` for what was said wrongly, `WorkFailed` where ClickHouse is away."""
    settings = clickhouse_of(settings, data_dir)
    question = Question(
        None if base == CURRENT else load_policy(Path(base)),
        load_policy(policy),
        instant("--from", from_),
        instant("--to", to),
        None if until is None else instant("--until", until),
        groups(by),
    )
    if question.opened_from >= question.opened_to:
        raise InputError("--to: must be later than --from")
    first: list[Flip] = []
    with flips_file(flips) as write, _watched() as progress:

        def on_flip(flip: Flip) -> None:
            if len(first) < SHOWN_FLIPS:
                first.append(flip)
            write(flip)

        report = what_if(settings, question, progress, on_flip)
    console = Console()
    # Into a pipe or file nothing is cut: a case's id is what somebody looks for there.
    show(console if console.is_terminal else Console(width=_PIPE_WIDTH), question, report, first)


@contextmanager
def _watched() -> Iterator[Callable[[Progress], None]]:
    with judging(
        "{task.completed:,.0f} of about {task.total:,.0f} cases, {task.fields[flips]:,} flips", flips=0
    ) as update:
        yield lambda told: update(told.cases, told.cases_about, flips=told.flips)
