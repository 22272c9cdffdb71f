"""A small operation as the stream would have stored it: an hour and a half of slices, clocks and events up to now."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from schemas.rollup import CUSTOMER_STAGE, DIMENSIONS
from schemas.times import from_ms, text

MINUTE_MS = 60_000
Insert = Callable[[str, list[dict[str, Any]]], None]

CHANNELS = ("phone", "chat", "app", "email", "mini_program")
TEAMS = ("billing", "technical", "logistics", "vip desk")
# Clock, target in seconds, share that is breached.
CLOCKS = (
    ("connect", 15, 0.07),
    ("first_response", 300, 0.09),
    ("next_response", 600, 0.05),
    ("resolution", 7200, 0.16),
    ("complaint_ack", 7200, 0.02),
    ("callback", 3600, 0.12),
)


def fill(insert: Insert, now_ms: int, *, minutes: int = 90, per_minute: int = 30, seed: int = 7) -> None:
    """Fills all tables up to `now_ms`, with clocks that run out in the next minutes and some that just have."""
    rng = random.Random(seed)
    outcomes: list[dict[str, Any]] = []
    contacts: dict[tuple[Any, ...], Counter[str]] = {}
    first = now_ms - minutes * MINUTE_MS
    for number in range(minutes * per_minute):
        at = first + rng.randrange(minutes * MINUTE_MS)
        dimensions = _dimensions(rng)
        counts = contacts.setdefault((at // MINUTE_MS, *dimensions.values()), Counter())
        counts.update(_facts(rng, dimensions["channel"], (at - first) / (minutes * MINUTE_MS)))
        outcomes.extend(_ended(rng, number, at, dimensions))
    outcomes.extend(_open(rng, now_ms))
    insert("outcomes", outcomes)
    insert("clock_slices", list(_clock_slices(outcomes)))
    insert(
        "contact_slices", [_slice(key) | {"counts": dict(counts), "durations": {}} for key, counts in contacts.items()]
    )
    insert("cases", list(_cases(rng, now_ms)))
    insert("events", list(events_of_the_odd_case(now_ms)))
    beat(insert, now_ms)


def beat(insert: Insert, now_ms: int, partitions: int = 4) -> None:
    """States that every partition has come to just before `now_ms`."""
    insert(
        "watermarks",
        [
            {"partition": p, "stream_time": from_ms(now_ms - 300), "position": 1, "open_cases": 71, "version": now_ms}
            for p in (*range(partitions), *range(CUSTOMER_STAGE, CUSTOMER_STAGE + partitions))
        ],
    )


ODD_CASE = "case/ä 1?#%"
"""An id that URLs find hard."""


def events_of_the_odd_case(now_ms: int) -> Iterator[dict[str, Any]]:
    """A short history with a message, a transfer and something unknown in `data`."""
    history: tuple[tuple[int, str, dict[str, Any]], ...] = (
        (900, "contact.opened", {"complaint": False, "direction": "inbound"}),
        (895, "contact.queued", {}),
        (870, "contact.connected", {}),
        (700, "message.customer", {"<b>markup</b>": "<img src=x onerror=alert(1)>"}),
        (640, "message.agent", {"template": True}),
        (300, "contact.transferred", {"to_team": "technical"}),
        (30, "complaint.filed", {"complaint_category": "process"}),
    )
    for number, (ago_s, kind, data) in enumerate(history):
        at = now_ms - ago_s * 1000
        body = {
            "event_id": f"odd-{number}",
            "type": kind,
            "occurred_at": text(at),
            "case_id": ODD_CASE,
            "channel": "app",
            "team": "billing",
            "customer_id": "c-1",
            "priority": "L1",
            "data": data,
        }
        yield {
            "case_id": ODD_CASE,
            "occurred_at": from_ms(at),
            "event_id": body["event_id"],
            "type": kind,
            "channel": "app",
            "customer_id": "c-1",
            "team": "billing",
            "agent_id": None,
            "source": None,
            "body": json.dumps(body),
            "received_at": from_ms(at + 40),
        }


def outcome(**fields: Any) -> dict[str, Any]:
    """An outcome row with defaults for what is not given; `*_ms` fields become instants."""
    row: dict[str, Any] = {
        "case_id": "c",
        "clock": "connect",
        "seq": 0,
        "policy": "standard",
        "calendar": "always",
        "state": "running",
        "target_s": 60.0,
        "elapsed_s": 0.0,
        "started_at": None,
        "due_at": None,
        "stopped_at": None,
        "breached_at": None,
        **dict.fromkeys(DIMENSIONS),
        "version": 1,
        "withdrawn": 0,
    }
    for name, value in fields.items():
        if name.endswith("_ms"):
            row[f"{name[:-3]}_at"] = None if value is None else from_ms(value)
        else:
            row[name] = value
    return row


def ended_ms(row: dict[str, Any]) -> int | None:
    """The instant a row counts at, by the rule of the contract: due for a breach, else the stop."""
    at = row["breached_at"] if row["state"] == "breached" else row["stopped_at"]
    return None if at is None else round(at.timestamp() * 1000)


def _dimensions(rng: random.Random) -> dict[str, Any]:
    return {
        "channel": rng.choices(CHANNELS, (5, 4, 4, 2, 3))[0],
        "team": rng.choice(TEAMS),
        "agent_id": f"agent-{rng.randrange(12)}",
        "priority": rng.choices(("L1", "L2", "L3"), (1, 3, 5))[0],
        "customer_tier": None,
        "category": rng.choice(("bill", "delivery", None)),
        "queue": None,
    }


def _facts(rng: random.Random, channel: str, progress: float) -> dict[str, int]:
    wait = int(rng.expovariate(1 / 14_000))
    response = int(rng.expovariate(1 / (250_000 + 140_000 * progress)))
    csat = rng.choices((1, 2, 3, 4, 5), (2, 3, 9, 40, 46))[0]
    surveyed, complained = rng.random() < 0.3, rng.random() < 0.035
    return {
        "opened": 1,
        "connected": 1,
        "connected_in_limit": int(wait <= 20_000),
        "connect_wait_ms": wait,
        "first_responses": 1,
        "first_response_ms": response,
        "first_response_met": int(response < 500_000),
        "first_response_ended": 1,
        "resolved": int(rng.random() < 0.8),
        "complaints": int(complained),
        "csat_answers": int(surveyed),
        "csat_sum": csat * surveyed,
        "csat_passed": int(surveyed and csat >= 4),
        "scored": 1,
        "scored_negative": int(rng.random() < (0.08 if channel == "phone" else 0.05)),
        "clocks_met": int(rng.random() < 0.92),
        "clocks_ended": 1,
    }


def _ended(rng: random.Random, number: int, at: int, dimensions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for clock, target, breached in CLOCKS:
        share = {"phone": 1.4, "email": 2.2}.get(dimensions["channel"], 0.8) * breached
        kind = rng.choices(("met", "breached", "cancelled"), (1 - share, share, 0.04))[0]
        if rng.random() < (0.6 if clock in ("complaint_ack", "callback") else 0.1):
            continue
        took = int(target * 1000 * rng.uniform(0.1, 0.95))
        about = dimensions | {"case_id": f"T-{number:05d}", "clock": clock, "target_s": float(target)}
        if kind == "breached":
            late = at + rng.randrange(1, 3 * MINUTE_MS)
            yield outcome(
                **about, state=kind, started_ms=at - target * 1000, due_ms=at, breached_ms=at, stopped_ms=late,
                elapsed_s=target + (late - at) / 1000,
            )  # fmt: skip
        else:
            due = at - took + target * 1000
            yield outcome(**about, state=kind, started_ms=at - took, due_ms=due, stopped_ms=at, elapsed_s=took / 1000)


def _open(rng: random.Random, now_ms: int) -> Iterator[dict[str, Any]]:
    for number in range(90):
        clock, target, _ = rng.choice(CLOCKS)
        due = now_ms + rng.randrange(8_000, 40 * MINUTE_MS)
        about = _dimensions(rng) | {"case_id": f"T-1{number:04d}", "clock": clock, "target_s": float(target)}
        if number % 11 == 0:
            yield outcome(**about, state="paused", started_ms=due - target * 1000)
        elif number % 13 == 0:
            late = now_ms - rng.randrange(5_000, 14 * MINUTE_MS)
            yield outcome(**about, state="breached", started_ms=late - target * 1000, due_ms=late, breached_ms=late)
        else:
            yield outcome(**about, state="running", started_ms=due - target * 1000, due_ms=due)
    about = {"case_id": ODD_CASE, "clock": "complaint_ack", "channel": "app", "team": "billing", "priority": "L1"}
    yield outcome(**about, state="running", target_s=120.0, started_ms=now_ms - 30_000, due_ms=now_ms + 90_000)


def _cases(rng: random.Random, now_ms: int) -> Iterator[dict[str, Any]]:
    for number in range(120):
        begun = now_ms - rng.randrange(1_000, 3 * 3_600_000)
        closed, waits = number % 4 == 0, number % 5 == 1
        yield case(
            **_dimensions(rng) | {"case_id": f"T-2{number:04d}"},
            opened_ms=begun,
            queued_ms=min(begun + 1_000, now_ms),
            connected_ms=None if waits else min(begun + 20_000, now_ms),
            opens=[from_ms(begun)],
            ends=[from_ms(min(begun + 900_000, now_ms))] if closed else [],
        )


def case(**fields: Any) -> dict[str, Any]:
    """A row of cases with defaults for what is not given; `*_ms` fields become instants."""
    row: dict[str, Any] = {
        "case_id": "c",
        "customer_id": None,
        **dict.fromkeys(DIMENSIONS),
        **dict.fromkeys(f"{name}_at" for name in ("opened", "queued", "connected", "answered", "resolved", "told")),
        "opens": [],
        "ends": [],
        "withdrawn": 0,
        "version": 1,
    }
    for name, value in fields.items():
        if name.endswith("_ms"):
            row[f"{name[:-3]}_at"] = None if value is None else from_ms(value)
        else:
            row[name] = value
    row["told_at"] = row["told_at"] or row["opened_at"]
    return row


def _clock_slices(outcomes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    cells: dict[tuple[Any, ...], Counter[str]] = {}
    for row in outcomes:
        at = ended_ms(row)
        if at is not None:
            key = (at // MINUTE_MS, *(row[name] for name in DIMENSIONS), row["clock"])
            cell = cells.setdefault(key, Counter())
            cell[row["state"]] += 1
            if row["stopped_at"] is not None and row["state"] != "cancelled":
                cell.update(stopped=1, elapsed_ms=round(row["elapsed_s"] * 1000))
    for key, cell in cells.items():
        counts = {name: cell[name] for name in ("met", "breached", "cancelled", "stopped", "elapsed_ms")}
        yield _slice(key[:-1]) | {"clock": key[-1]} | counts


def _slice(key: tuple[Any, ...]) -> dict[str, Any]:
    minute, *values = key
    about = dict(zip(DIMENSIONS, values, strict=True))
    return about | {"slice": from_ms(minute * MINUTE_MS), "partition": 0, "generation": 0, "version": 1}
