"""What slices hold against what they should: the difference is what a rebuild adds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from schemas.metrics import Measure
from schemas.rollup import CLOCK_COUNTS
from streams.engine.customers import AT_OPENING, AT_RESOLUTION
from streams.engine.slices import MINUTE_MS, Cell, clock_slices, contact_slice

OF_CUSTOMERS = frozenset(measure for _, measure in (*AT_OPENING, *AT_RESOLUTION))
"""Measures that span a customer's cases: the second stage's."""
_ARRIVALS = frozenset({Measure.EVENTS, Measure.EVENTS_LATE})
K = TypeVar("K")

Key = tuple[int, tuple[Any, ...]]
"""Minute (ms) and dimension values, with the clock before them where there is one."""


class Held(NamedTuple):
    """What slices hold of one minute and series: sums by column, histograms by duration, customers."""

    counts: dict[str, int]
    durations: dict[str, dict[int, int]]
    customers: set[int]


def contacts_of(cells: Iterable[Cell]) -> dict[Key, Held]:
    """What contact slices of these cells hold."""
    found: dict[Key, Held] = {}
    for cell in cells:
        row = contact_slice(cell)
        counts = {name: n for name, n in row.counts.items() if n}
        found[cell.minute * MINUTE_MS, cell.dims.values] = Held(counts, row.durations, set(row.customers))
    return found


def clocks_of(cells: Iterable[Cell]) -> dict[Key, Held]:
    """What clock slices of these cells hold."""
    return {
        (cell.minute * MINUTE_MS, (row.clock, *cell.dims.values)): Held(
            {name: getattr(row, name) for name in CLOCK_COUNTS}, {}, set()
        )
        for cell in cells
        for row in clock_slices(cell)
    }


def without(held: dict[Key, Held], names: frozenset[str]) -> dict[Key, Held]:
    """The same but for some measures."""
    return {
        key: one._replace(counts={name: n for name, n in one.counts.items() if name not in names})
        for key, one in held.items()
    }


def only(held: dict[Key, Held], names: frozenset[str]) -> dict[Key, Held]:
    """Some measures of it."""
    return {
        key: Held({name: n for name, n in one.counts.items() if name in names}, {}, set()) for key, one in held.items()
    }


def differences(wanted: dict[Key, Held], there: dict[Key, Held]) -> dict[Key, Held]:
    """What to add to what is there, where that is anything. Customers can only be added: nothing says that one did not
    call."""
    nothing = Held({}, {}, set())
    found: dict[Key, Held] = {}
    for key in wanted.keys() | there.keys():
        want, have = wanted.get(key, nothing), there.get(key, nothing)
        counts = dict(_minus(want.counts, have.counts))
        durations = {
            name: buckets
            for name in want.durations.keys() | have.durations.keys()
            if (buckets := dict(_minus(want.durations.get(name, {}), have.durations.get(name, {}))))
        }
        customers = want.customers - have.customers
        if counts or durations or customers:
            found[key] = Held(counts, durations, customers)
    return found


def arrivals_aside(differences: dict[Key, Held]) -> dict[Key, Held]:
    """Leaves out what differs only in the dimensions that events came under: those of the moment, which no history
    tells. Where a minute's total differs, events are missing there."""
    totals: Counter[tuple[int, str]] = Counter()
    for (at, _), held in differences.items():
        for name in _ARRIVALS & held.counts.keys():
            totals[at, name] += held.counts[name]
    kept = {}
    for (at, series), held in differences.items():
        counts = {name: n for name, n in held.counts.items() if name not in _ARRIVALS or totals[at, name]}
        if counts or held.durations or held.customers:
            kept[at, series] = held._replace(counts=counts)
    return kept


def _minus(want: Mapping[K, int], have: Mapping[K, int]) -> Iterator[tuple[K, int]]:
    for name in want.keys() | have.keys():
        by = want.get(name, 0) - have.get(name, 0)
        if by:
            yield name, by
