"""What `contactpulse check-policy` says of a policy file: what is wrong, what it promises, what looks unmeant."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from schemas.policy import BusinessDays, Clock, Policy, PolicyFile, judge, read_policy
from schemas.policy_cases import Cases, Space, both, left_by, needed, within
from schemas.policy_source import Place, PolicySource
from schemas.policy_words import describe_policy, describe_target

WARNING, NOTE = "warning", "note"

_COMPLAINT_STARTS = ("complaint_ack", "complaint_feedback")


@dataclass(frozen=True, slots=True)
class Report:
    """A checked policy file. With `errors` it cannot be used and nothing else is said.

    `words` is what it promises; `findings` are warnings and notes. Errors and findings are lines `file:line: ...`, in
    order of lines.
    """

    errors: list[str] = field(default_factory=list)
    words: str = ""
    findings: list[str] = field(default_factory=list)


def check_policy(path: Path) -> Report:
    """Checks the policy file at `path`. Raises `PolicyError` where it cannot be read or is no YAML mapping."""
    return check_source(PolicySource(read_policy(path), str(path)))


def check_source(source: PolicySource) -> Report:
    """As `check_policy`, of a source."""
    file, faults = judge(source)
    if file is None:
        return Report(errors=[source.show(fault.line, fault.said) for fault in faults])
    found = sorted((source.line(place), level, reason) for place, level, reason in _findings(file))
    return Report(
        words=describe_policy(file),
        findings=[source.show(line, f"{level}: {reason}") for line, level, reason in found],
    )


Finding = tuple[Place, str, str]
"""Where, how grave, and what."""


def _findings(file: PolicyFile) -> Iterator[Finding]:
    yield from _order(file.policies)
    used = {clock.calendar for policy in file.policies for clock in policy.clocks.values()}
    for name in file.calendars:
        if name not in used and name != "always":
            yield ("calendars", name), WARNING, f"no clock uses calendar {name!r}"
    for i, policy in enumerate(file.policies):
        if not policy.clocks:
            yield ("policies", i), WARNING, f"{policy.name!r} promises nothing to its cases"
        for name, clock in policy.clocks.items():
            for key, reason in _of_clock(file, policy, name, clock):
                yield ("policies", i, "clocks", name, *key), WARNING, f"{policy.name!r}, {name}: {reason}"


def _of_clock(file: PolicyFile, policy: Policy, name: str, clock: Clock) -> Iterator[tuple[Place, str]]:
    if not clock.warn_at:
        yield ("warn_at",), "never warns before the breach"
    calendar = file.calendars.get(clock.calendar)
    if isinstance(clock.target, BusinessDays) and (calendar is None or calendar.always):
        yield ("target",), f"on calendar {clock.calendar!r} every day is a business day of 24 h"
    starts_by_complaint = name in _COMPLAINT_STARTS or clock.start == "complaint.filed"
    if starts_by_complaint and policy.match is not None and policy.match.complaint is False:
        yield (), "never starts: a complaint starts it, and complaints do not fall under this policy"


def _order(policies: list[Policy]) -> Iterator[Finding]:
    """What follows from "first match wins"."""
    space = Space(policies)
    taken = [space.taken_by(policy.match) for policy in policies]
    reached = [left_by(taken[:i], cases) is not None for i, cases in enumerate(taken)]
    for i, policy in enumerate(policies):
        if reached[i]:
            yield from _overlaps(policies, taken, space, i, reached)
        elif i < len(policies) - 1:  # the default is required, even where the others leave nothing to it
            earlier = needed({policies[k].name: taken[k] for k in range(i)}, taken[i])
            takes = "together take" if len(earlier) > 1 else "takes"
            said = f"{policy.name!r} is never reached: {_names(earlier)} {takes} all of its cases"
            yield ("policies", i), WARNING, said


def _overlaps(
    policies: list[Policy], taken: list[Cases], space: Space, i: int, reached: list[bool]
) -> Iterator[Finding]:
    """Which later policies lose cases to policy `i` and promise otherwise.

    Where the later one is the more general, that is what the order is for: nothing is said.
    """
    winner, others, example = policies[i], [], ""
    for k in range(i + 1, len(policies)):
        loser, common = policies[k], both(taken[i], taken[k])
        if common is None or not reached[k] or within(taken[i], taken[k]) or not _differ(winner, loser):
            continue
        case = left_by(taken[:i], common)
        if case is None:
            continue
        less = _less(winner, loser)
        if less and _keys(winner) <= _keys(loser):
            where = f"where both match (for example {space.example(case)})"
            said = f"{winner.name!r} wins over {loser.name!r} {where} and promises less: {less}"
            yield ("policies", i), WARNING, said
        else:
            others.append(loser.name)
            example = example or space.example(case)
    if others:
        where = f"where both match (for example {example})"
        yield ("policies", i), NOTE, f"{winner.name!r} wins over {_names(others, most=3)} {where}"


def _differ(winner: Policy, loser: Policy) -> bool:
    """Whether the same clock promises something else."""
    common = winner.clocks.keys() & loser.clocks.keys()
    return any(winner.clocks[name] != loser.clocks[name] for name in common)


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


def _names(names: list[str], most: int = 1_000) -> str:
    said = [repr(name) for name in names]
    if len(names) > most + 1:
        said[most:] = [f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))
