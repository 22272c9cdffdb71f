"""Metrics over contact slices, generically from the catalogue: sums first, formulas last."""

import math
from collections.abc import Mapping, Sequence

from schemas.metrics import Metric, MetricValue
from services.api.database import Questions, Row
from services.api.dimensions import Where, row_limit
from services.api.ranges import Range, Steps

_Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


async def sums(
    database: Questions, by: Sequence[str], where: Where, range_: Range, steps: Steps | None = None
) -> list[Row]:
    """Rows of the dimensions in `by`, `step` (an index, where steps are given) and `counts` by measure.

    The range and steps must be whole minutes.
    """
    keys = [*by]
    if steps:
        keys.append("intDiv(toUnixTimestamp64Milli(slice) - {from_ms:Int64}, {step_ms:Int64}) AS step")
    grouped = f" GROUP BY {', '.join(str(n) for n in range(1, len(keys) + 1))}" if keys else ""
    sql = (
        f"SELECT {', '.join([*keys, 'sumMap(counts) AS sums'])} FROM contact_slices FINAL"
        " WHERE slice >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')"
        " AND slice < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
        f" AND {where.sql}{grouped} LIMIT {row_limit(steps is not None)}"
    )
    parameters = {**where.parameters, "from_ms": range_.from_ms, "to_ms": range_.to_ms}
    if steps:
        parameters["step_ms"] = steps.step_ms
    return await database.rows(sql, parameters)


def stated(metric: Metric, counts: Mapping[str, int]) -> Row:
    """A metric over summed measures as answers carry it. Final always: slices state the present knowledge."""
    value = metric.compute(counts)
    return {
        "value": value.value,
        "n": value.n,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "ci": interval(metric, value),
        "provisional": False,
    }


def interval(metric: Metric, value: MetricValue) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a ratio; None for other units and where a ratio is no share of a whole.

    Ratios such as surveys to resolved cases can pass 1 in a short window: what is counted above belongs to cases
    counted below in an earlier one.
    """
    if metric.unit != "ratio" or not value.denominator or not 0 <= value.numerator <= value.denominator:
        return None
    n, share, z2 = value.denominator, value.numerator / value.denominator, _Z95**2
    centre = share + z2 / (2 * n)
    spread = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
