"""Mergeable quantiles: counts by logarithmic bucket, as in DDSketch (Masson, Rim, Lee: VLDB 2019, section 2).

Bucket i > 0 holds durations in (GAMMA^(i-2), GAMMA^(i-1)] ms and stands for the value that is at most ACCURACY away
from all of them; bucket 0 holds what took no whole millisecond. Adding up counts merges histograms without any loss,
and taking a contribution back is subtracting it.
"""

import math
from collections.abc import Mapping

ACCURACY = 0.01
"""The largest relative error of a quantile."""
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(GAMMA)

Histogram = Mapping[int, int]
"""Counts by bucket."""


def bucket_of(ms: int) -> int:
    """The bucket of a duration. Two years are bucket 1,246."""
    return 0 if ms < 1 else 1 + math.ceil(math.log(ms) / _LOG_GAMMA - 1e-9)


def value_of(bucket: int) -> float:
    """The duration in ms that a bucket stands for."""
    return 0.0 if bucket == 0 else 2 * GAMMA ** (bucket - 1) / (GAMMA + 1)


def quantile(histogram: Histogram, q: float) -> float | None:
    """The duration in ms that a share q of all does not exceed (nearest rank); None of nothing."""
    total = sum(histogram.values())
    if total <= 0:
        return None
    rank, seen = max(1, math.ceil(q * total - 1e-9)), 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return value_of(bucket)
    return value_of(max(histogram))


def variance(histogram: Histogram) -> float | None:
    """The sample variance in ms², as exact as the buckets are; None of fewer than two."""
    total = sum(histogram.values())
    if total < 2:
        return None
    mean = sum(n * value_of(bucket) for bucket, n in histogram.items()) / total
    return sum(n * (value_of(bucket) - mean) ** 2 for bucket, n in histogram.items()) / (total - 1)
