"""Which clocks run for a case: the policy file, compiled so that the answer for a dimension tuple is one look-up."""

from dataclasses import dataclass

from schemas.policy import Match, PolicyFile
from schemas.rollup import DIMENSIONS
from streams.engine.calendar import AlwaysOpen, Calendar
from streams.engine.facts import PAUSE_BIT, Dims


@dataclass(frozen=True, slots=True)
class ClockSpec:
    """One promise of a policy. `target` in ms; `pauses` is the mask of pause reasons that stop it."""

    target: int
    calendar: Calendar
    pauses: int


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy ready for use."""

    name: str
    clocks: dict[str, ClockSpec]
    reopen: str


class PolicyBook:
    """All policies of a file in order; `match` answers from memory for dimension tuples seen before."""

    def __init__(self, file: PolicyFile) -> None:
        calendars: dict[str, Calendar] = {"always": AlwaysOpen()}
        for name in file.calendars:
            calendars[name] = AlwaysOpen()
            calendars[name].name = name
        self.calendars = calendars
        self.metrics = file.metrics
        self._rules = [
            (
                policy.match,
                CompiledPolicy(
                    policy.name,
                    {
                        name: ClockSpec(
                            clock.target, calendars[clock.calendar], sum(PAUSE_BIT[r] for r in set(clock.pause_on))
                        )
                        for name, clock in policy.clocks.items()
                    },
                    policy.reopen,
                ),
            )
            for policy in file.policies
        ]
        self._known: tuple[dict[Dims, CompiledPolicy], dict[Dims, CompiledPolicy]] = ({}, {})

    def match(self, dims: Dims, complaint: bool) -> CompiledPolicy:
        """The first policy whose match holds for these dimensions."""
        known = self._known[complaint]
        found = known.get(dims)
        if found is None:
            if len(known) > 200_000:
                known.clear()
            found = next(policy for match, policy in self._rules if _holds(match, dims, complaint))
            known[dims] = found
        return found

    def forget(self) -> None:
        """Drops remembered answers, and with them the dimension tuples they hold on to."""
        for known in self._known:
            known.clear()


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
