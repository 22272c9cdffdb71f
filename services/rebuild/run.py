"""Compares what slices hold with what the events say, and adds corrections for the difference.

A correction is a slice row of its own partition (`schemas.rollup.REBUILT`), so the stream's rows stay the stream's:
what it tells later of the same minutes adds up with it. Both sides are read up to the same fence, so an event that
arrives meanwhile is in neither, and reaches the slices by itself. What spans a customer's cases comes from a second
stage with a fence of its own, and no history tells what it had read by then: there the cases are read before the fence
and after it, and slices of customers whose cases differ are left out.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import InputError, WorkFailed
from schemas.policy import PolicyFile, default_policy, load_policy, parse_policy
from schemas.rollup import CLOCK_COUNTS, REBUILT, CaseRecord, VersionedClockSlice, VersionedContactSlice
from schemas.settings import Settings
from schemas.times import text
from services.rebuild.compare import (
    OF_CUSTOMERS,
    Held,
    Key,
    arrivals_aside,
    clocks_of,
    contacts_of,
    differences,
    only,
    without,
)
from services.rebuild.fence import VERSION_BEFORE, Fence, Fences
from services.rebuild.moving import cells_of, moving
from services.rebuild.reading import Reader
from services.store.clickhouse import ClickHouseAway, RowsRefused, Tables, connect, one_line
from services.store.touches import TOUCHES, Touches
from services.tiers import DAY_MS
from streams.engine.policies import PolicyBook
from streams.engine.slices import MINUTE_MS
from streams.rebuild import Rebuild

ROUNDS = 3
_encode = msgspec.json.Encoder().encode


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
        with closing(connect(settings)) as client, closing(Fences(client, settings)) as fences:
            up_to = fences.newest()
            if end > up_to.stream_time:
                raise InputError(f"--to: judged is everything before {text(up_to.stream_time)}; take an earlier time")
            return _Run(client, settings, fences, up_to, dry_run, progress).run(begin, end)
    except ClickHouseError as error:
        raise WorkFailed(f"ClickHouse: {one_line(error)}") from error
    except (ClickHouseAway, RowsRefused) as error:
        raise WorkFailed(f"ClickHouse: {error}") from error


class _Run:
    def __init__(
        self,
        client: Client,
        settings: Settings,
        fences: Fences,
        up_to: Fence,
        dry_run: bool,
        progress: Callable[[int, int], None],
    ) -> None:
        self._client = client
        self._fences = fences
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
            looked_at: list[tuple[int, int]] = []
            for at, until in self._days(begin, end):
                reader = Reader(self._client, self._fence, at, until)
                self._day(reader, at, until)
                if self._of_customers(reader.records(), reader, at, until):
                    looked_at.append((at, until))
            for at, until in looked_at:
                self._customers(at, until)
        finally:
            self._tables.close()
        return self.report

    def _days(self, begin: int, end: int) -> list[tuple[int, int]]:
        """The range cut at days, those left out in which nothing can be."""
        found = self._client.query(_DAYS, parameters={"begin": begin, "end": end}).result_rows
        return [(max(begin, day), min(end, day + DAY_MS)) for (day,) in found]

    def _day(self, reader: Reader, begin: int, end: int) -> None:
        said = self._blank(begin, end)
        about = self.report.cases + reader.count_cases()
        for page in reader.pages():
            said.add_cases(page)
            self._progress(self.report.cases + said.cases, about)
        said.add_caseless(reader.caseless())
        contacts, clocks = contacts_of(said.cells()), clocks_of(said.cells())
        of_cases = arrivals_aside(differences(contacts, without(reader.contacts(), OF_CUSTOMERS)))
        of_clocks = differences(clocks, reader.clocks())
        self.report.cases += said.cases
        self.report.events += said.events
        self.report.rejected += said.rejected
        self.report.contact += len(of_cases)
        self.report.clock += len(of_clocks)
        self._write("contact_slices", [_contact_row(key, held, self._tail) for key, held in of_cases.items()])
        self._write("clock_slices", [_clock_row(key, held, self._tail) for key, held in of_clocks.items()])

    def _customers(self, begin: int, end: int) -> None:
        """Corrects what of customers differs. They may be moving: each round leaves out fewer of them."""
        # A row of its own beside that of the cases: another generation.
        partition, generation, version, at = self._tail
        tail = (partition, generation + 1, version, at)
        for left in reversed(range(ROUNDS)):
            before = Reader(self._client, self._fence, begin, end).records()
            reader = Reader(self._client, self._fences.of_customers(), begin, end)
            found = self._of_customers(before, reader, begin, end)
            busy = found.keys() & cells_of(moving(before, reader.records()))
            if not busy or not left:
                break
        self.report.busy += len(busy)
        wrong = {key: held for key, held in found.items() if key not in busy}
        self.report.contact += len(wrong)
        self._write("contact_slices", [_contact_row(key, held, tail) for key, held in wrong.items()])

    def _of_customers(self, records: Iterable[CaseRecord], reader: Reader, begin: int, end: int) -> dict[Key, Held]:
        said = self._blank(begin, end)
        said.add_records(records)
        return differences(contacts_of(said.customer_cells()), only(reader.contacts(), OF_CUSTOMERS))

    def _blank(self, begin: int, end: int) -> Rebuild:
        settled = [self._fence.marks[number].settled for number in range(self._fence.partitions)]
        return Rebuild(self._books, settled, begin, end, self._fence.stream_time)

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
        "SELECT partition, toUnixTimestamp64Milli(since), text FROM policies FINAL"
        f" WHERE {VERSION_BEFORE} ORDER BY partition, since",
        parameters=up_to.parameters,
    ).result_rows:
        if content not in parsed:
            parsed[content] = parse_policy(content, "policy in force")
        files.setdefault(partition, []).append((since, parsed[content]))
    fallback = load_policy(settings.policy) if settings.policy else default_policy()
    return [PolicyBook.of(files.get(partition) or [(0, fallback)]) for partition in range(up_to.partitions)]


def _contact_row(key: Key, held: Held, tail: tuple[int, int, int, str]) -> bytes:
    at, dims = key
    fields = (text(at), *dims, held.counts, held.durations, sorted(held.customers), *tail)
    return _encode(VersionedContactSlice(*fields))


def _clock_row(key: Key, held: Held, tail: tuple[int, int, int, str]) -> bytes:
    at, series = key
    fields = (text(at), *series, *(held.counts.get(name, 0) for name in CLOCK_COUNTS), *tail)
    return _encode(VersionedClockSlice(*fields))
