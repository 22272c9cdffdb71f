"""Windows, ranges, steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import parse, text
from services.api.ranges import MAX_STEPS, MINUTE_MS, Range, Steps, duration, instant, to_range, to_steps
from services.web.problems import Problem

NOW = parse("2026-03-02T10:20:30.500Z")


@pytest.mark.parametrize(("written", "ms"), [("15s", 15_000), ("5m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000)])
def test_durations(written: str, ms: int) -> None:
    assert duration("within", written) == ms


def test_a_window_ends_with_the_current_minute() -> None:
    assert to_range("15m", None, None, now_ms=NOW).stated() == {
        "from": "2026-03-02T10:06:00.000Z",
        "to": "2026-03-02T10:21:00.000Z",
    }
    on_the_minute = parse("2026-03-02T10:20:00Z")
    assert text(to_range(None, None, None, now_ms=on_the_minute).to_ms) == "2026-03-02T10:21:00.000Z"


@given(st.integers(0, 10**13), st.integers(1, 10**7), st.integers(1000, 10**7))
def test_steps_cover_a_range_without_gap_or_overlap(start: int, length: int, step: int) -> None:
    steps = Steps(Range(start, start + length), step)
    ends = [*steps.starts[1:], start + length]
    assert len(steps.starts) == steps.count
    for index, (begin, end) in enumerate(zip(steps.starts, ends, strict=True)):
        assert 0 < end - begin <= step
        assert steps.index_of(begin) == steps.index_of(end - 1) == index
    assert steps.index_of(start - 1) is None
    assert steps.index_of(start + length) is None


def test_only_whole_minutes_are_made_of_slices() -> None:
    minute = Range(NOW // MINUTE_MS * MINUTE_MS, NOW // MINUTE_MS * MINUTE_MS + 5 * MINUTE_MS)
    assert minute.whole_minutes
    assert Steps(minute, MINUTE_MS).whole_minutes
    assert not Steps(minute, 90_000).whole_minutes
    assert not Range(minute.from_ms + 1, minute.to_ms).whole_minutes


def test_a_range_is_ten_years_at_most() -> None:
    with pytest.raises(Problem, match="window"):
        to_range("3661d", None, None, now_ms=NOW)
    with pytest.raises(Problem, match="ten years"):
        to_range(None, "2010-01-01T00:00:00Z", "2026-01-01T00:00:00Z", now_ms=NOW)
    assert to_range("3660d", None, None, now_ms=NOW)
    assert to_range(None, "2016-01-01T00:00:00Z", "2026-01-08T00:00:00Z", now_ms=NOW)
    with pytest.raises(Problem, match="ten years"):
        to_range(None, "2016-01-01T00:00:00Z", "2026-01-08T00:00:00.001Z", now_ms=NOW)


@pytest.mark.parametrize(
    ("window", "since", "until", "says"),
    [
        ("90s", None, None, "window: windows are whole minutes"),
        ("15m", "2026-03-02T00:00:00Z", "2026-03-02T01:00:00Z", "window: give either"),
        (None, "2026-03-02T00:00:00Z", None, "to: from and to"),
        (None, None, "2026-03-02T00:00:00Z", "from: from and to"),
        (None, "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "to: must be later"),
        (None, "1969-12-31T23:59:59.999Z", "2026-03-02T00:00:00Z", "from: the year"),
        (None, "2026-03-02T00:00:00Z", "2299-01-01T00:00:00Z", "to: the year"),
        ("0m", None, None, "window: '0m' is not a duration"),
        ("15", None, None, "window: '15' is not a duration"),
    ],
)
def test_a_range_that_makes_no_sense_names_the_parameter(
    window: str | None, since: str | None, until: str | None, says: str
) -> None:
    with pytest.raises(Problem) as refused:
        to_range(window, since, until, now_ms=NOW)
    assert refused.value.detail.startswith(says)


def test_the_edges_of_what_can_be_asked() -> None:
    assert instant("to", "1970-01-01T00:00:00Z") == 0
    assert text(instant("to", "2298-12-31T23:59:59.999Z")) == "2298-12-31T23:59:59.999Z"
    assert instant("from", "2026-03-02T18:20:30.500 08:00") == NOW, "a plus that was not encoded"
    millisecond = to_range(None, "2026-03-02T00:00:00Z", "2026-03-02T00:00:00.001Z", now_ms=NOW)
    assert millisecond.to_ms - millisecond.from_ms == 1
    assert to_range("3m", None, None, now_ms=2 * MINUTE_MS) == Range(0, 3 * MINUTE_MS)
    with pytest.raises(Problem, match="before 1970"):
        to_range("4m", None, None, now_ms=2 * MINUTE_MS)


def test_steps_are_bounded() -> None:
    assert to_steps(Range(0, MAX_STEPS * 1_000), "1s").count == MAX_STEPS
    with pytest.raises(Problem, match="step: gives 11,001 steps"):
        to_steps(Range(0, MAX_STEPS * 1_000 + 1), "1s")
