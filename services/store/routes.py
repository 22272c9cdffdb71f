"""Which records become rows of which table. All but events pass as the bytes they are."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from schemas import times
from schemas.errors import EventRejected
from schemas.event import decode_event
from schemas.settings import Settings
from schemas.topics import Topic
from services.store.touches import TOUCHES

TABLES = ("policies", "events", "outcomes", "clock_slices", "contact_slices", TOUCHES, "cases", "watermarks")
"""In the order of their inserts: touches after the slices they are of, the watermark last, so that it does not promise
what is still to be inserted."""

UNKNOWN_PARTITION = 65_535
"""Of events that came by another way than Kafka, as the table has it."""

UNROUTED = "unrouted"
"""Stands for the table of records that belong to none."""


class Record(Protocol):
    """What we read of a Kafka record. `timestamp` is in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


Rows = Callable[[Record], bytes]
"""The NDJSON rows of a record; may be empty."""


class EventRow(msgspec.Struct, gc=False):
    """A row of table `events`; `body` is the event as it was sent, `partition` and `offset` tell where in Kafka."""

    case_id: str
    occurred_at: str
    event_id: str
    type: str
    channel: str | None
    customer_id: str | None
    team: str | None
    agent_id: str | None
    source: str | None
    body: str
    received_at: str
    partition: int
    offset: int


class Router:
    """Finds the table of a record and its rows."""

    def __init__(self, settings: Settings) -> None:
        plain: Mapping[str, str] = {
            settings.topic(Topic.OUTCOMES): "outcomes",
            settings.topic(Topic.CUSTOMERS): "cases",
            settings.topic(Topic.WATERMARKS): "watermarks",
            settings.topic(Topic.POLICIES): "policies",
        }
        rollups: Mapping[bytes | None, str] = {b"clock": "clock_slices", b"contact": "contact_slices"}
        self._plain = plain
        self._rollups = rollups
        self._rollups_topic = settings.topic(Topic.ROLLUPS)
        self._events_topic = settings.topic(Topic.EVENTS)

    @property
    def topics(self) -> list[str]:
        """The topics to subscribe to, by their full names."""
        return [*self._plain, self._rollups_topic, self._events_topic]

    def route(self, record: Record) -> tuple[str, bytes]:
        """Table and NDJSON of a record. Raises `ValueError` for a record that belongs to no table."""
        value = record.value or b""
        if record.topic == self._events_topic:
            return "events", event_rows(value, record.timestamp, record.partition, record.offset)
        if record.topic == self._rollups_topic:
            table = self._rollups.get(record.key)
            if table is None:
                raise ValueError(f"rollups have the key clock or contact, not {record.key!r}")
            return table, value
        return self._plain[record.topic], value


def event_rows(value: bytes, received_ms: int, partition: int = UNKNOWN_PARTITION, offset: int = -1) -> bytes:
    """The rows of the valid events among the lines of a record. Invalid ones are the worker's to dead-letter."""
    received_at = times.text(received_ms)
    rows = []
    for line in value.split(b"\n"):
        if not line or line.isspace():
            continue
        try:
            event = decode_event(line)
        except EventRejected:
            continue
        rows.append(
            EventRow(
                event.case_id or "",
                times.text(times.to_ms(event.occurred_at)),
                event.event_id,
                event.type,
                event.channel,
                event.customer_id,
                event.team,
                event.agent_id,
                event.source,
                line.decode(),
                received_at,
                partition,
                offset,
            )
        )
    return bytes(_encoder.encode_lines(rows))


_encoder = msgspec.json.Encoder()
