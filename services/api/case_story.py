"""A case's story: what happened to each of its clocks and why, and who had it while they ran.

The engine folds the stored events once more, under the policies that the case's source partition judged by, up to the
stream time that this partition has reached.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from schemas import times
from schemas.errors import ContactPulseError, EventRejected
from schemas.event import decode_event
from schemas.policy import PolicyFile, parse_policy
from schemas.routing import partition_of
from services.api.context import Context
from services.api.database import Row
from streams.engine.engine import AGENT_STATE
from streams.engine.explain import Explanation, Step, explain
from streams.engine.facts import DimsTable, Fact, FactMaker
from streams.engine.policies import PolicyBook

_FOLDING = Lock()
"""Calendars are worked out as they are asked: one story at a time asks."""


@dataclass(frozen=True, slots=True)
class Story:
    """`timeline` holds the steps of all clocks in order, `waterfalls` the spans of each clock by (clock, seq)."""

    timeline: list[dict[str, Any]]
    waterfalls: dict[tuple[str, int], list[dict[str, Any]]]


async def story_of(context: Context, case_id: str, events: Sequence[Row], moment: int) -> Story:
    """The story of a case from its events (rows with `event_id` and `body`), as of `moment` at the latest.

    Raises Problem 503 where ClickHouse is away.
    """
    partition = partition_of(case_id, context.settings.partitions)
    rows = await context.database.rows(
        "SELECT toUnixTimestamp64Milli(since) AS since_ms, text FROM policies FINAL"
        " WHERE partition = {partition:UInt16} ORDER BY since",
        {"partition": partition},
    )
    reached = await context.database.rows(
        "SELECT toUnixTimestamp64Milli(stream_time) AS ms FROM watermarks FINAL WHERE partition = {partition:UInt16}",
        {"partition": partition},
    )
    now = min([moment, *(row["ms"] for row in reached)])
    files = [(row["since_ms"], row["text"]) for row in rows]
    watch = context.policy.look()
    present = None if watch is None else watch.file
    return await asyncio.to_thread(_told, files, present, events, now)


def _told(files: Sequence[tuple[int, str]], present: PolicyFile | None, events: Sequence[Row], now: int) -> Story:
    table = DimsTable()
    make = FactMaker(table).make
    facts: dict[str, Fact] = {}
    for event in events:
        if event["type"] == AGENT_STATE:
            continue  # says nothing of a case, whatever case_id it carries
        try:
            facts.setdefault(event["event_id"], make(decode_event(event["body"].encode())))
        except EventRejected:
            continue  # the worker has dead-lettered it
    with _FOLDING:
        book = _book(tuple(files))
        if book is None and present is not None:
            book = _book(((0, present.text),))
        if book is None:
            return Story([], {})
        found = explain(facts, book, table, now)
        book.forget()
    types = {event["event_id"]: event["type"] for event in events}
    return Story([_step(step, types) for step in found.steps], _waterfalls(found))


@lru_cache(maxsize=8)
def _book(files: tuple[tuple[int, str], ...]) -> PolicyBook | None:
    """The policies in force over time; None where none was told yet, or of another version of the product. Reading one
    takes longer than a story, and a case's page asks every two seconds."""
    try:
        read = [(since, parse_policy(text, "stored policy")) for since, text in files]
    except ContactPulseError:
        return None
    return PolicyBook.of(read) if read else None


def _step(step: Step, types: dict[str, str]) -> dict[str, Any]:
    return {
        "at": times.text(step.at),
        "clock": step.clock,
        "seq": step.seq,
        "what": step.what,
        "reason": step.reason,
        "event_id": step.event_id,
        "type": None if step.event_id is None else types.get(step.event_id),
        "target_s": step.target / 1000,
        "elapsed_s": step.elapsed / 1000,
        "due_at": None if step.due is None else times.text(step.due),
    }


def _waterfalls(found: Explanation) -> dict[tuple[str, int], list[dict[str, Any]]]:
    return {
        key: [
            {
                "from": times.text(span.begin),
                "to": times.text(span.end),
                "holder": span.holder,
                "s": (span.end - span.begin) / 1000,
            }
            for span in spans
        ]
        for key, spans in found.waterfalls.items()
    }
