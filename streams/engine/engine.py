"""All cases of one source partition: order, duplicates, corrections and deadlines.

The law that everything rests on: a case's state is a function of the set of its events and of the stream time, however
and in whatever order they came. In-order events take a short cut (one `step`); anything else takes the case's
contributions back and folds its history anew.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import msgspec

from schemas.event import Event
from schemas.metrics import Measure
from schemas.outcome import Outcome, VersionedOutcome
from schemas.policy import PolicyFile
from schemas.rollup import CaseRecord
from schemas.times import text
from streams.engine import case_records, waterfall
from streams.engine.agents import Agents
from streams.engine.ahead import Ahead
from streams.engine.calendar import NEVER
from streams.engine.case import BREACHED, PAGE, PAUSED, STATE_NAMES, Case, Clock
from streams.engine.facts import Dims, DimsTable, DimValues, Fact, FactMaker
from streams.engine.guard import Guard
from streams.engine.policies import ClockSpec, PolicyBook
from streams.engine.rules import Rules
from streams.engine.slices import Slices

AGENT_STATE = "agent.state"
BUCKET_CASES = 128
"""Cases of one age share a checkpoint row of this many, so that old quiet cases are not rewritten with busy ones."""


class Before(NamedTuple):
    """What a case was before it is folded anew: its clocks by name and number, its dimensions."""

    clocks: dict[tuple[str, int], Clock]
    dims: Dims


class Chilled(NamedTuple):
    """A bucket of finished cases that is packed away: its row's slot, its last touch, its cases."""

    slot: int
    touched: int
    ids: list[str]


def _nothing_to_thaw(bucket: int, slot: int) -> list[Case]:
    raise LookupError(f"bucket {bucket} was packed away but nothing can bring it back")


