"""The hours of inserted slices are found in their bytes."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import times
from schemas.rollup import ClockSlice
from services.store.touches import Touches

_encoder = msgspec.json.Encoder()


def clock_slice(at_ms: int, team: str = "billing") -> bytes:
    """A line as workers write it."""
    dimensions = ("chat", team, None, None, None, None, None)
    return bytes(_encoder.encode(ClockSlice(times.text(at_ms), "first_response", *dimensions, 1, 0, 0, 1, 5)))


def touched(touches: Touches) -> list[tuple[str, str, int]]:
    rows = [msgspec.json.decode(row) for row in touches.rows()]
    return [(row["kind"], row["hour"], row["touches"]) for row in rows]


@given(st.lists(st.integers(min_value=0, max_value=4_000_000_000), max_size=40))
def test_each_hour_is_touched_once_a_flush(minutes: list[int]) -> None:
    touches = Touches()
    slices = [clock_slice(minute % 40_000_000 * 60_000) for minute in minutes]
    touches.note("clock_slices", b"\n".join(slices[::2]))
    touches.note("clock_slices", b"\n".join(slices[1::2]))
    hours = {datetime.fromtimestamp(m % 40_000_000 * 60, UTC).replace(minute=0).isoformat() for m in minutes}
    assert touched(touches) == [("clock", hour.replace("+00:00", ".000Z"), 1) for hour in sorted(hours)]


def test_kinds_are_told_apart_and_other_tables_have_no_slices() -> None:
    touches = Touches()
    for table in ("contact_slices", "clock_slices", "outcomes", "watermarks"):
        touches.note(table, clock_slice(0))
    assert touched(touches) == [("clock", "1970-01-01T00:00:00.000Z", 1), ("contact", "1970-01-01T00:00:00.000Z", 1)]


def test_a_name_that_looks_like_a_slice_touches_nothing() -> None:
    touches = Touches()
    touches.note("clock_slices", clock_slice(0, team='"slice":"2026-01-01T05:00:00.000Z"'))
    assert touched(touches) == [("clock", "1970-01-01T00:00:00.000Z", 1)]


@pytest.mark.parametrize("hour", [b"2026-02-31T05", b"2026-01-01T29", b"0000-01-01T00"])
def test_what_is_no_instant_is_left_out(hour: bytes) -> None:
    touches = Touches()
    touches.note("clock_slices", clock_slice(0).replace(b"1970-01-01T00", hour))
    assert touches.rows() == []


def test_what_is_told_is_forgotten() -> None:
    touches = Touches()
    touches.note("clock_slices", clock_slice(0))
    touches.forget()
    assert touches.rows() == []
