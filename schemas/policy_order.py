"""What follows from "first match wins": policies that no case reaches, and those that lose cases to an earlier one."""

from collections.abc import Hashable, Iterator, Sequence

from schemas.policy import BusinessDays, Clock, Policy
from schemas.policy_bits import Bits, Meetings, after, before, bits, members
from schemas.policy_cases import Entangled, Space, Work, left_by, needed
from schemas.policy_source import Place
from schemas.policy_words import describe_target

WARNING, NOTE = "warning", "note"
Finding = tuple[Place, str, str]
"""Where, how grave, and what."""

MOST_STEPS = 1_000_000
"""Of the search for cases that are left, in all: whether boxes of eight keys together cover another takes, for files
made to that end, more time than there is. Files of people need some ten steps a policy."""
_PAIR_STEPS = 10
_NAMED = 20
"""Policies that a sentence names."""


def of_order(policies: list[Policy]) -> Iterator[Finding]:
    """What looks unmeant in the order of policies."""
    order = _Order(policies)
    try:
        for i in range(len(policies)):
            yield from order.unreached(i)
        for i in range(len(policies)):
            yield from order.overlaps(i)
    except Entangled:
        said = "the matches overlap in too many ways to go through all: what is said of their order is not all"
        yield ("policies",), NOTE, said


class _Order:
    """Policies, whom each meets, and what each promises."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = policies
        self._space = Space(policies)
        self._taken = [self._space.taken_by(policy.match) for policy in policies]
        self._meetings = Meetings(self._space.named, self._space.keys, self._space.closed)
        self._reached = bits(range(len(policies)), len(policies))
        self._clocks, self._promises = Bits(len(policies)), Bits(len(policies))
        for i, policy in enumerate(policies):
            for name, clock in policy.clocks.items():
                self._clocks.add(name, i)
                self._promises.add(_promise(name, clock), i)
        self._work = Work(MOST_STEPS)

    def unreached(self, i: int) -> Iterator[Finding]:
        """Whether no case reaches policy i; asked of one after the other. Raises `Entangled`."""
        policy = self._policies[i]
        self._work.take(self._weight(i))
        near = before(self._meetings.may_leave_none(i), i)
        if not near:
            return
        alone = next(members(before(self._meetings.have_all(i), i)), None)
        if alone is not None:
            takers = [self._policies[alone].name]
        else:
            boxes = {self._policies[k].name: self._taken[k] for k in members(near)}
            cases = self._space.telling(self._space.named[i])
            if cases is None or left_by([*boxes.values()], cases, self._work) is not None:
                return
            takers = needed(boxes, cases, self._work)
        self._reached ^= 1 << i
        if i < len(self._policies) - 1:  # the default is required, even where the others leave nothing to it
            takes = "together take" if len(takers) > 1 else "takes"
            said = f"{policy.name!r} is never reached: {_names(takers, _NAMED)} {takes} all of its cases"
            yield ("policies", i), WARNING, said

    def overlaps(self, i: int) -> Iterator[Finding]:
        """Which later policies lose cases to policy i and promise otherwise. Raises `Entangled`.

        Where the later one is the more general, that is what the order is for: nothing is said.
        """
        if not self._reached >> i & 1:
            return
        self._work.take(self._weight(i))
        losers = after(self._meetings.meet(i) & self._reached, i)
        # Most policies meet nobody but the default: what is worked out for each ends as soon as that is known.
        losers = losers and losers & ~self._meetings.have_all(i)
        winner, named = self._policies[i], self._space.named
        losers = losers and losers & self._promise_otherwise(winner)
        others: list[str] = []
        example = ""
        for k in members(losers):
            loser = self._policies[k]
            common = self._space.telling(named[i], named[k])
            self._work.take(_PAIR_STEPS)
            if common is None:
                continue
            near = before(self._meetings.may_leave_none(i, k), i)
            case = left_by([self._taken[taker] for taker in members(near)], common, self._work)
            if case is None:
                continue
            less = _less(winner, loser)
            if less and _keys(winner) <= _keys(loser):
                where = f"where both match (for example {self._space.example(case)})"
                said = f"{winner.name!r} wins over {loser.name!r} {where} and promises less: {less}"
                yield ("policies", i), WARNING, said
            else:
                others.append(loser.name)
                example = example or self._space.example(case)
        if others:
            where = f"where both match (for example {example})"
            yield ("policies", i), NOTE, f"{winner.name!r} wins over {_names(others, most=3)} {where}"

    def _weight(self, i: int) -> int:
        return sum(map(len, self._space.named[i].values()))

    def _promise_otherwise(self, policy: Policy) -> int:
        """Those of which the same clock promises something else."""
        found = 0
        for name, clock in policy.clocks.items():
            found |= self._clocks.having(name) & ~self._promises.having(_promise(name, clock))
        return found


def _promise(name: str, clock: Clock) -> Hashable:
    """Equal for clocks that are equal."""
    return name, clock.target, clock.calendar, (*clock.pause_on,), (*clock.warn_at,), clock.start, clock.stop


def _less(winner: Policy, loser: Policy) -> str:
    """Targets of the winner that are certainly longer, in words."""
    said = []
    for name, clock in winner.clocks.items():
        other = loser.clocks.get(name)
        if other is not None and clock.calendar == other.calendar and _longer(clock.target, other.target):
            assert clock.target is not None and other.target is not None
            said.append(f"{name} within {describe_target(clock.target)}, not {describe_target(other.target)}")
    return ", ".join(said)


def _longer(one: int | BusinessDays | None, other: int | BusinessDays | None) -> bool:
    if isinstance(one, BusinessDays) and isinstance(other, BusinessDays):
        return one.days > other.days
    return isinstance(one, int) and isinstance(other, int) and one > other


def _keys(policy: Policy) -> int:
    """How special a policy is: how many keys its match has."""
    return 0 if policy.match is None else len(policy.match.model_dump(exclude_none=True))


def _names(names: list[str], most: int) -> str:
    said = [repr(name) for name in names]
    if len(names) > most + 1:
        said[most:] = [f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))