class Engine:
    """The engine of a partition.

    Stream time `now` only rises, through `advance`. `arrival` is when the present input arrives, told by whoever feeds
    the engine: only forgetting goes by it, because stream time leaps over days where old events are read. `changed`
    holds the cases with clocks to tell of, `retold` those whose own record may say something new, `dirty` the buckets
    to checkpoint. `guarded`: what slices tell apart is bounded. Not thread-safe.
    """

    def __init__(self, book: PolicyBook, guarded: bool = False) -> None:
        self.now = -NEVER
        self.arrival = 0
        self.cases: dict[str, Case] = {}
        self.buckets: dict[int, list[Case]] = {}
        self.changed: dict[str, Case] = {}
        self.retold: dict[str, Case] = {}
        self.withdrawn: list[tuple[Case, Clock, str | None]] = []
        self.dirty: set[int] = set()
        self.table = DimsTable()
        self.slices = Slices(Guard(self.table) if guarded else None)
        self.agents = Agents(self.slices, self.table)
        self.ahead = Ahead()
        self.book = book
        self.rules = Rules(book, self.slices, self.table)
        self._fact = FactMaker(self.table).make
        self.corrections = 0
        self.open_cases = 0
        self.cold: dict[str, int] = {}
        self.chilled: dict[int, Chilled] = {}
        self.thaw: Callable[[int, int], list[Case]] = _nothing_to_thaw
        self._bucket = 0
        self._timers: list[tuple[int, str]] = []
        self._finished: deque[tuple[int, str]] = deque()

    def apply(self, event: Event) -> bool:
        """Applies one event; False where its id was known already. Raises `EventRejected` for invalid `data`."""
        if event.type == AGENT_STATE:
            if event.agent_id is not None:
                return self.agents.tell(event, self.arrival)
            return self.apply_fact(home_of(event), event.event_id, self._fact(event))  # nobody's: remembered by itself
        return self.apply_fact(event.case_id or home_of(event), event.event_id, self._fact(event))

    def apply_fact(self, case_id: str, event_id: str, fact: Fact) -> bool:
        """As `apply`, of an event already made into a fact."""
        case = self.cases.get(case_id)
        if case is None:
            case = self._thawed(case_id) if case_id in self.cold else self._new_case(case_id)
        if event_id in case.facts:
            known = case.facts[event_id]
            # One id with two contents: the lesser one counts, whichever came first.
            if known == fact or _order(event_id, known) <= _order(event_id, fact):
                return False
            self._refold(case, {**case.facts, event_id: fact}, event_id)
            self._touch(case)
            return False
        t = fact.t
        if (t > case.last_t or (t == case.last_t and event_id > case.last_id)) and t > case.judged_to:
            case.facts[event_id] = fact
            case.last_t, case.last_id = t, event_id
            self.rules.step(case, fact, event_id)
            if self.rules.withdrawn:
                self.withdrawn += [(case, clock, event_id) for clock in self.rules.withdrawn]
                self.rules.withdrawn.clear()
            if case.next_alarm < self.now:
                self.rules.advance(case, self.now)
        else:
            self._refold(case, {**case.facts, event_id: fact}, event_id)
        self._touch(case)
        return True

    def advance(self, now: int) -> None:
        """Stream time is `now`: every clock due before it is breached, dated at its due instant."""
        if now <= self.now:
            return
        self.now = now
        timers, cases = self._timers, self.cases
        while timers and timers[0][0] < now:
            due, case_id = heappop(timers)
            case = cases.get(case_id)
            if case is None or case.timer != due:
                continue  # another timer of this case stands for it
            case.timer = NEVER
            if case.next_alarm < now:
                self.rules.advance(case, now)
            self._touch(case)

    def settle(self) -> None:
        """Books the time of agents up to stream time. Apart from `advance`, which is called far more often than agents'
        time is looked at."""
        self.agents.settle(self.now)

    def arrived(self, event: Event, t: int, late: bool) -> None:
        """Counts an event just applied, and whether it came after its minute had been told."""
        if event.type == AGENT_STATE or event.case_id is None:
            e = event  # it stands for itself: a day's page of an agent inherits nothing from one event to the next
            dims = self.table.of((e.channel, e.team, e.agent_id, e.priority, e.customer_tier, e.category, e.queue))
        else:
            dims = self.cases[event.case_id].dims
        self.slices.add(t, dims, Measure.EVENTS)
        if late:
            self.slices.add(t, dims, Measure.EVENTS_LATE)

    def change_policy(self, file: PolicyFile) -> None:
        """From just after now on another policy file is in force.

        Clocks without a verdict get what it promises, counted from their own start.
        """
        since = max(self.now, 0) + 1
        ahead = [(case, self._take_back(case)) for case in self.cases.values() if case.last_t >= since]
        self.book.add(file, since)
        for case, before in ahead:
            self._put_back(case, before, case.facts, None)
            self._touch(case)
        for case in self.cases.values():
            if case.next_change > since and case.last_t < since:
                case.next_change = since
                if case.live:
                    self.rules.clocks.set_timer(case)
                    self._touch(case)

    def take_outcomes(self, version: int) -> list[VersionedOutcome]:
        """The clock records that changed since last asked, each once, under `version`."""
        told: list[VersionedOutcome] = []
        at = text(self.arrival)
        for case, clock, cause in self.withdrawn:
            if not any(c.name == clock.name and c.seq == clock.seq for c in case.clocks):
                fields = (*self._record(case, clock), version, 1, at, cause)
                told.append(VersionedOutcome(*fields))
        for case in self.changed.values():
            for clock in case.clocks:
                if clock.changed:
                    clock.changed = False
                    fields = (*self._record(case, clock), version, 0, at, clock.cause)
                    told.append(VersionedOutcome(*fields))
        self.changed.clear()
        self.withdrawn.clear()
        return told

    def take_cases(self, partition: int, version: int) -> tuple[list[CaseRecord], list[CaseRecord]]:
        """The cases with something new to tell of themselves, each once: those that turned out to be another's, as told
        to the customer before under `version`; and all of them as they are, under the version after it."""
        withdrawn: list[CaseRecord] = []
        told: list[CaseRecord] = []
        at = text(self.arrival)
        for case in self.retold.values():
            if not case.restate or case.opened < 0:
                continue
            case.restate = False
            # Of all it ever was: an owner before us may have told what our checkpoint does not know.
            others = {fact.customer for fact in case.facts.values()} | {case.told_as}
            for other in others - {None, case.customer}:
                withdrawn.append(self._case_record(case, other, partition, version, 1, at))
            case.told_as = case.customer
            told.append(self._case_record(case, case.customer, partition, version + 1, 0, at))
        self.retold.clear()
        return withdrawn, told

    def case_records(self) -> list[CaseRecord]:
        """What every case that was opened tells of itself as of now."""
        return [self._case_record(case, case.customer, 0, 1, 0, "") for case in self.all_cases() if case.opened >= 0]

    def _case_record(
        self, case: Case, customer: str | None, partition: int, version: int, withdrawn: int, at: str
    ) -> CaseRecord:
        window = self.book.metrics(case.opened).repeat_window
        fields = (*case_records.fields(case, customer), window / 1000, partition, version, withdrawn, at)
        return CaseRecord(*fields)

    def all_cases(self) -> list[Case]:
        """Every case, those packed away too."""
        cases = list(self.cases.values())
        for bucket, chilled in self.chilled.items():
            cases += self.thaw(bucket, chilled.slot)
        return cases

    def outcomes(self) -> Iterator[Outcome]:
        """All clock records as of now, by case_id, clock, seq."""
        for case in sorted(self.all_cases(), key=lambda c: c.id):
            for clock in sorted(case.clocks, key=lambda c: (c.name, c.seq)):
                yield Outcome(*self._record(case, clock))

    def forget(self, untouched_since: int) -> int:
        """Drops finished cases not touched since then; returns how many. Only right before a checkpoint."""
        dropped = 0
        while self._finished and self._finished[0][0] < untouched_since:
            touched, case_id = self._finished.popleft()
            case = self.cases.get(case_id)
            if case is None or case.touched != touched or not case.finished:
                continue  # touched again since: it stands further back in the queue, or comes again when it finishes
            del self.cases[case_id]
            self.buckets[case.bucket].remove(case)
            self.dirty.add(case.bucket)
            dropped += 1
        for bucket in [number for number, chilled in self.chilled.items() if chilled.touched < untouched_since]:
            for case_id in self.chilled.pop(bucket).ids:
                del self.cold[case_id]
                dropped += 1
            self.dirty.add(bucket)
        return dropped

    def is_home_of(self, event: Event) -> bool:
        """Whether the case of an event, or its agent, is known here, in memory or packed away."""
        if event.type == AGENT_STATE:
            return event.agent_id in self.agents.all
        case_id = event.case_id or home_of(event)
        return case_id in self.cases or case_id in self.cold

    def chill(self, idle_since: int, slots: Mapping[int, int]) -> None:
        """Packs away the buckets of finished cases not touched since then: their checkpoint rows are all that is kept,
        an eighth of what they take in memory. `slots` names the row of each bucket. Only right after a checkpoint.

        Cases that are still open move out of mostly finished buckets, which are packed away the next time.
        """
        for bucket in list(self.buckets):
            cases = self.buckets[bucket]
            if bucket == self._bucket or bucket in self.dirty or bucket not in slots:
                continue
            idle = sum(self._idle(case, idle_since) for case in cases)
            if idle == len(cases):
                self.chill_bucket(
                    bucket, Chilled(slots[bucket], max(case.touched for case in cases), [case.id for case in cases])
                )
            elif idle * 2 > len(cases):
                busy = [case for case in cases if not self._idle(case, idle_since)]
                self.buckets[bucket] = [case for case in cases if self._idle(case, idle_since)]
                self.dirty.add(bucket)
                for case in busy:
                    self._file(case)

    def _idle(self, case: Case, since: int) -> bool:
        """Finished, quiet, and wholly in the past: no later change of policy reaches it."""
        return case.touched < since and case.finished and case.last_t < self.now

    def chill_bucket(self, bucket: int, chilled: "Chilled") -> None:
        """Keeps only the ids of a bucket whose cases are all finished."""
        self.buckets.pop(bucket, None)
        self._bucket = max(self._bucket, bucket)
        self.chilled[bucket] = chilled
        for case_id in chilled.ids:
            self.cases.pop(case_id, None)
            self.cold[case_id] = bucket

    def sweep(self) -> None:
        """Forgets dimension tuples that nothing uses any more, where there are very many."""

        def used() -> Iterator[Dims]:
            for case in self.cases.values():
                yield case.dims
                yield from (fact.dims for fact in case.facts.values() if fact.dims is not None)
                yield from (clock.dims for clock in case.clocks if clock.dims is not None)
                own = (case.opened_dims, case.resolved_dims, case.abandoned_dims)
                yield from (dims for dims in own if dims is not None)
            for agent in self.agents.all.values():
                yield from (spell.dims for spell in agent.spells)
            for tuples in self.slices.minutes.values():
                yield from tuples

        if self.table.sweep(used):
            self.book.forget()

    def merge_sparse(self, fewer_than: int) -> None:
        """Pours changed old buckets with few cases left into the newest one, so that rows do not dwindle for ever."""
        for bucket in list(self.dirty):
            cases = self.buckets.get(bucket)
            if cases is None or bucket == self._bucket or len(cases) >= fewer_than:
                continue
            del self.buckets[bucket]
            for case in cases:
                self._file(case)
        if not self.buckets.get(self._bucket, True):
            del self.buckets[self._bucket]

    def load(self, bucket: int, cases: list[Case]) -> None:
        """Takes back the cases of a checkpointed bucket. `restored` must follow the last one."""
        self.buckets[bucket] = cases
        self._bucket = max(self._bucket, bucket)
        for case in cases:
            self.cases[case.id] = case
            self.open_cases += case.counted
            case.timer = case.next_alarm
            if not case.live:
                case.next_change = self.book.change_after(case.last_t)

    def restored(self) -> None:
        """Sets timers and queues after `load`."""
        cases = self.cases.values()
        self._timers = [(case.next_alarm, case.id) for case in cases if case.next_alarm < NEVER]
        heapify(self._timers)
        self._finished = deque(sorted((case.touched, case.id) for case in cases if case.finished))

    def _record(self, case: Case, clock: Clock) -> tuple[Any, ...]:
        """The fields of a clock's `Outcome` as of stream time."""
        state = clock.state
        due = None if clock.due < 0 or clock.due == NEVER or state == PAUSED else text(clock.due)
        spec, ended = clock.spec, clock.stopped >= 0
        # An event ahead of stream time has taken the clock's alarms up to it.
        reached = max(self.now, case.last_t)
        warned, share = (clock.warned, clock.share) if ended else self.rules.clocks.warning(clock, reached)
        held = waterfall.held(case.facts.values(), spec.calendar, clock.started, clock.stopped) if ended else {}
        return (
            case.id,
            clock.name,
            clock.seq,
            spec.policy,
            spec.calendar.name,
            STATE_NAMES[state],
            clock.target / 1000,
            self.rules.clocks.elapsed(clock, max(self.now, clock.since)) / 1000,
            text(clock.started),
            due,
            text(clock.stopped) if ended else None,
            due if state == BREACHED else None,
            *(case.dims if clock.dims is None else clock.dims).values,
            clock.ref,
            text(warned) if warned >= 0 else None,
            share or None,
            {holder: ms / 1000 for holder, ms in held.items()},
        )

    def _thawed(self, case_id: str) -> Case:
        """Takes a packed bucket back into memory, for one of its cases."""
        bucket = self.cold[case_id]
        chilled = self.chilled.pop(bucket)
        for id_ in chilled.ids:
            del self.cold[id_]
        self.load(bucket, self.thaw(bucket, chilled.slot))
        for case in self.buckets[bucket]:
            case.timer = NEVER  # none is set for them
        self._finished.extend((case.touched, case.id) for case in self.buckets[bucket])
        return self.cases[case_id]

    def _new_case(self, case_id: str) -> Case:
        case = self.cases[case_id] = Case(
            case_id, {}, 0, self.arrival, self.table.nothing, self.book.change_after(-NEVER)
        )
        self._file(case)
        return case

    def _file(self, case: Case) -> None:
        bucket = self.buckets.get(self._bucket)
        if bucket is None or len(bucket) >= BUCKET_CASES:
            self._bucket += 1
            bucket = self.buckets[self._bucket] = []
        case.bucket = self._bucket
        self.dirty.add(self._bucket)
        bucket.append(case)

    def _touch(self, case: Case) -> None:
        case.touched = self.arrival
        self.dirty.add(case.bucket)
        self.changed[case.id] = self.retold[case.id] = case
        # At most one timer a case is waited for; a later one is set when that comes up.
        if case.next_alarm < case.timer:
            case.timer = case.next_alarm
            if not case.live:
                case.next_change = self.book.change_after(case.last_t)
            heappush(self._timers, (case.next_alarm, case.id))
        is_open = case.is_open
        if is_open is not case.counted:
            case.counted = is_open
            self.open_cases += 1 if is_open else -1
        if not is_open and not case.live:
            self._finished.append((self.arrival, case.id))

    def _refold(self, case: Case, facts: dict[str, Fact], cause: str) -> None:
        """Folds a case's history anew because its past changed."""
        self.corrections += 1
        before = self._take_back(case)
        self._put_back(case, before, dict(sorted(facts.items(), key=lambda item: (item[1].t, item[0]))), cause)

    def _take_back(self, case: Case) -> "Before":
        """Takes a case's contributions out of the slices; returns what it was."""
        before = Before({(clock.name, clock.seq): clock for clock in case.clocks}, case.dims)
        self.slices.sign = -1
        self._fold(case, case.facts)
        self.slices.sign = 1
        return before

    def _put_back(self, case: Case, was: "Before", facts: dict[str, Fact], cause: str | None) -> None:
        """Folds a case's facts; tells what is withdrawn, keeps silent what is equal."""
        before = dict(was.clocks)
        self._fold(case, facts)
        self.rules.withdrawn.clear()  # of both folds; what counts is what was there before and is not now
        for clock in case.clocks:
            old = before.pop((clock.name, clock.seq), None)
            if old is None:
                clock.cause = cause
                continue
            # Of a change not told yet the event that made it stays the cause, whatever comes before it is told.
            folded, clock.changed, clock.cause = clock.cause, old.changed, old.cause
            differs = clock != old or (clock.dims is None and case.dims is not was.dims)
            clock.changed = old.changed or differs
            clock.cause = cause if differs else old.cause if old.changed else folded
        self.withdrawn += [(case, clock, cause) for clock in before.values()]

    def _fold(self, case: Case, facts: dict[str, Fact]) -> None:
        fresh = Case(
            case.id, facts, case.bucket, case.touched, self.table.nothing, self.book.change_after(-NEVER), case.timer,
            case.counted, case.told_as,
        )  # fmt: skip
        step = self.rules.step
        for event_id, fact in facts.items():
            step(fresh, fact, event_id)
            fresh.last_t, fresh.last_id = fact.t, event_id
        if fresh.next_alarm < self.now:
            self.rules.advance(fresh, self.now)
        for name in Case.__struct_fields__:
            setattr(case, name, getattr(fresh, name))


def _order(event_id: str, fact: Fact) -> tuple[int, str, bytes]:
    return (fact.t, event_id, msgspec.msgpack.encode(fact, enc_hook=pack_object))


def pack_object(value: object) -> DimValues | int:
    """Dimension tuples are packed by their values, promises by their place in the book (an `enc_hook` of msgspec)."""
    if isinstance(value, ClockSpec):
        return value.id
    assert isinstance(value, Dims)
    return value.values


def home_of(event: Event) -> str:
    """The id of the case an event belongs to; for one without a case, and for a state, a day's page of its agent."""
    if event.case_id is not None and event.type != AGENT_STATE:
        return event.case_id
    return f"{PAGE}{event.key}/{event.occurred_at.astimezone(UTC):%Y-%m-%d}"
