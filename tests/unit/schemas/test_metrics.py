"""The metric catalogue by worked examples."""

import re
from pathlib import Path

import pytest

from schemas.metrics import ALIASES, CATALOGUE, Measure, Metric, Source, Sums, find_metric
from schemas.metrics.formula import Interval, wilson
from schemas.metrics.measures import DURATIONS, MEASURES

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
    value = CATALOGUE[id].compute(Sums(EXAMPLE)).value
    assert value is not None
    assert round(100 * value, 2) == percent


@pytest.mark.parametrize(
    ("id", "counts", "value", "n"),
    [
        ("contacts_opened", {"opened": 3}, 3, 3),
        ("contacts_opened", {}, 0, 0),
        ("asa", {"connected": 4, "connect_wait_ms": 50_000}, 12.5, 4),
        ("handle_time.mean", {"handled": 2, "handle_ms": 361_500}, 180.75, 2),
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
    got = CATALOGUE[id].compute(Sums(counts))
    assert got.value == pytest.approx(value)
    assert got.n == n


@pytest.mark.parametrize("metric", [m for m in CATALOGUE.values() if m.bottom], ids=lambda m: m.id)
def test_no_denominator_no_value(metric: Metric) -> None:
    got = metric.compute(Sums())
    assert (got.value, got.n, got.denominator, got.ci) == (None, 0, 0, None)


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=lambda m: m.id)
def test_every_metric_is_whole(metric: Metric) -> None:
    assert metric.measures <= set(MEASURES)
    assert set(metric.durations) <= set(DURATIONS)
    assert metric.direction in {"up", "down", "none"}
    assert metric.en
    assert metric.zh
    assert metric.unit
    assert metric.formula
    assert metric.symbols
    assert metric.source is Source.OPEN or metric.distinct or metric.top or metric.quantile is not None


def test_the_engine_books_every_measure_that_metrics_read() -> None:
    names = ("measures", "slices", "customers", "agents", "engine")
    rules = "".join(Path(f"streams/engine/{name}.py").read_text("utf-8") for name in names)
    booked = {getattr(Measure, name) for name in re.findall(r"\bM(?:easure)?\.([A-Z0-9_]+)", rules)}
    sums_of_durations = {f"{name}_ms" for name in DURATIONS}
    assert {m for metric in CATALOGUE.values() for m in metric.measures} <= booked | sums_of_durations


def test_clickhouse_has_a_column_for_every_measure_and_duration() -> None:
    ddl = Path("deploy/clickhouse/migrations/0004_metrics.sql").read_text("utf-8")
    for name in MEASURES:
        assert f"DEFAULT counts['{name}']" in ddl
    for name in DURATIONS:
        assert f"DEFAULT durations['{name}']" in ddl


def test_a_duration_alone_stands_for_its_mean() -> None:
    assert find_metric("handle_time") is CATALOGUE["handle_time.mean"]
    assert find_metric("handle_time.p90") is CATALOGUE["handle_time.p90"]
    assert find_metric("no_such") is None
    assert not ALIASES.keys() & CATALOGUE.keys()


@pytest.mark.parametrize(
    ("top", "n", "low", "high"),
    # Agresti and Coull (1998), and R's prop.test(correct = FALSE).
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval(top: int, n: int, low: float, high: float) -> None:
    assert wilson(top, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_no_interval_of_what_is_no_share() -> None:
    assert wilson(0, 0) is None
    assert wilson(7, 5) is None
    assert wilson(-1, 5) is None


def test_the_interval_of_a_mean() -> None:
    # 1, 2, 3, 4, 5: mean 3, s = 1.5811, 1.96 x s / sqrt(5) = 1.3859.
    counts = {"csat_answers": 5, "csat_sum": 15, "csat_squares": 55}
    assert CATALOGUE["csat_mean"].compute(Sums(counts)).ci == pytest.approx((1.6141, 4.3859), abs=1e-4)
    assert CATALOGUE["csi"].compute(Sums(counts)).ci == pytest.approx((15.35, 84.65), abs=1e-2)
    assert CATALOGUE["csat_mean"].compute(Sums({"csat_answers": 1, "csat_sum": 5, "csat_squares": 25})).ci is None


def test_the_interval_of_nps() -> None:
    # 5 promoters, 3 detractors, 2 neither: mean 0.2, s^2 = (8 - 10 x 0.04) / 9 = 0.8444.
    value = CATALOGUE["nps"].compute(Sums({"nps_answers": 10, "nps_promoters": 5, "nps_detractors": 3}))
    assert value.ci == pytest.approx((-36.96, 76.96), abs=0.01)


def test_metrics_of_the_backlog() -> None:
    def value(id: str, ages: list[int], waits: list[int]) -> tuple[float | None, int]:
        got = CATALOGUE[id].of_open(ages, waits)
        return got.value, got.n

    ages, waits = [60_000, 10_000, 30_000, 20_000], [5_000, 9_000]
    assert value("backlog", ages, waits) == (4, 4)
    assert value("waiting", ages, waits) == (2, 2)
    assert value("oldest_waiting", ages, waits) == (9, 2)
    assert value("backlog_age.mean", ages, waits) == (30, 4)
    assert value("backlog_age.p50", ages, waits) == (20, 4)
    assert value("backlog_age.p90", ages, waits) == (60, 4)
    assert value("backlog", [], []) == (0, 0)
    assert value("backlog_age.p50", [], []) == (None, 0)
    assert value("oldest_waiting", ages, []) == (None, 0)


def test_only_shares_of_a_whole_have_wilsons_interval() -> None:
    for metric in CATALOGUE.values():
        if metric.interval is Interval.SHARE:
            assert (metric.scale, metric.offset) == (1, 0)
