"""What a case tells of itself: the fields of `schemas.rollup.CaseRecord` up to the policy's repeat window."""

from typing import Any

from schemas.times import text
from streams.engine.case import Case
from streams.engine.facts import Dims


def fields(case: Case, customer: str | None) -> tuple[Any, ...]:
    """The fields of a case that has been opened, as one of this customer."""
    return (
        case.id,
        customer,
        *case.dims.values,
        text(case.opened),
        _instant(case.queued),
        _instant(case.connected),
        _instant(case.answered),
        _instant(case.resolved if case.resolved_dims is not None else -1),
        _instant(case.complained_at),
        case.complaint_category,
        int(case.reopened),
        [text(t) for t in case.spans[::2]],
        [text(t) for t in case.spans[1::2]],
        _values(case.opened_dims),
        _values(case.resolved_dims),
    )


def _instant(t: int) -> str | None:
    return text(t) if t >= 0 else None


def _values(dims: Dims | None) -> list[str | None]:
    return [] if dims is None else list(dims.values)
