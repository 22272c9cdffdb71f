"""Metrics over HTTP: the catalogue's formulas over slices in ClickHouse."""

import random
from collections import Counter
from typing import Any

import pytest

from schemas.metrics import CATALOGUE
from schemas.rollup import DIMENSIONS
from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS, beat
from tests.integration.api.conftest import NOW, Api, Warehouse

MINUTE = NOW // MINUTE_MS * MINUTE_MS
MEASURES = sorted(set().union(*(metric.measures for metric in CATALOGUE.values())))
Row = dict[str, Any]


def test_an_empty_database_answers_without_value(api: Api) -> None:
    answer = api.get("/v1/metrics/asa")
    assert answer["rows"] == [
        {"value": None, "n": 0, "numerator": 0, "denominator": 0, "ci": None, "provisional": False}
    ]
    assert answer["freshness"] == {"stream_time": None, "behind_s": None, "late_share": None, "silent": []}
    assert api.get("/v1/metrics/contacts_opened")["rows"][0]["value"] == 0
    assert api.get("/v1/metrics/asa", by="team", step="1m")["rows"] == []


def _fill(warehouse: Warehouse) -> list[Row]:
    rng = random.Random(11)
    rows = []
    for minute in range(30):
        for partition in range(2):
            for channel, team in (("app", "a"), ("app", None), ("phone", "b")):
                about = dict.fromkeys(DIMENSIONS) | {"channel": channel, "team": team}
                about |= {"slice": from_ms(MINUTE - minute * MINUTE_MS), "partition": partition, "generation": 0}
                chosen = rng.sample(MEASURES, 30)
                rows.append(about | {"counts": {m: rng.randrange(1, 50) for m in chosen}, "version": 2})
    stale = [row | {"counts": {"opened": 10**9}, "version": 1} for row in rows[::3]]
    warehouse.insert("contact_slices", stale + rows)
    warehouse.insert("contact_slices", rows[::5])
    return rows


@pytest.mark.parametrize("by", [(), ("channel",), ("team", "channel")])
def test_every_metric_is_its_formula_over_summed_slices(api: Api, warehouse: Warehouse, by: tuple[str, ...]) -> None:
    rows = _fill(warehouse)
    start, end = MINUTE - 20 * MINUTE_MS, MINUTE - 3 * MINUTE_MS
    groups: dict[tuple[Any, ...], Counter[str]] = {}
    for row in rows:
        if from_ms(start) <= row["slice"] < from_ms(end):
            groups.setdefault(tuple(row[name] for name in by), Counter()).update(row["counts"])
    for metric in CATALOGUE.values():
        answer = api.get(f"/v1/metrics/{metric.id}", from_=text(start), to=text(end), by=",".join(by))
        assert (answer["id"], answer["unit"], answer["from"], answer["to"]) == (
            metric.id, metric.unit, text(start), text(end),
        )  # fmt: skip
        found = {tuple(row[name] for name in by): row for row in answer["rows"]}
        assert found.keys() == groups.keys()
        for group, counts in groups.items():
            want = metric.compute(counts)
            assert found[group]["value"] == pytest.approx(want.value)
            assert (found[group]["numerator"], found[group]["denominator"]) == (want.numerator, want.denominator)
            assert found[group]["n"] == want.n


def test_steps_are_dense_and_add_up(api: Api, warehouse: Warehouse) -> None:
    _fill(warehouse)
    range_ = {"from_": text(MINUTE - 40 * MINUTE_MS), "to": text(MINUTE + MINUTE_MS), "channel": "app"}
    whole = api.get("/v1/metrics/contacts_opened", by="team", **range_)["rows"]
    steps = api.get("/v1/metrics/contacts_opened", by="team", step="5m", **range_)["rows"]
    assert len(steps) == 2 * 9
    for row in whole:
        mine = [step for step in steps if step["team"] == row["team"]]
        assert mine[0]["value"] == 0
        assert mine[0]["t"] == range_["from_"]
        assert sum(step["value"] for step in mine) == row["value"]


def test_freshness_tells_how_far_the_slowest_partition_is_behind(api: Api, warehouse: Warehouse) -> None:
    beat(warehouse.insert, NOW - 7_000, partitions=1)
    beat(warehouse.insert, NOW, partitions=1)
    answer = api.get("/v1/metrics/asa")
    assert answer["as_of"] == text(NOW)
    assert answer["freshness"]["stream_time"] == text(NOW - 300)
    assert answer["freshness"]["behind_s"] == 0.3
