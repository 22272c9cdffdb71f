"""Compares what slices hold with what the events say, and adds corrections for the difference.

A correction is a slice row of its own partition (`schemas.rollup.REBUILT`), so the stream's rows stay the stream's:
what it tells later of the same minutes adds up with it. Both sides are read up to the same fence, so an event that
arrives meanwhile is in neither, and reaches the slices by itself. What spans a customer's cases comes from a second
stage that has no fence in common with the first; there a difference must be the same twice, ten seconds apart.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import InputError, WorkFailed
from schemas.metrics import Measure
from schemas.policy import PolicyFile, default_policy, load_policy, parse_policy
from schemas.rollup import CLOCK_COUNTS, REBUILT, VersionedClockSlice, VersionedContactSlice
from schemas.settings import Settings
from schemas.times import text
from services.rebuild.fence import Fence, fence
from services.rebuild.reading import Held, Key, Reader
from services.store.clickhouse import ClickHouseAway, RowsRefused, Tables, connect, one_line
from services.store.touches import TOUCHES, Touches
from services.tiers import DAY_MS
from streams.engine.customers import AT_OPENING, AT_RESOLUTION
from streams.engine.policies import PolicyBook
from streams.engine.slices import MINUTE_MS, Cell, clock_slices, contact_slice
from streams.rebuild import Rebuild, StoredEvent

SETTLE_S = 10.0
_OF_CUSTOMERS = frozenset(measure for _, measure in (*AT_OPENING, *AT_RESOLUTION))
_ARRIVALS = frozenset({Measure.EVENTS, Measure.EVENTS_LATE})
_encode = msgspec.json.Encoder().encode
K = TypeVar("K")


@dataclass(slots=True)
class Report:
    """What came out. `contact` and `clock` count corrected slices, `busy` those of customers that were still moving."""

    stream_time: int
    cases: int = 0
    events: int = 0
    rejected: int = 0
    contact: int = 0
    clock: int = 0
    busy: int = 0


def rebuild(
    settings: Settings,
    begin: int,
    end: int,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, about: None,
) -> Report:
    """Rebuilds the slices of [begin, end), in ms, day by day. `progress` is told cases done and about how many in all.

    Raises `InputError` where the range is none or reaches beyond what is judged, `WorkFailed` where ClickHouse or Kafka
    does not answer.
    """
    if begin % MINUTE_MS or end % MINUTE_MS or begin >= end:
        raise InputError("--from, --to: must be whole minutes, the first before the second")
    kept_days = settings.slices_retention_days
    if kept_days and begin < time.time() * 1000 - (kept_days - 1) * DAY_MS:
        raise InputError(f"--from: slices are kept for {kept_days} days; older hours and days could not be compared")
    try:
        with closing(connect(settings)) as client:
            up_to = fence(client, settings)
            if end > up_to.stream_time:
                raise InputError(f"--to: judged is everything before {text(up_to.stream_time)}; take an earlier time")
            return _Run(client, settings, up_to, dry_run, progress).run(begin, end)
    except ClickHouseError as error:
        raise WorkFailed(f"ClickHouse: {one_line(error)}") from error
    except (ClickHouseAway, RowsRefused) as error:
        raise WorkFailed(f"ClickHouse: {error}") from error


class _Run:
    def __init__(
        self, client: Client, settings: Settings, up_to: Fence, dry_run: bool, progress: Callable[[int, int], None]
    ) -> None:
        self._client = client
        self._fence = up_to
        self._dry_run = dry_run
        self._progress = progress
        self._books = _books(client, settings, up_to)
        self._tables = Tables(settings)
        self._now_ms = time.time_ns() // 1_000_000
        self._tail = (REBUILT, self._now_ms // 1000, self._now_ms, text(self._now_ms))
        self.report = Report(up_to.stream_time)

    def run(self, begin: int, end: int) -> Report:
        """Day by day, so that a day's slices are all that is held at a time."""
        try:
            moving: list[tuple[int, int, dict[Key, Held]]] = []
            for at, until in self._days(begin, end):
                self._day(Reader(self._client, self._fence, at, until), at, until)
                of_customers = self._of_customers(Reader(self._client, self._fence, at, until), at, until)
                if of_customers:
                    moving.append((at, until, of_customers))
            self._settle(moving)
        finally:
            self._tables.close()
        return self.report

    def _days(self, begin: int, end: int) -> list[tuple[int, int]]:
        """The range cut at days, those left out in which nothing can be."""
        found = self._client.query(_DAYS, parameters={"begin": begin, "end": end}).result_rows
        return [(max(begin, day), min(end, day + DAY_MS)) for (day,) in found]

    def _day(self, reader: Reader, begin: int, end: int) -> None:
        said = Rebuild(self._books, begin, end, self._fence.stream_time)
        about = self.report.cases + reader.count_cases()
        for page in reader.pages():
            said.add_cases(StoredEvent(*row) for row in page)
            self._progress(self.report.cases + said.cases, about)
        said.add_caseless(StoredEvent(*row) for row in reader.caseless())
        contacts, clocks = _contacts(said.cells()), _clocks(said.cells())
        of_cases = _arrivals_aside(_differences(contacts, _without(reader.contacts(), _OF_CUSTOMERS)))
        of_clocks = _differences(clocks, reader.clocks())
        self.report.cases += said.cases
        self.report.events += said.events
        self.report.rejected += said.rejected
        self.report.contact += len(of_cases)
        self.report.clock += len(of_clocks)
        self._write("contact_slices", [_contact_row(key, held, self._tail) for key, held in of_cases.items()])
        self._write("clock_slices", [_clock_row(key, held, self._tail) for key, held in of_clocks.items()])

    def _settle(self, moving: list[tuple[int, int, dict[Key, Held]]]) -> None:
        """Corrects what of customers differs the same way again after a while."""
        if not moving:
            return
        time.sleep(SETTLE_S)
        # A row of its own beside that of the cases: another generation.
        partition, generation, version, at = self._tail
        tail = (partition, generation + 1, version, at)
        for begin, end, first in moving:
            second = self._of_customers(Reader(self._client, self._fence, begin, end), begin, end)
            same = {key: held for key, held in first.items() if second.get(key) == held}
            self.report.busy += len((first.keys() | second.keys()) - same.keys())
            self.report.contact += len(same)
            self._write("contact_slices", [_contact_row(key, held, tail) for key, held in same.items()])

    def _of_customers(self, reader: Reader, begin: int, end: int) -> dict[Key, Held]:
        said = Rebuild(self._books, begin, end, self._fence.stream_time)
        said.add_records(reader.records())
        return _differences(_contacts(said.customer_cells()), _only(reader.contacts(), _OF_CUSTOMERS))

    def _write(self, table: str, rows: list[bytes]) -> None:
        if self._dry_run:
            return
        touches = Touches()
        for first in range(0, len(rows), 50_000):
            block = b"\n".join(rows[first : first + 50_000])
            self._tables.insert(table, block)
            touches.note(table, block)
        if rows:
            self._tables.insert(TOUCHES, b"\n".join(touches.rows()))


