"""Rows as the worker would send them."""

import json
import time
from collections.abc import Sequence

import msgspec

from schemas import times
from schemas.outcome import VersionedOutcome
from schemas.rollup import CaseRecord

_encoder = msgspec.json.Encoder()

TOLD_AT = times.text(time.time_ns() // 1_000_000)
"""Lately: what was told long ago is not kept in the history."""


def outcome(case_id: str, version: int = 1, state: str = "met", withdrawn: int = 0) -> VersionedOutcome:
    """The outcome of clock first_response of a case."""
    return VersionedOutcome(
        case_id=case_id,
        clock="first_response",
        seq=0,
        policy="default",
        calendar="always",
        state=state,
        target_s=1800.0,
        elapsed_s=61.25,
        started_at="2026-01-31T01:00:00.000Z",
        due_at="2026-01-31T01:30:00.000Z",
        stopped_at="2026-01-31T01:01:01.250Z" if state == "met" else None,
        breached_at="2026-01-31T01:30:00.000Z" if state == "breached" else None,
        channel="chat",
        team="billing",
        agent_id="a17",
        priority="L2",
        customer_tier=None,
        category="售后",
        queue=None,
        ref=None,
        warned_at="2026-01-31T01:00:48.000Z",
        warned=0.8,
        held={"queue": 20.0, "agent:a17": 41.25} if state == "met" else {},
        version=version,
        withdrawn=withdrawn,
        told_at=TOLD_AT,
        cause="e-7",
    )


def outcomes(count: int, first: int = 0, version: int = 1) -> bytes:
    """NDJSON of outcomes of as many cases, numbered from `first`."""
    rows = [outcome(f"case-{number:07}", version) for number in range(first, first + count)]
    return bytes(_encoder.encode_lines(rows))


def line(row: object) -> bytes:
    """One row as JSON."""
    return bytes(_encoder.encode(row))


def event(event_id: str, case_id: str = "c1") -> bytes:
    """A valid event."""
    return json.dumps(
        {
            "event_id": event_id,
            "type": "contact.opened",
            "occurred_at": "2026-01-31T09:00:00.5+08:00",
            "case_id": case_id,
            "channel": "phone",
        }
    ).encode()


SLICE = "2026-01-31T01:00:00.000Z"


def clock_slice(met: int, version: int, partition: int = 0, slice: str = SLICE) -> bytes:
    """A line of contact.rollups with key clock."""
    series = {"slice": slice, "clock": "first_response", "channel": "chat", "team": None}
    rest = {"agent_id": None, "priority": "L1", "customer_tier": None, "category": None, "queue": None}
    counts = {"met": met, "breached": 1, "cancelled": 0, "stopped": met, "elapsed_ms": 60_000 * met}
    return line(series | rest | counts | _told(version, partition))


def contact_slice(
    opened: int,
    version: int,
    partition: int = 1,
    slice: str = SLICE,
    team: str | None = "billing",
    waits: dict[int, int] | None = None,
    customers: Sequence[int] = (),
    generation: int = 0,
) -> bytes:
    """A line of contact.rollups with key contact; `waits` is its histogram of waits for a human."""
    series = {"slice": slice, "channel": "chat", "team": team, "agent_id": None}
    rest = {"priority": None, "customer_tier": None, "category": None, "queue": None, "counts": {"opened": opened}}
    distributions = {"durations": {"connect_wait": waits} if waits else {}, "customers": customers}
    return line(series | rest | distributions | _told(version, partition, generation))


def _told(version: int, partition: int, generation: int = 0) -> dict[str, object]:
    return {"partition": partition, "generation": generation, "version": version, "told_at": TOLD_AT}


def case_record(case_id: str, version: int, withdrawn: int = 0, ends: Sequence[str] = ()) -> bytes:
    """A line of contact.customers: a case that was opened, and ceased to be open where there are `ends`."""
    return line(
        CaseRecord(
            case_id=case_id,
            customer_id="k-1",
            channel="chat",
            team=None,
            agent_id="a17",
            priority="L2",
            customer_tier=None,
            category="售后",
            queue=None,
            opened_at=SLICE,
            queued_at=None,
            connected_at="2026-01-31T01:00:20.500Z",
            answered_at=None,
            resolved_at=None,
            complained_at=None,
            complaint_category=None,
            reopened=0,
            opens=[SLICE],
            ends=list(ends),
            opened_as=["chat", None, None, "L2", None, "售后", None],
            resolved_as=[],
            repeat_window_s=604_800.0,
            partition=1,
            version=version,
            withdrawn=withdrawn,
            told_at=TOLD_AT,
        )
    )


def watermark(position: int, version: int) -> bytes:
    """A line of contact.watermarks."""
    at = {"stream_time": "2026-01-31T01:02:03.004Z", "position": position}
    return line({"partition": 0, **at, "open_cases": 7, "version": version, "folded": {"queue": 3}})
