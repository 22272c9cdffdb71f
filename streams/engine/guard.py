"""A bound on what slices tell apart, so that no producer can blow them up: an id in a dimension, agents without end.

What is too many counts under "other". A case's contributions are taken back where they were booked: a value once
admitted stays so for its day, and one that was folded stays folded.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.rollup import DIMENSIONS, OTHER
from streams.engine.facts import Dims, DimsTable, DimValues

DAY_MINUTES = 1_440
KEPT_DAYS = 14
"""Days whose admitted values are remembered, newest used last."""

VALUES = {"team": 1_000, "agent_id": 10_000, "customer_tier": 100, "category": 1_000, "queue": 1_000}
"""Values told apart a day and source partition. Channel and priority are bounded by the contract. ClickHouse keeps a
dimension in a dictionary, which pays up to about 10,000 values."""

TUPLES = 5_000
"""Tuples told apart a minute and source partition; beyond it the widest dimensions are folded, one after the other."""
WIDEST_FIRST = ("agent_id", "queue", "category", "customer_tier", "team")


@dataclass(slots=True)
class Guard:
    """Admits dimension tuples. `days` holds the values admitted by day and dimension, `dirty` the days to checkpoint,
    `folded` how many cells were folded by dimension."""

    table: DimsTable
    values: dict[str, int] = field(default_factory=lambda: dict(VALUES))
    tuples: int = TUPLES
    days: dict[int, dict[str, set[str]]] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    folded: Counter[str] = field(default_factory=Counter)

    def admit(self, minute: int, dims: Dims, known: Mapping[Dims, object]) -> Dims:
        """The tuple under which `dims` is booked in a minute whose cells are `known`, where it is not one of them."""
        day = minute // DAY_MINUTES
        admitted = self.days.get(day)
        if admitted is None:
            admitted = self.days[day] = {name: set() for name in self.values}
            while len(self.days) > KEPT_DAYS:
                oldest = next(iter(self.days))
                del self.days[oldest]
                self.dirty.add(oldest)
        values = list(dims.values)
        for place, name in enumerate(DIMENSIONS):
            value, limit = values[place], self.values.get(name)
            if limit is None or value is None or value in admitted[name]:
                continue
            if len(admitted[name]) < limit:
                admitted[name].add(value)
                self.dirty.add(day)
            else:
                values[place] = self._fold(name)
        dims = self._of(values)
        for folded, name in enumerate(WIDEST_FIRST):
            # Half as many again for each dimension folded: else the first tuple too many would lose all of them.
            if dims in known or len(known) < self.tuples * (1 + folded / 2):
                break
            place = DIMENSIONS.index(name)
            if values[place] is not None:
                values[place] = self._fold(name)
                dims = self._of(values)
        return dims

    def dump(self, day: int) -> dict[str, list[str]]:
        """The values admitted on a day."""
        return {name: sorted(values) for name, values in self.days.get(day, {}).items()}

    def load(self, day: int, admitted: dict[str, list[str]]) -> None:
        """Takes back what `dump` gave."""
        self.days[day] = {name: set(admitted.get(name, ())) for name in self.values}

    def _fold(self, name: str) -> str:
        self.folded[name] += 1
        return OTHER

    def _of(self, values: list[str | None]) -> Dims:
        found: DimValues = tuple(values)  # type: ignore[assignment]
        return self.table.of(found)
