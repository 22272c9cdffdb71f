"""One-minute sums per dimension tuple: what happened and how clocks ended.

A cell maps keys to whole numbers, so that one cell holds all that is known of a minute and tuple, and what a case
contributed can be taken back by subtracting it: a measure by its name; how clocks ended under `CLOCK.met` and its like;
the buckets of a duration's histogram under `~DURATION~BUCKET`; customers, each with how many contacts, under `@HASH`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from schemas.metrics import Measure, Sums
from schemas.metrics.histogram import bucket_of
from schemas.rollup import ClockSlice, ContactSlice
from schemas.times import text
from streams.engine.facts import Dims, DimsTable, DimValues
from streams.engine.guard import Guard

Counts = dict[str, int]
MINUTE_MS = 60_000
BLOCK_MINUTES = 5
"""Slices are checkpointed in blocks of this many minutes: only blocks that changed are written again."""


class ClockKeys(NamedTuple):
    """Where a cell keeps how a clock ended. `late` counts breached clocks that have stopped since."""

    met: str
    breached: str
    cancelled: str
    late: str
    elapsed_ms: str


@lru_cache(maxsize=256)
def clock_keys(clock: str) -> ClockKeys:
    """The cell keys of a clock."""
    return ClockKeys(*(f"{clock}.{field}" for field in ClockKeys._fields))


@lru_cache(maxsize=16_384)
def _histogram_key(duration: str, bucket: int) -> str:
    return f"~{duration}~{bucket}"


def customer_key(customer_id: str) -> str:
    """The cell key of a customer: 53 bits of a hash, which every JSON reader takes for a number unharmed."""
    return f"@{int.from_bytes(blake2b(customer_id.encode(), digest_size=8).digest()) >> 11}"


class Cell:
    """The counts of one minute and dimension tuple."""

    __slots__ = ("changed", "counts", "dims", "minute")

    def __init__(self, minute: int, dims: Dims, counts: Counts) -> None:
        self.minute = minute
        self.dims = dims
        self.counts = counts
        self.changed = False


class Slices:
    """All cells in memory, by minute and dimension tuple.

    `sign` is -1 while contributions of a case are taken back. `changed` holds the cells touched since they were last
    taken, `blocks` the blocks touched since the last checkpoint. `generation` is that of new blocks, `born` the one
    that each block keeps for life: a block forgotten and begun again must not overwrite what was told of it, nor one
    still known be told twice.
    """

    def __init__(self, guard: Guard | None = None) -> None:
        """`guard` bounds how many values and tuples are told apart; without one all are."""
        self.guard = guard
        self.minutes: dict[int, dict[Dims, Cell]] = {}
        self.changed: list[Cell] = []
        self.blocks: set[int] = set()
        self.touched: dict[int, int] = {}
        self.generation = 0
        self.born: dict[int, int] = {}
        self.sign = 1

    def add(self, t: int, dims: Dims, key: str, n: int = 1) -> None:
        """Adds n to a measure in the minute of instant t."""
        counts = self.at(t, dims)
        counts[key] = counts.get(key, 0) + self.sign * n

    def at(self, t: int, dims: Dims) -> Counts:
        """The counts of instant t's minute, about to be changed. Whoever changes them heeds `sign`."""
        minute = t // MINUTE_MS
        tuples = self.minutes.get(minute)
        if tuples is None:
            tuples = self.minutes[minute] = {}
        cell = tuples.get(dims)
        if cell is None:
            if self.guard is not None:
                dims = self.guard.admit(minute, dims, tuples)
                cell = tuples.get(dims)
            if cell is None:
                cell = tuples[dims] = Cell(minute, dims, {})
        if not cell.changed:
            cell.changed = True
            self.changed.append(cell)
        return cell.counts

    def measure(self, t: int, dims: Dims, duration: str, ms: int, n: int = 1) -> None:
        """Adds n times a duration to its sum and histogram."""
        counts, n = self.at(t, dims), n * self.sign
        for key, amount in ((f"{duration}_ms", n * ms), (_histogram_key(duration, bucket_of(ms)), n)):
            counts[key] = counts.get(key, 0) + amount

    def take(self, arrival: int) -> list[Cell]:
        """The cells changed since last asked. Their blocks count as touched at `arrival` and are to be checkpointed."""
        taken, self.changed = self.changed, []
        for cell in taken:
            cell.changed = False
        for block in {cell.minute // BLOCK_MINUTES for cell in taken}:
            self.blocks.add(block)
            self.touched[block] = arrival
            self.born.setdefault(block, self.generation)
        return taken

    def forget(self, untouched_since: int) -> list[int]:
        """Drops blocks not touched since then; returns their numbers. All changes must have been taken."""
        gone = [block for block, touched in self.touched.items() if touched < untouched_since]
        for block in gone:
            del self.touched[block], self.born[block]
            self.blocks.discard(block)
            for minute in range(block * BLOCK_MINUTES, (block + 1) * BLOCK_MINUTES):
                self.minutes.pop(minute, None)
        self.generation += bool(gone)
        return gone

    def dump(self, block: int) -> list[tuple[int, DimValues, Counts]]:
        """The cells of a block."""
        first = block * BLOCK_MINUTES
        return [
            (minute, cell.dims.values, cell.counts)
            for minute in range(first, first + BLOCK_MINUTES)
            for cell in self.minutes.get(minute, {}).values()
        ]

    def load(self, rows: Iterable[tuple[int, DimValues, Counts]], table: DimsTable) -> None:
        """Takes back what `dump` gave."""
        for minute, values, counts in rows:
            dims = table.of(values)
            self.minutes.setdefault(minute, {})[dims] = Cell(minute, dims, counts)

    def cells(self) -> Iterator[Cell]:
        """All cells, by minute and dimension values."""
        for minute in sorted(self.minutes):
            yield from sorted(self.minutes[minute].values(), key=lambda cell: sortable(cell.dims.values))


def sortable(values: DimValues) -> tuple[tuple[bool, str], ...]:
    """A sort key: no value stands before any."""
    return tuple((value is not None, value or "") for value in values)


@lru_cache(maxsize=256)
def _clock_of(key: str) -> str:
    return key.rpartition(".")[0]


def clock_slices(cell: Cell) -> Iterator[ClockSlice]:
    """The clock slices that a cell holds, by clock name."""
    counts = cell.counts
    clocks = {_clock_of(key) for key in counts if "." in key}
    if not clocks:
        return
    begin = text(cell.minute * MINUTE_MS)
    for clock in sorted(clocks):
        met, breached, cancelled, late, elapsed = (counts.get(key, 0) for key in clock_keys(clock))
        yield ClockSlice(begin, clock, *cell.dims.values, met, breached, cancelled, met + late, elapsed)


def contact_slice(cell: Cell) -> ContactSlice:
    """The contact slice of a cell."""
    counts, durations, customers = _told_apart(cell.counts)
    return ContactSlice(
        text(cell.minute * MINUTE_MS), *cell.dims.values, dict(sorted(counts.items())), durations, customers
    )


def sums_of(cells: Iterable[Cell]) -> Sums:
    """What the metrics over these cells are worked out of."""
    totals: Counter[str] = Counter()
    for cell in cells:
        totals.update(cell.counts)
    counts, durations, customers = _told_apart(totals)
    return Sums(counts, durations, len(customers))


_OF_CLOCKS = (
    ("first_response", Measure.FIRST_RESPONSE_MET, Measure.FIRST_RESPONSE_ENDED),
    ("complaint_feedback", Measure.COMPLAINT_FEEDBACK_MET, Measure.COMPLAINT_FEEDBACK_ENDED),
    ("callback", Measure.CALLBACK_MET, Measure.CALLBACK_ENDED),
)
"""Clocks whose ends are measures of their own."""


def _told_apart(counts: Counts) -> tuple[Counts, dict[str, dict[int, int]], list[int]]:
    """A cell's measures (those over clocks added up from the single clocks), histograms and customers."""
    plain: Counts = {}
    durations: dict[str, dict[int, int]] = {}
    customers: list[int] = []
    met = breached = 0
    for key, n in counts.items():
        if "." in key:
            if key.endswith(".met"):
                met += n
            elif key.endswith(".breached"):
                breached += n
        elif key[0] == "~":
            if n:
                _, duration, bucket = key.split("~")
                durations.setdefault(duration, {})[int(bucket)] = n
        elif key[0] == "@":
            if n > 0:
                customers.append(int(key[1:]))
        else:
            plain[key] = n
    if met or breached:
        plain[Measure.CLOCKS_MET], plain[Measure.CLOCKS_ENDED] = met, met + breached
        for clock, met_measure, ended_measure in _OF_CLOCKS:
            keys = clock_keys(clock)
            of_met, of_breached = counts.get(keys.met, 0), counts.get(keys.breached, 0)
            if of_met or of_breached:
                plain[met_measure], plain[ended_measure] = of_met, of_met + of_breached
    return plain, durations, sorted(customers)
