"""How long agents were available, busy, wrapping up: their states, added up minute by minute.

A state lasts until the agent's next one, whatever order they arrive in, but never longer than a day: who has not been
heard of since has not signed off either. Time is booked up to `settled`; a state told late changes what was booked.
"""

from bisect import bisect_left, insort
from typing import NamedTuple

from schemas.event import AgentState, Event, decode_data
from schemas.metrics import Measure
from schemas.times import to_ms
from streams.engine.facts import Dims, DimsTable, DimValues
from streams.engine.slices import MINUTE_MS, Slices

LONGEST_MS = 86_400_000
BUCKET_AGENTS = 16
STATES: tuple[str | None, ...] = (
    None,
    Measure.AGENT_AVAILABLE_MS,
    Measure.AGENT_BUSY_MS,
    Measure.AGENT_WRAP_MS,
)
"""What the time in a state counts as; their order is part of stored checkpoints. 0 is offline."""
_CODES = {"offline": 0, "available": 1, "busy": 2, "wrap": 3}


class Spell(NamedTuple):
    """A state that an agent took at t. Spells are in order of (t, event_id)."""

    t: int
    event_id: str
    state: int
    dims: Dims


PackedSpell = tuple[int, str, int, DimValues]


class Agent:
    """One agent's spells. `since`: what is dated before it comes too late to count."""

    __slots__ = ("bucket", "id", "known", "since", "spells", "touched")

    def __init__(self, id_: str, bucket: int) -> None:
        self.id = id_
        self.bucket = bucket
        self.spells: list[Spell] = []
        self.known: dict[str, Spell] = {}
        self.since = -1
        self.touched = 0


class Agents:
    """All agents of a source partition. `settled` is up to where their time is booked, `dirty` the buckets to
    checkpoint."""

    def __init__(self, slices: Slices, table: DimsTable) -> None:
        self._slices = slices
        self._table = table
        self.all: dict[str, Agent] = {}
        self.buckets: dict[int, list[Agent]] = {}
        self.settled = -1
        self.dirty: set[int] = set()

    def tell(self, event: Event, arrival: int) -> bool:
        """An agent.state event; False where it was known already. Raises `EventRejected` for invalid `data`."""
        data = decode_data(event)
        assert isinstance(data, AgentState)
        if event.agent_id is None:
            return True  # time of nobody
        agent = self.all.get(event.agent_id) or self._new(event.agent_id)
        e = event
        dims = self._table.of((e.channel, e.team, e.agent_id, e.priority, e.customer_tier, e.category, e.queue))
        spell = Spell(to_ms(e.occurred_at), e.event_id, _CODES[data.state], dims)
        agent.touched = arrival
        self.dirty.add(agent.bucket)
        known = agent.known.get(spell.event_id)
        if known is not None:
            if _content(known) > _content(spell):  # one id with two contents: the lesser one counts
                self._remove(agent, known)
                self._insert(agent, spell)
            return False
        if spell.t >= agent.since:
            self._insert(agent, spell)
        return True

    def settle(self, now: int) -> None:
        """Books all time up to `now`."""
        since = self.settled
        if now <= since:
            return
        self.settled = now
        for agent in self.all.values():
            spells = agent.spells
            for place in range(len(spells) - 1, -1, -1):
                end = self._end(spells, place)
                self._book(spells[place], max(spells[place].t, since), min(end, now), 1)
                if spells[place].t <= since:
                    break

    def forget(self, untouched_since: int, keep_ms: int) -> None:
        """Drops agents not heard of since then, and of the others the spells that ended `keep_ms` before their last."""
        for agent in list(self.all.values()):
            if agent.touched < untouched_since:
                del self.all[agent.id]
                self.buckets[agent.bucket].remove(agent)
                self.dirty.add(agent.bucket)
                continue
            spells = agent.spells
            if not spells or spells[0].t >= min(spells[-1].t, self.settled) - 2 * keep_ms:
                continue  # not for every few spells: each time a row is written
            horizon = min(spells[-1].t, self.settled) - keep_ms
            first = max(0, bisect_left(spells, horizon, key=lambda spell: spell.t) - 1)
            for spell in spells[:first]:
                del agent.known[spell.event_id]
            del spells[:first]
            agent.since = spells[0].t
            self.dirty.add(agent.bucket)

    def dump(self, bucket: int) -> list[tuple[str, int, int, list[Spell]]]:
        """The agents of a bucket."""
        return [(agent.id, agent.since, agent.touched, agent.spells) for agent in self.buckets.get(bucket, ())]

    def load(self, bucket: int, rows: list[tuple[str, int, int, list[PackedSpell]]]) -> None:
        """Takes back what `dump` gave."""
        for id_, since, touched, spells in rows:
            agent = self._new(id_, bucket)
            agent.since, agent.touched = since, touched
            agent.spells = [Spell(t, event_id, state, self._table.of(dims)) for t, event_id, state, dims in spells]
            agent.known = {spell.event_id: spell for spell in agent.spells}

    def _new(self, id_: str, bucket: int | None = None) -> Agent:
        if bucket is None:
            bucket = max(self.buckets, default=0)
            if len(self.buckets.get(bucket, ())) >= BUCKET_AGENTS:
                bucket += 1
        agent = self.all[id_] = Agent(id_, bucket)
        self.buckets.setdefault(bucket, []).append(agent)
        return agent

    def _insert(self, agent: Agent, spell: Spell) -> None:
        spells = agent.spells
        place = bisect_left(spells, (spell.t, spell.event_id), key=lambda s: (s.t, s.event_id))
        self._rebook(spells, place - 1, -1)
        insort(spells, spell, key=lambda s: (s.t, s.event_id))
        agent.known[spell.event_id] = spell
        self._rebook(spells, place - 1, 1)
        self._rebook(spells, place, 1)

    def _remove(self, agent: Agent, spell: Spell) -> None:
        spells = agent.spells
        place = spells.index(spell)
        self._rebook(spells, place - 1, -1)
        self._rebook(spells, place, -1)
        del spells[place], agent.known[spell.event_id]
        self._rebook(spells, place - 1, 1)

    def _rebook(self, spells: list[Spell], place: int, sign: int) -> None:
        if place >= 0:
            self._book(spells[place], spells[place].t, min(self._end(spells, place), self.settled), sign)

    def _end(self, spells: list[Spell], place: int) -> int:
        latest = spells[place].t + LONGEST_MS
        return min(spells[place + 1].t, latest) if place + 1 < len(spells) else latest

    def _book(self, spell: Spell, begin: int, end: int, sign: int) -> None:
        measure = STATES[spell.state]
        if measure is None:
            return
        while begin < end:
            until = min(end, (begin // MINUTE_MS + 1) * MINUTE_MS)
            self._slices.add(begin, spell.dims, measure, sign * (until - begin))
            begin = until


def _content(spell: Spell) -> tuple[int, str, int, str]:
    return spell.t, spell.event_id, spell.state, repr(spell.dims.values)
