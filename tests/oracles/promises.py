"""What a policy file, as a dict, promises: which policy a case falls under, its calendars, targets and triggers."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.contract import Json, duration
from tests.oracles.hours import Hours

COMPLAINT_CLOCKS = ("complaint_ack", "complaint_feedback")
STANDARD_CLOCKS = (
    "connect", "first_response", "next_response", "bot_response", "resolution", "update", "callback", *COMPLAINT_CLOCKS,
)  # fmt: skip
"""All others are custom clocks, which say what starts and stops them."""
DEFAULT_CALLBACK = "24h"

Policy = Mapping[str, Any]
Changes = Sequence[tuple[datetime, Policy]]
"""Policy files that came into force later, and when; of two at one instant the latter."""


def match(file: Policy, dims: Json, complaint: bool) -> Policy:
    """The first policy whose every key holds the case's value."""
    values = dims | {"complaint": complaint}
    for policy in file["policies"]:
        wanted = (policy.get("match") or {}).items()
        if all(values[key] in (want if isinstance(want, list) else [want]) for key, want in wanted):
            return policy  # type: ignore[no-any-return]
    raise AssertionError("the last policy matches everything")


def in_force(file: Policy, changes: Changes, at: datetime) -> Policy:
    """The policy file that holds at an instant, from which a change comes into force on."""
    return [file, *(other for since, other in sorted(dict(changes).items()) if since <= at)][-1]


def hours(file: Policy, calendar: str) -> Hours:
    """The calendar of that name; `always` need not be in the file."""
    return Hours(file.get("calendars", {}).get(calendar, {}))


def target(file: Policy, text: str, calendar: str, started: datetime) -> timedelta:
    """A target as open time of the calendar."""
    days = re.fullmatch(r"(\d+)bd", text)
    return hours(file, calendar).business_days(started, int(days[1])) if days else duration(text)


def means(trigger: str | Json, kind: str, data: Json) -> bool:
    """Whether an event is what a custom clock waits for: an event type, or a milestone by name."""
    if isinstance(trigger, str):
        return trigger == kind
    return kind == "milestone.reached" and data["name"] == trigger["milestone"]