_DAYS = f"""
SELECT DISTINCT intDiv(toUnixTimestamp64Milli(at), {DAY_MS}) * {DAY_MS} AS day FROM (
    SELECT occurred_at AS at FROM events UNION ALL
    SELECT occurred_at + INTERVAL 1 DAY FROM events WHERE type = 'agent.state' UNION ALL
    SELECT assumeNotNull(ended_at) FROM outcomes WHERE ended_at IS NOT NULL UNION ALL
    SELECT slice FROM contact_slices UNION ALL SELECT slice FROM clock_slices
)
WHERE day + {DAY_MS} > {{begin:Int64}} AND day < {{end:Int64}} ORDER BY day
"""
"""Days in which anything happened, ended or is held; an agent's state reaches into the next."""


def _books(client: Client, settings: Settings, up_to: Fence) -> list[PolicyBook]:
    """The policies that each source partition has judged by."""
    files: dict[int, list[tuple[int, PolicyFile]]] = {}
    parsed: dict[str, PolicyFile] = {}
    for partition, since, content in client.query(
        "SELECT partition, toUnixTimestamp64Milli(since), text FROM policies FINAL ORDER BY partition, since"
    ).result_rows:
        if content not in parsed:
            parsed[content] = parse_policy(content, "policy in force")
        files.setdefault(partition, []).append((since, parsed[content]))
    fallback = load_policy(settings.policy) if settings.policy else default_policy()
    return [PolicyBook.of(files.get(partition) or [(0, fallback)]) for partition in range(max(up_to.positions) + 1)]


def _contacts(cells: Iterable[Cell]) -> dict[Key, Held]:
    found: dict[Key, Held] = {}
    for cell in cells:
        row = contact_slice(cell)
        counts = {name: n for name, n in row.counts.items() if n}
        found[cell.minute * MINUTE_MS, cell.dims.values] = Held(counts, row.durations, set(row.customers))
    return found


def _clocks(cells: Iterable[Cell]) -> dict[Key, Held]:
    return {
        (cell.minute * MINUTE_MS, (row.clock, *cell.dims.values)): Held(
            {name: getattr(row, name) for name in CLOCK_COUNTS}, {}, set()
        )
        for cell in cells
        for row in clock_slices(cell)
    }


def _without(held: dict[Key, Held], names: frozenset[str]) -> dict[Key, Held]:
    return {
        key: one._replace(counts={name: n for name, n in one.counts.items() if name not in names})
        for key, one in held.items()
    }


def _only(held: dict[Key, Held], names: frozenset[str]) -> dict[Key, Held]:
    return {
        key: Held({name: n for name, n in one.counts.items() if name in names}, {}, set()) for key, one in held.items()
    }


def _differences(wanted: dict[Key, Held], there: dict[Key, Held]) -> dict[Key, Held]:
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


def _arrivals_aside(differences: dict[Key, Held]) -> dict[Key, Held]:
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


def _contact_row(key: Key, held: Held, tail: tuple[int, int, int, str]) -> bytes:
    at, dims = key
    fields = (text(at), *dims, held.counts, held.durations, sorted(held.customers), *tail)
    return _encode(VersionedContactSlice(*fields))


def _clock_row(key: Key, held: Held, tail: tuple[int, int, int, str]) -> bytes:
    at, series = key
    fields = (text(at), *series, *(held.counts.get(name, 0) for name in CLOCK_COUNTS), *tail)
    return _encode(VersionedClockSlice(*fields))
