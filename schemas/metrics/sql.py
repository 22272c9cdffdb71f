"""Formulas over slices in ClickHouse's SQL, for whoever asks it: the API, the boards."""

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.metrics.histogram import GAMMA
from schemas.metrics.measures import Measure

CLOCK_SUMS: Final[Mapping[str, str]] = {Measure.CLOCKS_MET: "met", Measure.CLOCKS_ENDED: "met + breached"}
"""What a metric over clocks counts, in columns of clock slices."""

_SLACK: Final = 1e-12


def exact_level(quantile: float) -> str:
    """The level to ask `quantileExact...` for. It takes the first value at which ceil(level x total) is reached, as
    nearest rank does; lowered by so much, rounding the product up can never pass the next whole number."""
    return repr(quantile - _SLACK)


def bucket_of_quantile(quantile: float, histograms: Sequence[str]) -> str:
    """The bucket that a quantile falls into, of histograms added up."""
    buckets, counts = (_joined(part, histograms) for part in ("mapKeys", "mapValues"))
    # A slice may take back what another generation counted: its negative count wraps round, and the sum comes right.
    return f"quantileExactWeightedArray({exact_level(quantile)})({buckets}, CAST({counts}, 'Array(UInt64)'))"


def value_of(bucket: str, name: str | None = None) -> str:
    """`schemas.metrics.histogram.value_of`, in ms. A bucket that takes long to say gets a `name` at its first use."""
    first, then = (bucket, bucket) if name is None else (f"({bucket} AS {name})", name)
    return f"if({first} = 0, 0., exp2(({then} - 1) * log2({GAMMA!r})) * 2 / ({GAMMA!r} + 1))"


def total(histograms: Sequence[str]) -> str:
    """How many values histograms hold."""
    return f"sum({' + '.join(f'arraySum(mapValues({histogram}))' for histogram in histograms)})"


def _joined(part: str, histograms: Sequence[str]) -> str:
    arrays = [f"{part}({histogram})" for histogram in histograms]
    return arrays[0] if len(arrays) == 1 else f"arrayConcat({', '.join(arrays)})"
