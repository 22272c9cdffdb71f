"""Which clocks run for a case: policy files, compiled so that the answer for a dimension tuple is one look-up.

A book holds every policy file that was ever in force, each with the stream time from which on it was: a case's history
is judged by what was promised then, however late it is read.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from schemas.policy import STANDARD_CLOCKS as STANDARD
from schemas.policy import BusinessDays, Clock, Match, MetricSettings, MilestoneTrigger, Policy, PolicyFile, Trigger
from schemas.rollup import DIMENSIONS
from streams.engine.calendar import NEVER, AlwaysOpen, Calendar, make_calendar
from streams.engine.facts import KIND, PAUSE_BIT, Dims

CALLBACK_MS = 86_400_000
"""When a call-back promised without a time is due, where the policy does not say (service time standard: 24 h)."""

Key = tuple[int, str | None]
"""What starts or stops a custom clock: the kind of an event, and the name where that is a milestone."""


class ClockSpec:
    """One promise of a policy; one object a promise, compared by identity.

    `id` is its place in the book, the same whenever the same files are added in the same order. `pauses` is the mask of
    pause reasons that stop it, `warns` its warning shares in rising order, `stop` what ends it where it is a custom
    clock, `exact` the same promise of a named instant, which no calendar stops.
    """

    __slots__ = ("calendar", "exact", "id", "name", "pauses", "policy", "stop", "target", "warns")

    def __init__(self, id_: int, policy: str, name: str, clock: Clock, calendar: Calendar) -> None:
        self.id = id_
        self.policy = policy
        self.name = name
        self.target: int | BusinessDays = CALLBACK_MS if clock.target is None else clock.target
        self.calendar = calendar
        self.pauses = sum(PAUSE_BIT[reason] for reason in set(clock.pause_on))
        self.warns = tuple(sorted(set(clock.warn_at)))
        self.stop = _key(clock.stop) if clock.stop else None
        self.exact = self

    def due_from(self, start: int) -> int:
        """When a clock that starts at `start` and is never paused is due."""
        return self.calendar.after(start, self.target_from(start))

    def target_from(self, start: int) -> int:
        """The target of a clock that starts at `start`, in open ms."""
        if isinstance(self.target, int):
            return self.target
        return self.calendar.elapsed(start, self.calendar.business_days(start, self.target.days))


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy ready for use. `starts` names the custom clocks that an event starts."""

    name: str
    clocks: dict[str, ClockSpec]
    reopen: str
    starts: dict[Key, list[ClockSpec]]


class CompiledFile:
    """A policy file ready for use.

    It remembers its answers, by dimension tuple and by the dimensions that its rules look at alone: agents, whom few
    rules name, make thousands of tuples.
    """

    def __init__(self, rules: list[tuple[Match | None, CompiledPolicy]], metrics: MetricSettings) -> None:
        self.metrics = metrics
        self._rules = rules
        self._looks_at = [
            place
            for place, name in enumerate(DIMENSIONS)
            if any(match is not None and getattr(match, name) is not None for match, _ in rules)
        ]
        self._known: tuple[dict[Dims, CompiledPolicy], dict[Dims, CompiledPolicy]] = ({}, {})
        self._alike: dict[tuple[str | bool | None, ...], CompiledPolicy] = {}

    def match(self, dims: Dims, complaint: bool) -> CompiledPolicy:
        """The first policy whose match holds."""
        known = self._known[complaint]
        found = known.get(dims)
        if found is None:
            if len(known) > 200_000:
                known.clear()
            found = known[dims] = self._look_up(dims, complaint)
        return found

    def forget(self) -> None:
        """Drops what it remembers of dimension tuples."""
        for known in self._known:
            known.clear()

    def _look_up(self, dims: Dims, complaint: bool) -> CompiledPolicy:
        values = dims.values
        key = (complaint, *[values[place] for place in self._looks_at])
        found = self._alike.get(key)
        if found is None:
            if len(self._alike) > 200_000:
                self._alike.clear()
            found = next(policy for match, policy in self._rules if _holds(match, dims, complaint))
            self._alike[key] = found
        return found


