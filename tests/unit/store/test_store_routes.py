"""Records find their tables; events become rows."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from schemas.settings import Settings
from services.store.routes import TABLES, Router, event_rows


@dataclass
class Record:
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_767_225_600_250


def rows_of(value: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in event_rows(value, 1_767_225_600_250).splitlines()]


@pytest.mark.parametrize(
    ("topic", "key", "table"),
    [
        ("contact.outcomes", b"any", "outcomes"),
        ("contact.outcomes", None, "outcomes"),
        ("contact.rollups", b"clock", "clock_slices"),
        ("contact.rollups", b"contact", "contact_slices"),
        ("contact.customers", b"c1", "cases"),
        ("contact.watermarks", b"0", "watermarks"),
    ],
)
def test_what_is_already_rows_passes_as_it_is(topic: str, key: bytes | None, table: str) -> None:
    router = Router(Settings(topic_prefix="x."))
    assert router.route(Record(f"x.{topic}", key, b'{"a":1}\n{"a":2}')) == (table, b'{"a":1}\n{"a":2}')
    assert table in TABLES


@pytest.mark.parametrize("key", [None, b"", b"clocks"])
def test_a_rollup_of_unknown_kind_is_refused(key: bytes | None) -> None:
    with pytest.raises(ValueError, match="clock or contact"):
        Router(Settings()).route(Record("contact.rollups", key, b"{}"))


def test_a_record_without_value_has_no_rows() -> None:
    assert Router(Settings()).route(Record("contact.outcomes", b"k", None)) == ("outcomes", b"")


def test_an_event_becomes_a_row_in_utc_and_keeps_what_was_sent() -> None:
    line = (
        '{"event_id":"e1","type":"contact.opened","occurred_at":"2026-01-01T08:00:00.1236+08:00","case_id":"c1",'
        '"channel":"chat","team":"售后","unknown":[1]}'
    ).encode()
    assert rows_of(line) == [
        {
            "case_id": "c1",
            "occurred_at": "2026-01-01T00:00:00.124Z",
            "event_id": "e1",
            "type": "contact.opened",
            "channel": "chat",
            "customer_id": None,
            "team": "售后",
            "agent_id": None,
            "source": None,
            "body": line.decode(),
            "received_at": "2026-01-01T00:00:00.250Z",
            "partition": 65535,
            "offset": -1,
        }
    ]


def test_an_event_tells_where_it_stood() -> None:
    event = (
        b'{"event_id":"e1","type":"contact.opened","occurred_at":"2026-01-01T00:00:00Z","case_id":"c","channel":"chat"}'
    )
    record = Record("contact.events", b"c", event + b"\n" + event.replace(b"e1", b"e2"), partition=3, offset=2**40)
    table, rows = Router(Settings()).route(record)
    assert table == "events"
    assert [
        (row["event_id"], row["partition"], row["offset"]) for row in map(msgspec.json.decode, rows.splitlines())
    ] == [
        ("e1", 3, 2**40),
        ("e2", 3, 2**40),
    ]


def test_slices_are_touched_after_they_are_in_and_before_the_watermark() -> None:
    assert TABLES.index("clock_slices") < TABLES.index("slice_touches") < TABLES.index("watermarks")
    assert TABLES.index("contact_slices") < TABLES.index("slice_touches")
    assert TABLES.index("cases") < TABLES.index("watermarks")


def test_events_without_a_case_are_kept_and_invalid_lines_left_out() -> None:
    lines = b"\n".join(
        [
            b'{"event_id":"e1","type":"agent.praised","occurred_at":"2026-01-01T00:00:00Z","agent_id":"a"}',
            b"not json",
            b"",
            b'{"event_id":"e2","type":"contact.closed","occurred_at":"2026-01-01T00:00:00Z"}',
            b'{"event_id":"e3","type":"contact.closed","occurred_at":"2026-01-01T00:00:00Z","case_id":"c"}\r',
        ]
    )
    assert [(row["event_id"], row["case_id"]) for row in rows_of(lines)] == [("e1", ""), ("e3", "c")]
