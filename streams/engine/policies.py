"""Which clocks run for a case: policy files, compiled so that the answer for a dimension tuple is one look-up.

A book holds every policy file that was ever in force, each with the stream time from which on it was: a case's history
is judged by what was promised then, however late it is read.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class CompiledFile:
    """A policy file ready for use; `known` remembers answers, of no complaint and of complaints."""

    rules: list[tuple[Match | None, CompiledPolicy]]
    metrics: MetricSettings
    known: tuple[dict[Dims, CompiledPolicy], dict[Dims, CompiledPolicy]] = field(default_factory=lambda: ({}, {}))


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
        file = self._at(t)
        known = file.known[complaint]
        found = known.get(dims)
        if found is None:
            if len(known) > 200_000:
                known.clear()
            found = next(policy for match, policy in file.rules if _holds(match, dims, complaint))
            known[dims] = found
        return found

    def metrics(self, t: int) -> MetricSettings:
        """The limits that metrics read at t."""
        return self._at(t).metrics

    def forget(self) -> None:
        """Drops remembered answers, and with them the dimension tuples they hold on to."""
        for file in self._files:
            for known in file.known:
                known.clear()

    def _at(self, t: int) -> CompiledFile:
        return self._files[bisect_right(self.since, t)] if self.since else self._files[0]

    def _put(self, file: PolicyFile) -> None:
        calendars: dict[str, Calendar] = {"always": AlwaysOpen()}
        calendars |= {name: make_calendar(name, model) for name, model in file.calendars.items()}
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
