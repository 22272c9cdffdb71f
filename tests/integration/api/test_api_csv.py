"""Answers as CSV say what the JSON says."""

import csv
import io
from typing import Any

import pytest

from schemas.rollup import DIMENSIONS
from schemas.times import from_ms
from tests.e2e.board.world import MINUTE_MS, fill
from tests.integration.api.conftest import KEY, NOW, Api, Warehouse

WINDOW = {"window": "30m"}


def _csv(api: Api, path: str, accept: str = "text/csv", **asked: Any) -> list[dict[str, str]]:
    answer = api.client.get(path, params=asked, headers={"X-API-Key": KEY, "Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store" and answer.headers["vary"] == "Accept"
    text = answer.content.decode("utf-8")
    assert text.endswith("\r\n") and text.count("\r\n") == text.count("\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/sla/compliance", {"by": "channel,team"}),
        ("/v1/sla/timeseries", {"by": "channel", "step": "10m"}),
        ("/v1/metrics/complaint_rate", {"by": "team", "step": "10m"}),
        ("/v1/metrics/contacts_opened", {"by": "channel"}),
        ("/v1/metrics/backlog_age.p90", {"by": "channel"}),
        ("/v1/callbacks", {}),
    ],
)
def test_rows_are_those_of_the_json(api: Api, warehouse: Warehouse, path: str, asked: dict[str, str]) -> None:
    fill(warehouse.insert, NOW, per_minute=5)
    rows = api.get(path, **WINDOW, **asked)["rows"]
    found = _csv(api, path, **WINDOW, **asked)
    assert len(found) == len(rows) > 0
    for line, row in zip(found, rows, strict=True):
        interval = row.pop("ci", None)
        if path.startswith("/v1/metrics"):
            assert (line.pop("ci_low"), line.pop("ci_high")) == tuple(map(str, interval or ("", "")))
        assert list(line) == list(row)
        assert line == {name: str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
                        for name, value in row.items()}  # fmt: skip


def test_cells_cannot_be_formulas_and_quotes_come_back(api: Api, warehouse: Warehouse) -> None:
    about = dict.fromkeys(DIMENSIONS) | {
        "slice": from_ms(NOW // MINUTE_MS * MINUTE_MS),
        "partition": 0,
        "generation": 0,
    }
    teams = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'a "b", c', "行\r\n云", "", "fine-1"]
    warehouse.insert(
        "contact_slices", [about | {"team": team, "counts": {"opened": -2}, "version": 1} for team in teams]
    )
    found = {row["team"]: row for row in _csv(api, "/v1/metrics/contacts_opened", by="team")}
    assert set(found) == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", 'a "b", c', "行\r\n云", "", "fine-1"}
    assert found["fine-1"]["value"] == "-2"  # a number is none


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True),
        ("text/csv;q=0.9, application/json;q=0.1", True),
        ("Text/CSV; header=present, */*;q=0.1", True),
        ("*/*", False),
        ("application/json, text/csv;q=0.5", False),
        ("text/csv;q=0", False),
        ("text/csv;q=nonsense", False),
        ("text/html", False),
    ],
)
def test_csv_is_sent_to_who_would_rather_have_it(api: Api, accept: str, is_csv: bool) -> None:
    answer = api.client.get("/v1/metrics", headers={"X-API-Key": KEY, "Accept": accept})
    assert answer.headers["content-type"].startswith("text/csv") is is_csv