class PolicyBook:
    """All policy files so far, first the one that is in force from the beginning of time.

    `triggers` are the kinds of events that start or stop custom clocks, `texts` the files as they were read, `since`
    the stream times from which on those after the first are in force.
    """

    def __init__(self, file: PolicyFile) -> None:
        self.specs: list[ClockSpec] = []
        self.triggers: set[int] = set()
        self.texts: list[str] = []
        self.since: list[int] = []
        self._files: list[CompiledFile] = []
        self._put(file)

    @classmethod
    def of(cls, files: Iterable[tuple[int, PolicyFile]]) -> Self:
        """A book of files with the stream times from which on each is in force; that of the first does not count.
        There must be one."""
        (_, first), *later = files
        book = cls(first)
        for since, file in later:
            book.add(file, since)
        return book

    def add(self, file: PolicyFile, since: int) -> None:
        """From stream time `since` on, not before that of any file so far, this one is in force."""
        self._put(file)
        self.since.append(since)

    def change_after(self, t: int) -> int:
        """The first instant after t from which another file is in force; `NEVER` where none is."""
        i = bisect_right(self.since, t)
        return self.since[i] if i < len(self.since) else NEVER

    def match(self, dims: Dims, complaint: bool, t: int) -> CompiledPolicy:
        """The first policy, of the file in force at t, whose match holds for these dimensions."""
        return self._at(t).match(dims, complaint)

    def metrics(self, t: int) -> MetricSettings:
        """The limits that metrics read at t."""
        return self._at(t).metrics

    def forget(self) -> None:
        """Drops remembered answers, and with them the dimension tuples they hold on to."""
        for file in self._files:
            file.forget()

    def _at(self, t: int) -> CompiledFile:
        return self._files[bisect_right(self.since, t)] if self.since else self._files[0]

    def _put(self, file: PolicyFile) -> None:
        calendars = calendars_of(file)
        self.texts.append(file.text)
        rules = [(policy.match, self._compiled(policy, calendars)) for policy in file.policies]
        self._files.append(CompiledFile(rules, file.metrics))

    def _compiled(self, policy: Policy, calendars: dict[str, Calendar]) -> CompiledPolicy:
        clocks = {name: self._spec(policy, name, clock, calendars[clock.calendar]) for name, clock in _clocks(policy)}
        starts: dict[Key, list[ClockSpec]] = {}
        for name, clock in _clocks(policy):
            if name not in STANDARD:
                key = _key(clock.start or "contact.opened")
                starts.setdefault(key, []).append(clocks[name])
                self.triggers |= {key[0], _key(clock.stop)[0]} if clock.stop else {key[0]}
        callback = policy.clocks.get("callback")
        if callback is not None:
            clocks["callback"].exact = self._spec(policy, "callback", callback, calendars["always"])
        return CompiledPolicy(policy.name, clocks, policy.reopen, starts)

    def _spec(self, policy: Policy, name: str, clock: Clock, calendar: Calendar) -> ClockSpec:
        spec = ClockSpec(len(self.specs), policy.name, name, clock, calendar)
        self.specs.append(spec)
        return spec


def calendars_of(file: PolicyFile) -> dict[str, Calendar]:
    """The calendars that a policy file may name."""
    always: dict[str, Calendar] = {"always": AlwaysOpen()}
    return always | {name: make_calendar(name, model) for name, model in file.calendars.items()}


def _clocks(policy: Policy) -> Iterator[tuple[str, Clock]]:
    """A policy's clocks, by name so that specs have the same order however the file is written."""
    yield from sorted(policy.clocks.items())


def _key(trigger: Trigger) -> Key:
    if isinstance(trigger, MilestoneTrigger):
        return KIND["milestone.reached"], trigger.milestone
    return KIND[trigger], None


def _holds(match: Match | None, dims: Dims, complaint: bool) -> bool:
    if match is None:
        return True
    if match.complaint is not None and match.complaint != complaint:
        return False
    for name, value in zip(DIMENSIONS, dims.values, strict=True):
        wanted = getattr(match, name)
        if wanted is not None and value not in wanted:
            return False
    return True
