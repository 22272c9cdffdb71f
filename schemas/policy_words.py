"""A policy file in words: which cases a policy is for, and what it promises them."""

from collections.abc import Iterator
from itertools import groupby

from schemas.calendar import WEEKDAYS, Calendar
from schemas.policy import (
    DURATION_UNITS,
    STANDARD_CLOCKS,
    BusinessDays,
    Clock,
    Match,
    MilestoneTrigger,
    Policy,
    PolicyFile,
    Trigger,
)

_REOPENED = {
    "restart": "from zero",
    "subtract": "from what had elapsed when it was resolved",
    "continue": "as if it had never been resolved",
}


def describe_policy(file: PolicyFile) -> str:
    """What a policy file promises: its calendars, its policies in their order with a line a clock, its limits.

    What all policies promise alike is said once.
    """
    used = {clock.calendar for policy in file.policies for clock in policy.clocks.values()}
    calendars = "\n".join(
        f"calendar {name}: {describe_calendar(calendar)}"
        for name, calendar in file.calendars.items()
        if name in used and not calendar.always
    )
    said = [[f"{policy.name}: {describe_match(policy.match)}", *_promises(policy)] for policy in file.policies]
    alike = [line for line in said[0][1:] if all(line in lines for lines in said)] if len(said) > 1 else []
    parts = [[line for line in lines if line not in alike] for lines in said]
    if alike:
        parts.insert(0, ["every case:", *alike])
    metrics = file.metrics
    limits = (
        f"metrics: answered in time within {duration(metrics.answer_within)}, "
        f"abandoned at once within {duration(metrics.short_abandon)}, "
        f"contacted again within {duration(metrics.repeat_window)}, satisfied from CSAT {metrics.csat_pass}"
    )
    return "\n\n".join(filter(None, [calendars, *("\n".join(lines) for lines in parts), limits]))


def describe_calendar(calendar: Calendar) -> str:
    """When a calendar is open."""
    if calendar.always:
        return "day and night, every day"
    hours = {str(day): windows for day, windows in (calendar.hours or {}).items()}
    said = [
        f"{'; '.join(_week(hours)) or ('day and night' if calendar.hours is None else 'no day')} ({calendar.timezone})"
    ]
    if calendar.holidays:
        said.append(f"closed on public holidays of {calendar.holidays}")
    if calendar.makeup:
        said.append(f"make-up workdays {' and '.join(calendar.makeup)}")
    if calendar.closed:
        said.append(f"closed on {', '.join(map(str, sorted(calendar.closed)))}")
    said += [f"on {day} {' and '.join(windows) or 'closed'}" for day, windows in sorted(calendar.open.items())]
    return ", ".join(said)


def _week(hours: dict[str, list[str]]) -> Iterator[str]:
    """Neighbouring days of the same hours together."""
    for windows, days in groupby(WEEKDAYS, key=hours.get):
        first, *others = days
        if windows:
            yield f"{first}{f'-{others[-1]}' if others else ''} {' and '.join(windows)}"


def describe_match(match: Match | None) -> str:
    """Which cases a match is for."""
    if match is None:
        return "all other cases"
    said = match.model_dump(exclude_none=True)
    complaint = said.pop("complaint", None)
    cases = "cases" if complaint is None else "complaints" if complaint else "cases that are no complaint"
    values = [f"{key} {' or '.join(wanted)}" for key, wanted in said.items()]
    return f"{cases} with {', '.join(values)}" if values else cases if complaint is not None else "all cases"


def _promises(policy: Policy) -> Iterator[str]:
    for name, clock in policy.clocks.items():
        yield f"  {name + ':':20} {describe_clock(name, clock)}"
    if not policy.clocks:
        yield "  nothing is promised"
    elif "resolution" in policy.clocks:
        yield f"  {'reopened:':20} the resolution counts {_REOPENED[policy.reopen]}"


def describe_clock(name: str, clock: Clock) -> str:
    """What a clock promises."""
    calendar = "" if clock.calendar == "always" else f" of calendar {clock.calendar}"
    if name == "callback":
        target = describe_target(clock.target) if clock.target else "24h"
        said = [f"at the promised time, or within {target}{calendar} where none is said"]
    else:
        assert clock.target is not None
        said = [f"{'every' if name == 'update' else 'within'} {describe_target(clock.target)}{calendar}"]
    if name not in STANDARD_CLOCKS and clock.stop is not None:
        said.append(f"from {_trigger(clock.start or 'contact.opened')} to {_trigger(clock.stop)}")
    if clock.pause_on:
        holders = " or ".join(reason.replace("_", " ") for reason in clock.pause_on)
        said.append(f"not counted while waiting on {holders}")
    shares = " and ".join(f"{share * 100:g}%" for share in sorted(set(clock.warn_at)))
    said.append(f"warns at {shares}" if shares else "warns of nothing")
    return ", ".join(said)


def describe_target(target: int | BusinessDays) -> str:
    """How long something may take."""
    if isinstance(target, int):
        return duration(target)
    return f"{target.days} business day{'' if target.days == 1 else 's'}"


def duration(ms: int) -> str:
    """Milliseconds as people say them: 90s, 48h, 7d."""
    for unit, least in (("d", 3), ("h", 1), ("m", 1), ("s", 1)):
        length = DURATION_UNITS[unit]
        if ms % length == 0 and ms >= least * length:
            return f"{ms // length}{unit}"
    return f"{ms}ms"


def _trigger(trigger: Trigger) -> str:
    return f"milestone {trigger.milestone}" if isinstance(trigger, MilestoneTrigger) else str(trigger)
