"""Stored events, in the order of the store's key, as the histories of cases: only what can move a clock."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.errors import EventRejected
from schemas.event import decode_envelope
from streams.engine.engine import AGENT_STATE
from streams.engine.facts import KIND, DimsTable, Fact, FactMaker
from streams.what_if.policies import Pair


class Stored(NamedTuple):
    """One stored event. `t` in ms; `body` is the whole event, "" where type and the three dimensions say all of it."""

    case_id: str
    t: int
    event_id: str
    type: str
    channel: str | None
    team: str | None
    agent_id: str | None
    body: str


StoredTuple = tuple[str, int, str, str, str | None, str | None, str | None, str]
"""The same as a plain tuple, which is made faster."""


class History(NamedTuple):
    """What is known of a case: its facts in order, by event_id, and from how many events they are."""

    case_id: str
    facts: dict[str, Fact]
    events: int


class Histories:
    """Gathers the events of cases. `rejected` counts those whose body is no valid event.

    An event that can move no clock under either policy is left out: one that no clock heeds, or that repeats the one
    before it, unless it changes a dimension. What is judged is the same without them, and half of all events are such.
    """

    def __init__(self, pair: Pair, table: DimsTable) -> None:
        self._pair = pair
        self._table = table
        self._make = FactMaker(table).make
        self.rejected = 0

    def of(self, rows: Iterable[StoredTuple]) -> Iterator[History]:
        """The histories of `Stored` rows, ordered by case_id, then t, then event_id; each case's rows come together.

        Of rows with one case and event_id the first counts, as in the stream the one with the earlier time does.
        """
        ignored, repeatable = self._pair.ignored, self._pair.repeatable
        of, merge, nothing, kinds = self._table.of, self._table.merge, self._table.nothing, KIND
        case_id = ""
        seen: set[str] = set()
        facts: dict[str, Fact] = {}
        events, dims, last = 0, nothing, -1
        for row_case, t, event_id, type_, channel, team, agent_id, body in rows:
            if row_case != case_id:
                if events:
                    yield History(case_id, facts, events)
                case_id, seen, facts, events, dims, last = row_case, set(), {}, 0, nothing, -1
            events += 1
            if event_id in seen or type_ == AGENT_STATE:  # an agent's state says nothing of a case
                continue
            seen.add(event_id)
            fact = None
            if body:
                fact = self._fact(body)
                if fact is None:
                    continue
                kind, says = fact.kind, fact.dims
            else:
                kind = kinds[type_]
                if channel is None and team is None and agent_id is None:
                    says = None
                else:
                    says = of((channel, team, agent_id, None, None, None, None))
            if says is not None:
                merged = merge(dims, says)
                if merged is dims:
                    says = None
                else:
                    dims = merged
            if says is None and (ignored[kind] or (kind == last and repeatable[kind])):
                continue
            last = last if ignored[kind] else kind
            facts[event_id] = fact if fact is not None else Fact(t, kind, says)
        if events:
            yield History(case_id, facts, events)

    def _fact(self, body: str) -> Fact | None:
        try:
            return self._make(decode_envelope(body.encode()))
        except EventRejected:
            self.rejected += 1
            return None
