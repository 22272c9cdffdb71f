"""Windows, ranges, steps, and the interval of a ratio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.metrics import CATALOGUE
from schemas.times import parse, text
from services.api.metric_queries import interval, stated
from services.api.ranges import MINUTE_MS, Range, Steps, duration, to_range

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


def test_wilson_interval_of_a_known_case() -> None:
    metric = CATALOGUE["complaint_rate"]
    found = interval(metric, metric.compute({"complaints": 10, "opened": 100}))
    # Newcombe (1998), and any table of Wilson's score interval: 10 of 100.
    assert found == pytest.approx((0.0552, 0.1744), abs=1e-4)


def test_no_interval_where_there_is_no_share_of_a_whole() -> None:
    surveys = CATALOGUE["survey_response_rate"]
    assert interval(surveys, surveys.compute({"surveys": 5, "resolved": 3})) is None
    assert interval(surveys, surveys.compute({})) is None
    mean = CATALOGUE["csat_mean"]
    assert interval(mean, mean.compute({"csat_sum": 9, "csat_answers": 2})) is None


def test_a_metric_without_denominator_has_no_value() -> None:
    assert stated(CATALOGUE["asa"], {}) == {
        "value": None, "n": 0, "numerator": 0, "denominator": 0, "ci": None, "provisional": False,
    }  # fmt: skip
