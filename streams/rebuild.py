"""What the slices of a range of minutes must hold, from stored events: the stream's rules, without its book-keeping."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.errors import EventRejected
from schemas.event import decode_envelope
from schemas.metrics import Measure
from schemas.rollup import CaseRecord
from schemas.routing import partition_of
from streams.engine.agents import Agents
from streams.engine.calendar import NEVER
from streams.engine.case import PAGE, Case
from streams.engine.customers import Customers
from streams.engine.facts import Dims, DimsTable, Fact, FactMaker
from streams.engine.policies import PolicyBook
from streams.engine.rules import Rules
from streams.engine.slices import MINUTE_MS, Cell, Counts, Slices
from streams.partition import is_late


class StoredEvent(NamedTuple):
    """An event as it is stored. Instants in ms; `body` is the event as it was sent."""

    case_id: str
    event_id: str
    body: str
    received: int


class RangeSlices(Slices):
    """Slices that keep only the minutes of a range, in ms; what falls outside is summed up for nobody."""

    def __init__(self, begin: int, end: int) -> None:
        super().__init__()
        self._first, self._after = begin // MINUTE_MS, end // MINUTE_MS
        self._nowhere: Counts = {}

    def at(self, t: int, dims: Dims) -> Counts:
        """As of any slices."""
        if self._first <= t // MINUTE_MS < self._after:
            return super().at(t, dims)
        self._nowhere.clear()
        return self._nowhere


class Rebuild:
    """Gathers the slices of [begin, end) from whole cases, as of stream time `now`.

    `books` holds the policies that each source partition judged by.
    """

    def __init__(self, books: list[PolicyBook], begin: int, end: int, now: int) -> None:
        self._now = now
        self._books = books
        self._table = DimsTable()
        self._slices = RangeSlices(begin, end)
        self._customers = Customers(slices=RangeSlices(begin, end))
        self._agents = Agents(self._slices, self._table)
        self._make = FactMaker(self._table).make
        self._rules = [Rules(book, self._slices, self._table) for book in books]
        self.cases = self.events = self.rejected = 0

    def add_cases(self, rows: Iterable[StoredEvent]) -> None:
        """Adds cases; the rows of each come together, in order of time and id. Rows that are no events are counted."""
        case_id, facts, received = "", dict[str, Fact](), dict[str, int]()
        for row in rows:
            if row.case_id != case_id:
                self._fold(case_id, facts, received)
                case_id, facts, received = row.case_id, {}, {}
            self.events += 1
            if row.event_id in facts:
                continue
            try:
                facts[row.event_id] = self._make(decode_envelope(row.body.encode()))
            except EventRejected:
                self.rejected += 1
            else:
                received[row.event_id] = row.received
        self._fold(case_id, facts, received)

    def add_caseless(self, rows: Iterable[StoredEvent]) -> None:
        """Adds events of agents: their states, praise, adopted suggestions. Any order."""
        for row in rows:
            self.events += 1
            try:
                event = decode_envelope(row.body.encode())
                fact = self._make(event)
                if event.type == "agent.state":
                    self._agents.tell(event, 0)
                    self._arrived(fact.t, self._dims(fact), row.received)
                else:
                    self._fold(PAGE, {row.event_id: fact}, {row.event_id: row.received})
            except EventRejected:
                self.rejected += 1

    def add_records(self, records: Iterable[CaseRecord]) -> None:
        """Adds what cases tell of their customers: all cases of a customer that bear on the range."""
        for record in records:
            self._customers.tell(record, 0)

    def cells(self) -> Iterator[Cell]:
        """What the range holds, cases and agents."""
        self._agents.settle(self._now)
        return self._slices.cells()

    def customer_cells(self) -> Iterator[Cell]:
        """What the range holds of customers."""
        return self._customers.slices.cells()

    def _fold(self, case_id: str, facts: dict[str, Fact], received: dict[str, int]) -> None:
        if not facts:
            return
        place = partition_of(case_id, len(self._books))
        book, rules = self._books[place], self._rules[place]
        self.cases += case_id != PAGE
        ordered = dict(sorted(facts.items(), key=lambda item: (item[1].t, item[0])))
        case = Case(case_id, ordered, 0, 0, self._table.nothing, book.change_after(-NEVER))
        for event_id, fact in ordered.items():
            rules.step(case, fact, event_id)
            case.last_t, case.last_id = fact.t, event_id
            self._arrived(fact.t, case.dims, received[event_id])
        if case.next_alarm < self._now:
            rules.advance(case, self._now)
        rules.withdrawn.clear()

    def _arrived(self, t: int, dims: Dims, received: int) -> None:
        self._slices.add(t, dims, Measure.EVENTS)
        if is_late(t, received):
            self._slices.add(t, dims, Measure.EVENTS_LATE)

    def _dims(self, fact: Fact) -> Dims:
        return self._table.nothing if fact.dims is None else fact.dims
