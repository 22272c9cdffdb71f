"""What contract v1 says about single events and texts, read naively: instants, durations, order, duplicates."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
DIMS = ("channel", "team", "agent_id", "priority", "customer_tier", "category", "queue")
AGENT_STATE = "agent.state"
CASELESS = (AGENT_STATE, "agent.praised", "suggestion.adopted")
ZERO = timedelta()
MS = timedelta(milliseconds=1)
UNITS = {"ms": MS, "s": 1000 * MS, "m": 60_000 * MS, "h": 3_600_000 * MS, "d": timedelta(1)}


def parse(text: str) -> datetime:
    """RFC 3339 as a datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def show(at: datetime | None) -> str | None:
    """A datetime as outcome records write it."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def duration(text: str) -> timedelta:
    """`15s`, `5m`, `2h`, `5d`."""
    found = re.fullmatch(r"([\d.]+)(ms|s|m|h|d)", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


def unique(events: Iterable[Json]) -> list[Json]:
    """One event an id, the earliest, in the order in which they are applied.

    Which of two contents with one id and one time counts is left to the product; histories do not ask it here.
    """
    kept: dict[str, Json] = {}
    for event in sorted(events, key=lambda e: (parse(e["occurred_at"]), json.dumps(e, sort_keys=True))):
        kept.setdefault(event["event_id"], event)
    return sorted(kept.values(), key=lambda e: (parse(e["occurred_at"]), e["event_id"]))


def cases_of(events: Iterable[Json]) -> dict[str, list[Json]]:
    """The events that count, in order, by case. What an agent is doing says nothing of a case, even if it names one."""
    sorted_out: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        if event.get("case_id") is not None and event["type"] != AGENT_STATE:
            sorted_out[event["case_id"]].append(event)
    return {case_id: unique(of_case) for case_id, of_case in sorted_out.items()}
