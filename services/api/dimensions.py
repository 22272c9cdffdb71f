"""Grouping and filtering by dimension: `by=team,channel` and `channel=app&channel=chat`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.rollup import DIMENSIONS
from services.api.ranges import refused

MAX_GROUPS = 10_000
MAX_ROWS = 200_000
"""Groups times steps in one answer: about 30 MB of JSON."""

_ONLY = "only_"
"""A filter's parameter is named by this and its column."""


@dataclass(frozen=True, slots=True)
class Where:
    """A condition for a WHERE clause and the parameters it names."""

    sql: str = "1"
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return tuple(name.removeprefix(_ONLY) for name in self.parameters)


def grouping(by: str | None, allowed: Sequence[str] = DIMENSIONS) -> tuple[str, ...]:
    """The names in `by`, in the order given. Raises Problem 422 for one that is not allowed, or doubled."""
    names = tuple(name.strip() for name in by.split(",")) if by else ()
    for name in names:
        if name not in allowed:
            raise refused("by", f"{name!r} is not a dimension; allowed are {', '.join(allowed)}.")
    if len(set(names)) < len(names):
        raise refused("by", "names one of them twice.")
    return names


def filters(chosen: Mapping[str, Sequence[str] | None]) -> Where:
    """The condition for chosen values by column (a dimension, or `clock`).

    Several values of one column mean any of them; columns are joined by AND; the empty value means "has none".
    """
    parts = []
    parameters: dict[str, Any] = {}
    for column, values in chosen.items():
        if values:
            parts.append(f"ifNull({column}, '') IN {{{_ONLY}{column}:Array(String)}}")
            parameters[_ONLY + column] = list(values)
    return Where(" AND ".join(parts) or "1", parameters)


def row_limit(stepped: bool) -> int:
    """The LIMIT of a query: one more than may be answered, so that too much shows without reading all of it."""
    return (MAX_ROWS if stepped else MAX_GROUPS) + 1


def check_groups(count: int, steps: int = 1) -> None:
    """Raises Problem 422 where an answer would have too many groups, or too many rows over all steps."""
    if count > MAX_GROUPS:
        raise refused("by", f"gives more than {MAX_GROUPS:,} groups; group by less or filter.")
    if count * steps > MAX_ROWS:
        raise refused("step", f"{count:,} groups x {steps:,} steps are over {MAX_ROWS:,} rows; filter or step longer.")
