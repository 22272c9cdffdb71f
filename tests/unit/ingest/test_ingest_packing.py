"""Judging and packing: every good event is in exactly one record, in its case's partition; the rest is named."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.routing import partition_of
from services.ingest import packing
from services.ingest.limits import MAX_EVENT_BYTES, MAX_RECORD_BYTES

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


def raw(**fields: Any) -> bytes:
    event = {
        "event_id": "e1",
        "type": "message.agent",
        "occurred_at": "2026-01-31T08:59:00Z",
        "case_id": "c1",
        **fields,
    }
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


# The Java client's own test vectors for murmur2 (org.apache.kafka.common.utils.UtilsTest), as unsigned numbers.
@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
@pytest.mark.parametrize("partitions", [1, 4, 7, 1024])
def test_partitions_are_those_of_the_java_client(key: str, hashed: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


def test_events_go_by_case_else_agent_else_themselves() -> None:
    raws = [
        raw(case_id="kase-ü"),
        raw(type="agent.state", case_id=None, agent_id="a9", data={"state": "busy"}),
        raw(type="agent.praised", case_id=None, event_id="e3"),
    ]
    found = packing.sort(raws, 64, NOW)
    assert found.accepted == 3
    for key, line in zip(["kase-ü", "a9", "e3"], raws, strict=True):
        assert line in found.by_partition[partition_of(key, 64)]


@given(cases=st.lists(st.text("abc🎈", min_size=1, max_size=5), max_size=60), partitions=st.integers(1, 9))
def test_every_good_event_leaves_once_in_its_partition_and_in_order(cases: list[str], partitions: int) -> None:
    raws = [raw(event_id=f"e{at}", case_id=case) for at, case in enumerate(cases)]
    found = packing.sort(raws, partitions, NOW)
    for partition, lines in found.by_partition.items():
        values = packing.pack(lines)
        assert b"\n".join(values).split(b"\n") == lines
        assert lines == [line for line, case in zip(raws, cases, strict=True)
                         if partition_of(case, partitions) == partition]  # fmt: skip
    assert sum(map(len, found.by_partition.values())) == len(raws) == found.accepted


@given(sizes=st.lists(st.integers(1, 400_000) | st.just(MAX_EVENT_BYTES), max_size=12))
def test_records_stay_below_their_size_unless_one_event_is_larger(sizes: list[int]) -> None:
    lines = [b"x" * size for size in sizes]
    values = packing.pack(lines)
    assert b"\n".join(values) == b"\n".join(lines)
    for value in values:
        assert len(value) <= MAX_RECORD_BYTES or b"\n" not in value


def test_each_refusal_names_index_id_field_and_reason() -> None:
    raws = [raw(), raw(event_id="e2", type="contact.vanished"), raw(event_id="e3", case_id=None), b"{broken", raw()]
    found = packing.sort(raws, 4, NOW)
    assert found.accepted == 2
    assert [(one.index, one.event_id, one.field) for one in found.rejected] == [
        (1, "e2", "type"),
        (2, "e3", "case_id"),
        (3, None, ""),
    ]
    assert all(one.reason for one in found.rejected)


@pytest.mark.parametrize(
    ("ahead", "accepted", "counted"),
    [
        (timedelta(minutes=5), 1, 0),
        (timedelta(minutes=5, milliseconds=1), 1, 1),
        (timedelta(hours=1), 1, 1),
        (timedelta(hours=1, milliseconds=1), 0, 0),
    ],
)
def test_events_from_the_future_are_counted_and_beyond_an_hour_refused(
    ahead: timedelta, accepted: int, counted: int
) -> None:
    found = packing.sort([raw(occurred_at=(NOW + ahead).isoformat(timespec="milliseconds"))], 4, NOW)
    assert (found.accepted, found.ahead) == (accepted, counted)
    assert [one.field for one in found.rejected] == ["occurred_at"] * (1 - accepted)


def test_an_event_over_a_megabyte_is_refused_alone() -> None:
    found = packing.sort([raw(note="x" * MAX_EVENT_BYTES), raw()], 4, NOW)
    assert (found.accepted, [one.index for one in found.rejected]) == (1, [0])


def test_an_event_nested_without_end_is_refused_alone() -> None:
    deep = raw()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found = packing.sort([deep, raw()], 4, NOW)
    assert (found.accepted, [one.index for one in found.rejected]) == (1, [0])


def test_half_a_surrogate_pair_does_not_stop_the_request() -> None:
    found = packing.sort([raw(case_id="\ud83d"), raw()], 4, NOW)
    assert found.accepted + len(found.rejected) == 2
