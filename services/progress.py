"""Progress of long work, on standard error, only where a person watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def reading() -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number of events read so far."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} events read"), TimeElapsedColumn())
    with _shown(*columns, total=None) as update:
        yield lambda read: update(completed=read)


@contextmanager
def judging(text: str, **fields: Any) -> Iterator[Callable[..., None]]:
    """A bar with the time that is left and a text over `task.completed` and `task.total` cases and other fields. Gives
    a function that is told cases done, about how many in all, and those fields."""
    with _shown(BarColumn(), TextColumn(text), TimeRemainingColumn(), total=1, **fields) as update:
        yield lambda done, about, **told: update(total=max(done, about, 1), completed=done, **told)


@contextmanager
def _shown(*columns: ProgressColumn, total: int | None, **fields: Any) -> Iterator[Callable[..., None]]:
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield partial(progress.update, progress.add_task("", total=total, **fields))
