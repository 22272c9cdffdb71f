"""What `contactpulse check-policy` says of a policy file: what is wrong, what it promises, what looks unmeant."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from schemas.policy import BusinessDays, Clock, Policy, PolicyFile, collector_at_rest, judge
from schemas.policy_order import NOTE, WARNING, Finding, of_order
from schemas.policy_source import Place, PolicySource, one_line, read_policy
from schemas.policy_words import describe_policy

MOST_FINDINGS = 1_000
MOST_SAID = 2_000
"""Characters of a finding. Names that a person gave fit; a file may hold any."""
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
    with collector_at_rest():
        return check_source(PolicySource(read_policy(path), str(path)))


def check_source(source: PolicySource) -> Report:
    """As `check_policy`, of a source."""
    file, faults = judge(source)
    if file is None:
        return Report(errors=[source.show(fault.line, fault.said) for fault in faults])
    findings = _findings(file)
    found = sorted((source.line(place), level, reason) for place, level, reason in islice(findings, MOST_FINDINGS))
    if more := sum(1 for _ in findings):
        found.append((found[-1][0], NOTE, f"and {more:,} more findings"))
    return Report(
        words=describe_policy(file),
        findings=[source.show(line, f"{level}: {one_line(reason, MOST_SAID)}") for line, level, reason in found],
    )


def _findings(file: PolicyFile) -> Iterator[Finding]:
    yield from of_order(file.policies)
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
