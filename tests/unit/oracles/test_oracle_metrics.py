"""The naive oracle against examples worked by hand: the backlog, formulas, intervals, quantiles, windows.

How stories read: `stories`; how facts read: `telling`.
"""

from datetime import timedelta
from typing import Any

import pytest

from schemas.metrics import CATALOGUE
from tests.oracles.contract import Json
from tests.oracles.formulas import answers, mean_interval, nearest_rank, wilson
from tests.oracles.metrics import Reading, metrics, summary
from tests.unit.oracles.stories import events
from tests.unit.oracles.telling import HOUR, PLAIN, cases, instant


@pytest.mark.parametrize(
    ("story", "want"),
    [
        ("02 09:00 opened", "60 60"),
        ("02 09:00 opened; 02 09:20 queued; 02 09:30 queued", "60 40"),
        ("02 08:50 queued; 02 09:00 opened", "60 70"),
        ("02 09:00 opened; 02 10:01 queued", "60 60"),
        ("02 10:00 opened", "0 0"),
        ("02 10:00:00.001 opened", ""),
        ("02 08:50 customer", ""),
        ("02 08:50 resolved; 02 09:00 opened", "60 60"),
        ("02 09:00 opened; 02 09:10 connected", "60"),
        ("02 08:50 connected; 02 09:00 opened", "60"),
        ("02 09:00 opened; 02 10:00 agent", "60"),
        ("02 09:00 opened; 02 10:01 agent", "60 60"),
        ("02 08:50 agent; 02 09:00 opened; 02 09:10 bot", "60 60"),
        ("02 09:00 opened; 02 10:00 resolved", ""),
        ("02 09:00 opened; 02 10:01 resolved", "60 60"),
        ("02 09:00 opened; 02 09:10 closed; 02 09:20 opened", ""),
        ("02 09:00 opened; 02 09:10 abandoned", ""),
        ("02 09:00 opened; 02 09:10 abandoned; 02 09:20 reopened", "60 60"),
        ("02 09:00 opened; 02 09:10 agent; 02 09:15 resolved; 02 09:20 reopened", "60"),
        ("02 09:00 opened; 02 09:10 resolved; 02 09:20 reopened; 02 09:30 closed", ""),
        ("02 08:50 reopened", ""),
    ],
)
def test_what_is_open_at_ten_for_how_long_and_who_waits(story: str, want: str) -> None:
    reading = Reading(events(story), HOUR, instant("02 12:00"))
    minute = timedelta(minutes=1)
    found = [(case.age // minute, None if case.wait is None else case.wait // minute) for case in
             reading.open_at(instant("02 10:00"))]  # fmt: skip
    assert " ".join(str(n) for pair in found for n in pair if n is not None) == want


def test_metrics_of_the_backlog() -> None:
    told = cases("02 09:00 opened\n02 09:30 opened; 02 09:40 agent\n02 09:50 opened | channel=app; 02 10:30 resolved")
    found = metrics(told, HOUR, instant("02 12:00"), until=instant("02 10:00"))
    values = {id: answer[()].value for id, answer in found.items()}
    assert (values["backlog"], values["waiting"], values["oldest_waiting"]) == (3, 2, 3600)
    assert (values["backlog_age.mean"], values["backlog_age.p50"], values["backlog_age.p90"]) == (2000, 1800, 3600)
    now = metrics(told, HOUR, instant("02 12:00"), until=instant("03 12:00"), by=("channel",))
    assert {group: answer.value for group, answer in now["backlog"].items()} == {("chat",): 2, ("app",): 0}
    assert now["oldest_waiting"]["chat",].value == 3 * 3600


def test_five_service_levels_at_once() -> None:
    told: list[Json] = []
    for number, (many, wait, end) in enumerate(
        [(200, "20", "connected"), (100, "20.001", "connected"), (50, "05", "abandoned"), (20, "05.001", "abandoned"),
         (30, "20.001", "abandoned")]
    ):  # fmt: skip
        for n in range(many):
            told += events(f"02 09:00 opened; 02 09:00:{wait} {end}", f"{number}-{n}")
    found = summary(told, PLAIN, instant("02 10:00"))
    shares = {id: round(100 * (answer.value or 0), 2) for id, answer in found.items() if id.startswith("sl_")}
    assert shares == {
        "sl_answered": 66.67,
        "sl_all": 50.00,
        "sl_short_excluded": 57.14,
        "sl_abandon_met": 67.50,
        "sl_abandon_excluded": 60.61,
    }


@pytest.mark.parametrize(
    ("percent", "values", "want"),
    [
        (50, [], None),
        (50, [7], 7),
        (50, [1, 2], 1),
        (50, [3, 1, 2], 2),
        (90, range(1, 11), 9),
        (90, range(1, 12), 10),
        (95, range(1, 21), 19),
        (99, range(1, 101), 99),
        (99, range(1, 102), 100),
    ],
)
def test_a_quantile_is_the_value_of_its_rank(percent: int, values: Any, want: float | None) -> None:
    assert nearest_rank(values, percent) == want


@pytest.mark.parametrize(
    ("hits", "n", "want"),
    [
        (5, 10, (0.2366, 0.7634)),
        (0, 10, (0.0, 0.2775)),
        (10, 10, (0.7225, 1.0)),
        (0, 0, None),
        (3, 2, None),
        (-1, 2, None),
    ],
)
def test_wilsons_interval(hits: int, n: int, want: tuple[float, float] | None) -> None:
    assert wilson(hits, n) == (None if want is None else pytest.approx(want, abs=5e-5))


def test_the_interval_of_a_mean() -> None:
    # s = sqrt(2.5), 1.96 s / sqrt(5) = 1.3859
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((1.6141, 4.3859), abs=5e-5)
    assert mean_interval([3]) is None


def test_answers_of_customers() -> None:
    story = "; ".join(
        f"02 09:0{n} survey | csat.{csat} nps.{nps} ces.{ces}"
        for n, (csat, nps, ces) in enumerate([(1, 0, 2), (4, 6, 3), (5, 7, 3), (5, 9, 4), (5, 10, 7)])
    )
    found = summary(events(story), PLAIN, instant("02 10:00"))
    assert (found["csat_mean"].value, found["csat_pass_rate"].value, found["csi"].value) == (4.0, 0.8, 75.0)
    assert (found["nps"].value, found["nps"].numerator, found["nps"].n, found["ces_mean"].value) == (0.0, 0, 5, 3.8)
    low, high = found["csat_mean"].ci or (0, 0)
    assert found["csi"].ci == pytest.approx((25 * low - 25, 25 * high - 25))
    # Answers 1, 1, -1, -1, 0: s = 1.
    assert found["nps"].ci == pytest.approx((-87.652, 87.652), abs=5e-4)
    assert found["survey_response_rate"].value is None


def test_without_anything_there_is_no_value_but_counts_are_0() -> None:
    found = answers(())
    assert found.keys() == CATALOGUE.keys()
    assert {id for id, answer in found.items() if answer.value is not None} == {
        id for id, metric in CATALOGUE.items() if metric.unit == "count"
    }
    assert all(answer.n == 0 and answer.ci is None for answer in found.values())


def test_windows_groups_and_filters() -> None:
    told = cases(
        "02 09:00 opened | team=s; 02 09:10 resolved\n02 09:10 opened | team=t; 02 09:40 resolved\n"
        "02 09:20 opened | team=t channel=app"
    )
    reading = Reading(told, HOUR, instant("02 12:00"))
    window = reading.metrics(instant("02 09:10"), instant("02 09:40"), by=("team",))
    assert {group: a.value for group, a in window["contacts_opened"].items()} == {("s",): 0, ("t",): 2}
    assert {group: a.value for group, a in window["resolution_time.mean"].items()} == {("s",): 600, ("t",): None}
    assert reading.metrics(where={"channel": ["app", "web"]})["contacts_opened"][()].value == 1
    by_clock = reading.metrics(by=("clock",))
    assert by_clock.keys() == {"sla_compliance"}
    assert {group: (a.numerator, a.n) for group, a in by_clock["sla_compliance"].items()} == {("resolution",): (2, 3)}
