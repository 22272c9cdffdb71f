"""Requests that are refused before ClickHouse is asked, and what is said while it is away."""

import csv
import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from schemas.errors import InputError
from schemas.metrics import CATALOGUE
from schemas.settings import Settings
from services.api.app import create_app
from tests.unit.api.conftest import nowhere

RANGE = "from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:00Z"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("sla/compliance?window=15", "window"),
        ("sla/compliance?window=90s", "window"),
        ("sla/compliance?window=90000d", "window"),
        (f"sla/compliance?window=15m&{RANGE}", "window"),
        ("sla/compliance?from=2026-01-01T00:00:00Z", "to"),
        ("sla/compliance?to=2026-01-01T00:00:00Z", "from"),
        ("sla/compliance?from=2026-01-01T00:00:00&to=2026-01-02T00:00:00Z", "from"),
        ("sla/compliance?from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "to"),
        ("sla/compliance?from=0001-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", "from"),
        ("sla/compliance?by=team,shoe", "by"),
        ("sla/compliance?by=team,team", "by"),
        ("sla/compliance?chanel=app", "chanel"),
        ("sla/timeseries?step=0m", "step"),
        ("sla/timeseries?window=30d&step=1m", "step"),
        ("metrics/asa?clock=connect", "clock"),
        ("metrics/asa?step=90s", "step"),
        ("metrics/asa?from=2026-01-02T00:00:01Z&to=2026-01-03T00:00:00Z", "from, to"),
        ("cases/at-risk?within=soon", "within"),
        ("cases/at-risk?limit=0", "limit"),
        ("stream?queue=x", "queue"),
        ("sla/compliance?as_of=yesterday", "as_of"),
        ("sla/timeseries?as_of=2026-01-01T00:00:00", "as_of"),
        ("sla/compliance?as_of=2020-01-01T00:00:00Z", "as_of"),
        ("cases/c1?as_of=1", "as_of"),
        ("cases/c1?team=a", "team"),
        ("metrics/asa?as_of=2020-01-01T00:00:00Z", "as_of"),
        ("metrics/asa?by=clock", "by"),
        ("metrics/backlog?clock=connect", "clock"),
        ("metrics/asa?window=3661d", "window"),
        ("metrics/asa?from=2010-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("metrics/asa?window=30d&step=1m", "step"),
        ("callbacks?state=lost", "state.0"),
        ("callbacks?limit=0", "limit"),
        ("callbacks?clock=callback", "clock"),
        ("restatements?step=90s", "step"),
        ("restatements?window=91d", "window"),
        ("restatements?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", "from"),
        ("restatements?limit=10001", "limit"),
        ("waterfall?by=team,state", "by"),
        ("waterfall?by=holder&top=0", "top"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(client: TestClient, asked: str, named: str) -> None:
    answer = client.get(f"/v1/{asked}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(f"{named}: ")


def test_an_unknown_metric_is_not_found(client: TestClient) -> None:
    answer = client.get("/v1/metrics/happiness")
    assert answer.status_code == 404
    assert "happiness" in answer.json()["detail"]


@pytest.mark.parametrize(("asked", "meant"), [("first_responce_time", "first_response_time"), ("FCR", "fcr"),
                                              ("abandon", "abandonment_rate")])  # fmt: skip
def test_an_unknown_metric_names_those_that_may_be_meant(client: TestClient, asked: str, meant: str) -> None:
    assert meant in client.get(f"/v1/metrics/{asked}").json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        *("sla/compliance", "metrics/asa", "metrics/backlog", "cases/at-risk", "cases/c1", "restatements", "waterfall"),
        "callbacks",
    ],
)
def test_while_clickhouse_is_away_the_answer_is_503_and_tells_no_secret(client: TestClient, path: str) -> None:
    answer = client.get(f"/v1/{path}")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "ClickHouse does not answer"
    assert answer.headers["retry-after"] == "1"
    assert "hush" not in answer.text


def test_alive_but_not_ready_without_clickhouse(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == ["ClickHouse does not answer"]


def test_a_full_disk_is_named_where_the_product_keeps_its_data_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTPULSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("services.local.disk.free_bytes", lambda directory: (12 * 2**20, 2**40))
    with TestClient(nowhere()) as client:
        assert client.get("/readyz").json()["missing"] == ["ClickHouse does not answer"], "the data lie elsewhere"
        (tmp_path / "kafka").mkdir()
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == [f"disk: 12 MiB left in {tmp_path}", "ClickHouse does not answer"]
    assert f"disk: 12 MiB left in {tmp_path}; " in answer.json()["detail"]


def test_the_catalogue_needs_no_database(client: TestClient) -> None:
    found = {metric["id"]: metric for metric in client.get("/v1/metrics").json()["metrics"]}
    assert found["csat_mean"]["goal"] == 4.2
    mean = found["first_response_time.mean"]
    assert (mean["zh"], mean["aliases"]) == ("首次响应时间（均值）", ["first_response_time"])
    assert found["sl_short_excluded"]["denominator"] == ["connected", "abandoned", "-abandoned_short"]
    assert "clock" in found["sla_compliance"]["dimensions"] and "clock" not in found["asa"]["dimensions"]
    assert (found["backlog"]["source"], found["fcr"]["provisional"]) == ("open", True)
    assert found.keys() == CATALOGUE.keys()


def test_the_catalogue_as_csv_has_a_line_a_metric(client: TestClient) -> None:
    answer = client.get("/v1/metrics", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == list(CATALOGUE)
    assert rows[list(CATALOGUE).index("asa")]["numerator"] == "connect_wait_ms"


def test_it_does_not_start_without_a_key() -> None:
    with pytest.raises(InputError, match="CONTACTPULSE_API_KEY"):
        create_app(Settings(api_key=None), loopback=True)


def test_docs_describe_every_route_without_foreign_scripts(client: TestClient) -> None:
    page = client.get("/docs").text
    for path in ("/v1/sla/compliance", "/v1/cases/{case_id}", "/v1/restatements", "/v1/stream", "/readyz"):
        assert path in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
