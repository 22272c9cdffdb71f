"""Which customers were told of while slices were read, and which slices they may have moved."""

from collections.abc import Iterable, Sequence

from schemas.rollup import CaseRecord
from schemas.times import parse
from services.rebuild.compare import Key
from streams.engine.slices import MINUTE_MS


def moving(before: Sequence[CaseRecord], after: Sequence[CaseRecord]) -> list[CaseRecord]:
    """Both readings of all cases of the customers of whom anything was told between the two."""
    then, now = _told(before), _told(after)
    moved = {customer for customer in then.keys() | now.keys() if then.get(customer) != now.get(customer)}
    return [record for record in (*before, *after) if record.customer_id in moved]


def cells_of(records: Iterable[CaseRecord]) -> set[Key]:
    """The contact slices in which these cases count for what spans a customer's cases."""
    cells: set[Key] = set()
    for record in records:
        for at, dims in ((record.opened_at, record.opened_as), (record.resolved_at, record.resolved_as)):
            if at is not None:
                cells.add((parse(at) // MINUTE_MS * MINUTE_MS, tuple(dims)))
    return cells


def _told(records: Iterable[CaseRecord]) -> dict[str | None, set[tuple[str, int]]]:
    told: dict[str | None, set[tuple[str, int]]] = {}
    for record in records:
        told.setdefault(record.customer_id, set()).add((record.case_id, record.version))
    return told
