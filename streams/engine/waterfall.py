"""Who held a case while a clock ran: every millisecond between two instants belongs to exactly one holder.

Closed hours come first, then what a case waits for outside (customer, third party), then whoever has it: a bot, the
queue, an agent, or a team that it was handed to and where nobody took it yet. An internal pause stays with its holder.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.engine.calendar import AlwaysOpen, Calendar
from streams.engine.facts import KIND, PAUSE_BIT, Fact
from streams.engine.pauses import pausing_after

QUEUE, BOT, CUSTOMER, THIRD_PARTY, CLOSED = "queue", "bot", "customer", "third_party", "closed"
AGENT, TEAM = "agent:", "team:"
"""Prefixes of who holds a case by name."""
NOBODY = f"{AGENT}?"
"""A human of whom nothing is known."""

_BOT, _QUEUED, _TRANSFERRED, _TAKEN, _TOUCHED, _PAUSED = range(1, 7)
_EFFECT = [0] * len(KIND)
"""By kind of event, what it may change about who has a case."""
for _name, _effect in {
    "message.bot": _BOT,
    "contact.queued": _QUEUED,
    "contact.transferred": _TRANSFERRED,
    "contact.connected": _TAKEN,
    "message.agent": _TAKEN,
    "message.internal": _TOUCHED,
    "contact.updated": _TOUCHED,
    "contact.pending": _PAUSED,
    "contact.resumed": _PAUSED,
    "contact.reopened": _PAUSED,
}.items():
    _EFFECT[KIND[_name]] = _effect
_TEAM, _AGENT = 1, 2


class Span(NamedTuple):
    """A stretch of time, in ms, and who held the case."""

    begin: int
    end: int
    holder: str


def spans(facts: Iterable[Fact], calendar: Calendar, start: int, end: int) -> Iterator[Span]:
    """[start, end) cut by holder, in order, neighbours differing. `facts` are the case's, in order."""
    last: Span | None = None
    for begin, until, holder in _held(facts, start, end):
        for a, b, is_open in calendar.segments(begin, until):
            name = holder if is_open else CLOSED
            if last is not None and last.holder == name:
                last = Span(last.begin, b, name)
                continue
            if last is not None:
                yield last
            last = Span(a, b, name)
    if last is not None:
        yield last


def held(facts: Iterable[Fact], calendar: Calendar, start: int, end: int) -> dict[str, int]:
    """Milliseconds by holder; they add up to end - start."""
    sums: dict[str, int] = {}
    always = isinstance(calendar, AlwaysOpen)
    for begin, until, holder in _held(facts, start, end):
        time_open = until - begin if always else calendar.elapsed(begin, until)
        if time_open:
            sums[holder] = sums.get(holder, 0) + time_open
        if time_open < until - begin:
            sums[CLOSED] = sums.get(CLOSED, 0) + until - begin - time_open
    return sums


def _held(facts: Iterable[Fact], start: int, end: int) -> list[tuple[int, int, str]]:
    """[start, end) cut where the holder may change, closed hours left aside."""
    parts: list[tuple[int, int, str]] = []
    at, has, human = start, QUEUE, False
    team: str | None = None
    agent: str | None = None
    pausing = 0
    for fact in facts:
        if fact.t >= end:
            break
        named = None
        if fact.dims is not None:
            values = fact.dims.values
            named = values[_AGENT]
            team, agent = values[_TEAM] or team, named or agent
        effect = _EFFECT[fact.kind]
        if not effect:
            continue
        before, paused = has, pausing
        if effect == _BOT:
            if not human and has == QUEUE:
                has = BOT
        elif effect == _QUEUED:
            has = QUEUE
        elif effect == _TRANSFERRED:
            to_team, to_agent = fact.data[:2] if fact.data is not None else (None, None)
            human = True
            has = f"{AGENT}{to_agent}" if to_agent else f"{TEAM}{to_team}" if to_team else QUEUE
        elif effect == _PAUSED:
            pausing = pausing_after(pausing, fact)
        elif effect == _TAKEN or named:
            human = True
            has = f"{AGENT}{agent}" if agent else f"{TEAM}{team}" if team else NOBODY
        if fact.t > at and (has != before or pausing != paused):
            parts.append((at, fact.t, _outside(paused) or before))
            at = fact.t
    if at < end:
        parts.append((at, end, _outside(pausing) or has))
    return parts


def _outside(pausing: int) -> str | None:
    if not pausing:
        return None
    if pausing & PAUSE_BIT["customer"]:
        return CUSTOMER
    return THIRD_PARTY if pausing & PAUSE_BIT["third_party"] else None
