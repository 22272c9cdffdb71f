"""What the slices of a range of minutes must hold, from stored events: the stream's rules, without its book-keeping."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from schemas.errors import EventRejected
from schemas.event import Event, decode_envelope
from schemas.metrics import Measure
from schemas.rollup import CaseRecord
from schemas.routing import partition_of
from streams.engine.agents import Agents
from streams.engine.calendar import NEVER
from streams.engine.case import PAGE, Case
from streams.engine.customers import Customers
from streams.engine.engine import AGENT_STATE, home_of
from streams.engine.facts import Dims, DimsTable, Fact, FactMaker
from streams.engine.policies import PolicyBook
from streams.engine.rules import Rules
from streams.engine.slices import MINUTE_MS, Cell, Counts, Slices
from streams.partition import is_late


class StoredEvent(NamedTuple):
    """An event as it is stored. Instants in ms; `body` is the event as it was sent, `offset` where it first stood in
    its partition, -1 where nobody knows."""

    case_id: str
    event_id: str
    body: str
    received: int
    offset: int


class Known:
    """The facts of a case. Of one id with two contents the lesser counts, but as come it has with the first."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.arrived: dict[str, tuple[int, int, int]] = {}
        """By event id where it first stood, when that is dated and when it came."""

    def add(self, row: StoredEvent, fact: Fact) -> None:
        """Adds an event."""
        known = self.facts.get(row.event_id)
        if known is None or fact.t < known.t:
            self.facts[row.event_id] = fact
        came = (row.offset, fact.t, row.received)
        self.arrived[row.event_id] = min(came, self.arrived.get(row.event_id, came))


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

    `books` holds the policies that each source partition judged by, `settled` up to when each has booked the time of
    its agents, which it does less often than it moves stream time.
    """

    def __init__(self, books: Sequence[PolicyBook], settled: Sequence[int], begin: int, end: int, now: int) -> None:
        self._now = now
        self._books = books
        self._settled = settled
        self._table = DimsTable()
        self._slices = RangeSlices(begin, end)
        self._customers = Customers(slices=RangeSlices(begin, end))
        self._agents = [Agents(self._slices, self._table) for _ in books]
        self._make = FactMaker(self._table).make
        self._rules = [Rules(book, self._slices, self._table) for book in books]
        self.cases = self.events = self.rejected = 0

    def add_cases(self, rows: Iterable[StoredEvent]) -> None:
        """Adds cases; the rows of each come together. Rows that are no events are counted."""
        case_id, known = "", Known()
        for row in rows:
            if row.case_id != case_id:
                self._fold(case_id, case_id, known)
                case_id, known = row.case_id, Known()
            self.events += 1
            try:
                known.add(row, self._make(decode_envelope(row.body.encode())))
            except EventRejected:
                self.rejected += 1
        self._fold(case_id, case_id, known)

    def add_caseless(self, rows: Iterable[StoredEvent]) -> None:
        """Adds events of agents: their states, praise, adopted suggestions. Any order."""
        pages: dict[str, tuple[str, Known]] = {}
        for row in sorted(rows, key=lambda row: row.offset):
            self.events += 1
            try:
                event = decode_envelope(row.body.encode())
                fact = self._make(event)
                if event.type == AGENT_STATE and event.agent_id is not None:
                    self._tell_state(event, fact, row.received)
                else:  # an agent's events of one day are kept like those of a case
                    pages.setdefault(home_of(event), (event.key, Known()))[1].add(row, fact)
            except EventRejected:
                self.rejected += 1
        for page, (key, known) in pages.items():
            self._fold(page, key, known)

    def add_records(self, records: Iterable[CaseRecord]) -> None:
        """Adds what cases tell of their customers: all cases of a customer that bear on the range."""
        for record in records:
            self._customers.tell(record, 0)

    def cells(self) -> Iterator[Cell]:
        """What the range holds, cases and agents."""
        for agents, settled in zip(self._agents, self._settled, strict=True):
            agents.settle(settled)
        return self._slices.cells()

    def customer_cells(self) -> Iterator[Cell]:
        """What the range holds of customers."""
        return self._customers.slices.cells()

    def _tell_state(self, event: Event, fact: Fact, received: int) -> None:
        if self._agents[partition_of(event.key, len(self._books))].tell(event, 0):
            self._arrived(fact.t, self._table.nothing if fact.dims is None else fact.dims, received)

    def _fold(self, case_id: str, key: str, known: Known) -> None:
        """Folds a case, or an agent's page, that is routed by `key`."""
        if not known.facts:
            return
        place = partition_of(key, len(self._books))
        book, rules = self._books[place], self._rules[place]
        self.cases += not case_id.startswith(PAGE)
        ordered = dict(sorted(known.facts.items(), key=lambda item: (item[1].t, item[0])))
        case = Case(case_id, ordered, 0, 0, self._table.nothing, book.change_after(-NEVER))
        for event_id, fact in ordered.items():
            rules.step(case, fact, event_id)
            case.last_t, case.last_id = fact.t, event_id
            _, t, received = known.arrived[event_id]
            self._arrived(t, case.dims, received)
        if case.next_alarm < self._now:
            rules.advance(case, self._now)
        rules.withdrawn.clear()

    def _arrived(self, t: int, dims: Dims, received: int) -> None:
        self._slices.add(t, dims, Measure.EVENTS)
        if is_late(t, received):
            self._slices.add(t, dims, Measure.EVENTS_LATE)
