"""Why a case's clocks stand where they stand: its history step by step, and who had it while each clock ran.

The case is folded by the same rules as everywhere, one instant after the other; whatever a clock shows differently
after it is a step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streams.engine.calendar import NEVER
from streams.engine.case import BREACHED, CANCELLED, MET, PAUSED, RUNNING, Case, Clock
from streams.engine.facts import PAUSE_BIT, DimsTable, Fact
from streams.engine.policies import PolicyBook
from streams.engine.rules import Rules
from streams.engine.slices import Slices
from streams.engine.waterfall import Span, spans

ClockKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to one clock at instant `at` (ms).

    `what` is started, restarted, paused, resumed, retargeted, warned, breached, met, late (stopped after its breach),
    cancelled or withdrawn. `event_id` is the event that did it, None where time or a new policy did. `reason` says
    more: which pause, which share of the target, which policy. `due` is None while it is paused.
    """

    at: int
    clock: str
    seq: int
    what: str
    event_id: str | None
    reason: str | None
    target: int
    elapsed: int
    due: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps of a case in order, and of each clock who had the case from its start to its stop, or to now."""

    steps: list[Step]
    waterfalls: dict[ClockKey, list[Span]]


def explain(facts: Mapping[str, Fact], book: PolicyBook, table: DimsTable, now: int) -> Explanation:
    """Explains a case as of stream time `now` from its facts by event_id, in any order."""
    ordered = dict(sorted(facts.items(), key=lambda item: (item[1].t, item[0])))
    case = Case("", ordered, 0, 0, table.nothing, book.change_after(-NEVER))
    rules, steps = Rules(book, Slices(), table), list[Step]()
    seen: dict[ClockKey, Clock] = {}

    def look(at: int, event_id: str | None) -> None:
        steps.extend(_steps(rules, case, seen, at, event_id))
        seen.clear()
        seen.update({(clock.name, clock.seq): _copy(clock) for clock in case.clocks})

    def pass_time(until: int) -> None:
        while case.next_alarm < until:
            at = case.next_alarm
            rules.advance(case, at + 1)
            look(at, None)

    for event_id, fact in ordered.items():
        pass_time(fact.t)
        rules.step(case, fact, event_id)
        case.last_t, case.last_id = fact.t, event_id
        look(fact.t, event_id)
    pass_time(now)
    waterfalls = {
        (clock.name, clock.seq): list(
            spans(
                ordered.values(),
                clock.spec.calendar,
                clock.started,
                clock.stopped if clock.stopped >= 0 else max(now, clock.started),
            )
        )
        for clock in case.clocks
    }
    return Explanation(steps, waterfalls)


def _steps(rules: Rules, case: Case, before: Mapping[ClockKey, Clock], at: int, event_id: str | None) -> Iterator[Step]:
    present = set()
    for clock in sorted(case.clocks, key=lambda c: (c.name, c.seq)):
        key = clock.name, clock.seq
        present.add(key)
        for what, reason in _changes(case, before.get(key), clock, at):
            due = None if clock.state == PAUSED or clock.due < 0 else clock.due
            elapsed = rules.clocks.elapsed(clock, max(at, clock.since))
            yield Step(at, clock.name, clock.seq, what, event_id, reason, clock.target, elapsed, due)
    for name, seq in sorted(before.keys() - present):
        old = before[name, seq]
        yield Step(at, name, seq, "withdrawn", event_id, old.spec.policy, old.target, old.done, None)


def _changes(case: Case, old: Clock | None, new: Clock, at: int) -> Iterator[tuple[str, str | None]]:
    """What became of a clock, each with its reason."""
    if old is None or old.started != new.started:
        yield "started" if old is None else "restarted", new.spec.policy
        if new.state == PAUSED:
            yield "paused", _holding(case, new)
        old = None
    elif old.spec is not new.spec or (old.target != new.target and new.ref is not None):
        yield "retargeted", new.spec.policy
    was = RUNNING if old is None else old.state
    if new.state == was:
        if was == BREACHED and old is not None and old.stopped < 0 <= new.stopped:
            yield "late", None
        elif was == RUNNING and old is not None and old.alarm != new.alarm and old.alarm == at < new.due:
            yield "warned", _share(new, at)
    elif new.state == PAUSED:
        if old is not None:
            yield "paused", _holding(case, new)
    elif new.state == RUNNING:
        yield "resumed", None
    else:
        if new.state == MET and was == PAUSED:
            yield "resumed", None
        yield {MET: "met", BREACHED: "breached", CANCELLED: "cancelled"}[new.state], None
        if new.state == BREACHED and new.stopped >= 0:
            yield "late", None


def _holding(case: Case, clock: Clock) -> str:
    held = case.pausing & clock.spec.pauses
    return ", ".join(reason for reason, bit in PAUSE_BIT.items() if held & bit)


def _share(clock: Clock, at: int) -> str:
    """Which warning came at this instant: the largest share not beyond what had elapsed."""
    elapsed = clock.done + clock.spec.calendar.elapsed(clock.since, at)
    passed = [share for share in clock.spec.warns if round(share * clock.target) <= elapsed]
    return f"{passed[-1]:g}" if passed else f"{clock.spec.warns[0]:g}"


def _copy(clock: Clock) -> Clock:
    return Clock(*(getattr(clock, name) for name in Clock.__struct_fields__))
