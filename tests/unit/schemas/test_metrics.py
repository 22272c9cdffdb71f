"""The metric catalogue by worked examples."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from schemas.metrics import CATALOGUE, Measure

MEASURES = {value for name, value in vars(Measure).items() if name.isupper()}

# The example by which the five conventions are usually explained: of 325 calls, 200 were answered within the limit and
# 100 later, 50 hung up at once, 20 within the limit, 30 later.
EXAMPLE = {
    Measure.CONNECTED: 300,
    Measure.CONNECTED_IN_LIMIT: 200,
    Measure.ABANDONED: 100,
    Measure.ABANDONED_IN_LIMIT: 70,
    Measure.ABANDONED_SHORT: 50,
}


@pytest.mark.parametrize(
    ("id", "percent"),
    [
        ("sl_answered", 66.67),
        ("sl_all", 50.00),
        ("sl_short_excluded", 57.14),
        ("sl_abandon_met", 67.50),
        ("sl_abandon_excluded", 60.61),
        ("abandonment_rate", 25.00),
    ],
)
def test_the_five_service_levels(id: str, percent: float) -> None:
    value = CATALOGUE[id].compute(EXAMPLE).value
    assert value is not None
    assert round(100 * value, 2) == percent


@pytest.mark.parametrize(
    ("id", "counts", "value", "n"),
    [
        ("contacts_opened", {"opened": 3}, 3, 3),
        ("contacts_opened", {}, 0, 0),
        ("asa", {"connected": 4, "connect_wait_ms": 50_000}, 12.5, 4),
        ("handle_time", {"handled": 2, "handle_ms": 361_500}, 180.75, 2),
        ("csat_mean", {"csat_answers": 4, "csat_sum": 17}, 4.25, 4),
        ("csi", {"csat_answers": 4, "csat_sum": 17}, 81.25, 4),
        ("csi", {"csat_answers": 1, "csat_sum": 1}, 0, 1),
        ("csi", {"csat_answers": 1, "csat_sum": 5}, 100, 1),
        ("nps", {"nps_answers": 10, "nps_promoters": 5, "nps_detractors": 3}, 20, 10),
        ("nps", {"nps_answers": 2, "nps_detractors": 2}, -100, 2),
        ("transfers_per_case", {"transfers": 16, "resolved": 5}, 3.2, 5),
        ("survey_response_rate", {"surveys": 1, "resolved": 4}, 0.25, 4),
    ],
)
def test_values(id: str, counts: dict[str, int], value: float, n: int) -> None:
    got = CATALOGUE[id].compute(counts)
    assert got.value == pytest.approx(value)
    assert got.n == n


@pytest.mark.parametrize("metric", [m for m in CATALOGUE.values() if m.denominator], ids=lambda m: m.id)
def test_no_denominator_no_value(metric: object) -> None:
    got = CATALOGUE[metric.id].compute({})  # type: ignore[attr-defined]
    assert (got.value, got.n, got.denominator) == (None, 0, 0)


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=lambda m: m.id)
def test_every_metric_is_whole(metric: object) -> None:
    entry = CATALOGUE[metric.id]  # type: ignore[attr-defined]
    assert entry.measures <= MEASURES
    assert entry.direction in {"up", "down", "none"}
    assert all(getattr(entry, f.name) for f in fields(entry) if f.name in ("en", "zh", "unit", "formula", "numerator"))


def test_the_engine_books_every_measure_that_metrics_read() -> None:
    rules = Path("streams/engine/measures.py").read_text("utf-8") + Path("streams/engine/slices.py").read_text("utf-8")
    booked = {getattr(Measure, name) for name in re.findall(r"\bM(?:easure)?\.([A-Z_]+)", rules)}
    assert {m for metric in CATALOGUE.values() for m in metric.measures} <= booked
