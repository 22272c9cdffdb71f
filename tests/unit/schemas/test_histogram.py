"""Histograms against exact quantiles, and their laws."""

import math
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.metrics.histogram import ACCURACY, bucket_of, quantile, value_of, variance

spans = st.lists(st.integers(min_value=0, max_value=400 * 86_400_000), min_size=1, max_size=60)


def exact(values: list[int], q: float) -> int:
    """Nearest rank, straight from the values."""
    return sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]


@given(spans, st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_as_exact_as_promised(values: list[int], q: float) -> None:
    found = quantile(Counter(map(bucket_of, values)), q)
    assert found == pytest.approx(exact(values, q), rel=ACCURACY * (1 + 1e-9))


@given(spans, spans)
def test_adding_up_is_merging_and_subtracting_takes_back(one: list[int], two: list[int]) -> None:
    a, b, both = (Counter(map(bucket_of, values)) for values in (one, two, one + two))
    assert a + b == both
    assert both - b == a


@given(st.integers(min_value=1, max_value=10**12))
def test_every_duration_is_near_what_its_bucket_stands_for(ms: int) -> None:
    assert value_of(bucket_of(ms)) == pytest.approx(ms, rel=ACCURACY * (1 + 1e-9))
    assert bucket_of(ms) <= bucket_of(ms + 1) <= 65_535


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({7: 0}, 0.5) is None
    assert variance({7: 1}) is None


def test_variance() -> None:
    values = [1_000, 2_000, 3_000, 4_000, 9_000]
    found = variance(Counter(map(bucket_of, values)))
    assert found is not None
    assert found == pytest.approx(statistics.variance(values), rel=0.03)
