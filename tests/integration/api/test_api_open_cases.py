"""The backlog, its age and who waits, against a plain reading of when each case was open."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.metrics import CATALOGUE, Metric, MetricValue, Source
from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS, case
from tests.integration.api.conftest import NOW, Api, Warehouse
from tests.integration.api.test_api_metrics import says

Row = dict[str, Any]
OPEN = [metric for metric in CATALOGUE.values() if metric.source is Source.OPEN]


def random_cases(rng: random.Random, count: int) -> list[Row]:
    """Cases as the stream told them: opened, connected, resolved, reopened, in several versions; some withdrawn."""
    rows = []
    for number in range(count):
        opened = NOW - rng.choice((0, 1, rng.randrange(200 * MINUTE_MS), rng.randrange(200) * MINUTE_MS + 30_500))
        at, instants = opened, []
        for _ in range(rng.randrange(5)):
            at += rng.randrange(1, 60 * MINUTE_MS)
            instants.append(at)
        queued, connected, answered = (
            opened + rng.randrange(30 * MINUTE_MS) if rng.random() < share else None for share in (0.7, 0.5, 0.4)
        )
        spans = [opened, *instants]
        for version in range(1, rng.choice((2, 2, 3))):
            told = spans if version == 1 else spans[: rng.randrange(1, len(spans) + 1)]
            rows.append(
                case(
                    case_id=f"case {number}", channel=rng.choice(("app", "phone", None)), team=rng.choice(("a", "b")),
                    opened_ms=opened, queued_ms=queued, connected_ms=connected, answered_ms=answered,
                    opens=[from_ms(ms) for ms in told[::2]], ends=[from_ms(ms) for ms in told[1::2]],
                    version=version, told_ms=max(opened, min(told[-1], NOW)), withdrawn=int(rng.random() < 0.05),
                )
            )  # fmt: skip
    return rows


def state(metric: Metric, rows: Sequence[Row], at: int) -> MetricValue:
    """The metric at an instant over the newest rows."""
    ages, waits = [], []
    for row in {row["case_id"]: row for row in sorted(rows, key=lambda row: row["version"])}.values():
        ends = [*map(_ms, row["ends"]), 2**60]
        if row["withdrawn"] or not any(_ms(begun) <= at < ends[place] for place, begun in enumerate(row["opens"])):
            continue
        ages.append(at - _ms(row["opened_at"]))
        if all(row[name] is None or _ms(row[name]) > at for name in ("connected_at", "answered_at")):
            queued = row["queued_at"] and _ms(row["queued_at"])
            waits.append(at - (queued if queued and queued <= at else _ms(row["opened_at"])))
    return metric.of_open(ages, waits)


def _ms(moment: Any) -> int:
    return round(moment.timestamp() * 1000)


@pytest.fixture
def cases(warehouse: Warehouse) -> list[Row]:
    rows = random_cases(random.Random(4), 400)
    for part in range(4):
        warehouse.insert("cases", rows[part::4])
    return rows


@pytest.mark.parametrize("metric", OPEN, ids=lambda metric: metric.id)
def test_the_present_is_what_is_open_now(api: Api, cases: list[Row], metric: Metric) -> None:
    [row] = api.get(f"/v1/metrics/{metric.id}")["rows"]
    says(row, state(metric, cases, NOW))
    newest = {row["case_id"]: row for row in sorted(cases, key=lambda row: row["version"])}.values()
    for row in api.get(f"/v1/metrics/{metric.id}", by="channel,team", channel=["app", ""])["rows"]:
        mine = [one for one in newest if (one["channel"], one["team"]) == (row["channel"], row["team"])]
        says(row, state(metric, mine, NOW))
        assert row["channel"] in ("app", None)


@pytest.mark.parametrize("metric", OPEN, ids=lambda metric: metric.id)
@pytest.mark.parametrize("step", ["1m", "7m", "1h"])
def test_a_step_is_about_its_end(api: Api, cases: list[Row], metric: Metric, step: str) -> None:
    length = {"1m": 1, "7m": 7, "1h": 60}[step] * MINUTE_MS
    end = NOW // MINUTE_MS * MINUTE_MS + 3 * MINUTE_MS
    start = end - 150 * MINUTE_MS
    for by in ("", "team"):
        rows = api.get(f"/v1/metrics/{metric.id}", from_=text(start), to=text(end), step=step, by=by)["rows"]
        for team in ("a", "b") if by else (None,):
            mine = [row for row in rows if row.get("team") == team]
            newest = {row["case_id"]: row for row in sorted(cases, key=lambda row: row["version"])}.values()
            of_team = [row for row in newest if team in (None, row["team"])]
            for row, at in zip(mine, range(start, end, length), strict=True):
                assert row["t"] == text(at)
                if at > NOW:
                    assert (row["n"], row["ci"]) == (0, None)
                else:
                    says(row, state(metric, of_team, min(at + length, end, NOW)))


def test_a_case_whose_end_lies_ahead_is_still_open(api: Api, warehouse: Warehouse) -> None:
    begun = NOW - 5 * MINUTE_MS
    about = {"opened_ms": begun, "opens": [from_ms(begun)], "ends": [from_ms(NOW + MINUTE_MS)], "told_ms": NOW - 1_000}
    warehouse.insert("cases", [case(**about)])
    assert api.get("/v1/metrics/backlog")["rows"][0]["value"] == 1
    api.now_ms += MINUTE_MS
    assert api.get("/v1/metrics/backlog")["rows"][0]["value"] == 0


def test_the_range_plays_no_role_but_is_stated(api: Api, cases: list[Row]) -> None:
    long_ago = api.get("/v1/metrics/backlog", from_="2020-01-01T00:00:00Z", to="2020-01-02T00:00:00Z")
    assert long_ago["to"] == "2020-01-02T00:00:00.000Z"
    assert long_ago["rows"] == api.get("/v1/metrics/backlog")["rows"]
