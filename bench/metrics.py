"""How long the API takes to answer for metrics: `python -m bench.metrics`.

A rolling day over 1,000 series, and 30 days by day over ten million outcomes, each beside its peer: the same question
answered from one-minute slices only, and from the outcomes themselves. Real HTTP against the embedded ClickHouse; the
data are made inside it, and hours and days are rolled up by the store's own roller.
"""

import argparse
import gc
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from bench.metric_data import MINUTE_MS, day_of_series, month_of_outcomes, touched
from bench.what_if import clickhouse
from schemas.settings import Settings
from services.api.app import create_app
from services.local.ports import free_port
from services.logs import configure
from services.store.clickhouse import connect
from services.store.metrics import StoreMetrics
from services.store.migrations import migrate
from services.store.tiers import Roller

KEY = "bench"
DAY = {
    "a ratio": "/v1/metrics/sl_answered?window=24h",
    "a mean with interval": "/v1/metrics/resolution_time?window=24h",
    "a quantile": "/v1/metrics/resolution_time.p90?window=24h",
    "a ratio of each": "/v1/metrics/sl_answered?window=24h&by=agent_id",
    "a mean with interval of each": "/v1/metrics/resolution_time?window=24h&by=agent_id",
    "a quantile of each": "/v1/metrics/resolution_time.p90?window=24h&by=agent_id",
}
MONTH = {
    "compliance by day and clock": "/v1/sla/timeseries?window=30d&step=24h",
    "compliance by day": "/v1/metrics/sla_compliance?window=30d&step=24h",
    "resolution time, p90, by day": "/v1/metrics/resolution_time.p90?window=30d&step=24h",
    "backlog by day": "/v1/metrics/backlog?window=30d&step=24h",
}
COUNTED = """
SELECT clock, intDiv(toUnixTimestamp64Milli(assumeNotNull(ended_at)) - {from_ms:Int64}, 86400000) AS day,
    countIf(state = 'met') AS met, countIf(state = 'breached') AS breached
FROM outcomes FINAL
WHERE ended_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
GROUP BY clock, day
"""


class Figure(NamedTuple):
    """How long a question took, in ms, and its peer's median."""

    name: str
    p50: float
    p99: float
    peer: float


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--outcomes", type=int, default=10_000_000, help="0: only the rolling day")
    options.add_argument("--repeat", type=int, default=100)
    arguments = options.parse_args()
    configure(Settings(), "bench")  # standard output is for the figures
    with tempfile.TemporaryDirectory() as directory:
        print_figures(metric_latencies(Path(directory), arguments.outcomes, arguments.repeat))


def print_figures(figures: list[Figure]) -> None:
    """A table: the peer's median beside, as a multiple of ours."""
    print(f"{'':60} {'p50 ms':>8} {'p99 ms':>8} {'peer ms':>8}  x")
    for name, p50, p99, peer in figures:
        print(f"{name:60} {p50:8.1f} {p99:8.1f} {peer:8.1f}  {peer / p50:.1f}")


def metric_latencies(place: Path, outcomes: int = 10_000_000, repeat: int = 100) -> list[Figure]:
    """All figures."""
    now_ms = time.time_ns() // 1_000_000
    with clickhouse(place) as settings:
        figures = _day(settings, now_ms, repeat)
        return figures + (_month(settings, now_ms, outcomes, max(5, repeat // 5)) if outcomes else [])


def _day(settings: Settings, now_ms: int, repeat: int) -> list[Figure]:
    with tables(settings, "bench_day") as (mine, client), api(mine, now_ms) as get:
        day_of_series(client, now_ms)
        from_minutes = {
            name: (get(path)["rows"], measured(get, path, max(5, repeat // 10))) for name, path in DAY.items()
        }
        roll_up(mine, client)
        figures = []
        for name, path in DAY.items():
            rows, peer = from_minutes[name]
            same(get(path)["rows"], rows)
            took = measured(get, path, repeat)
            figures.append(figure(f"rolling 24 h over 1,000 series, {name}", took, peer))
        return figures


def _month(settings: Settings, now_ms: int, outcomes: int, repeat: int) -> list[Figure]:
    with tables(settings, "bench_month") as (mine, client), api(mine, now_ms) as get:
        month_of_outcomes(client, now_ms, outcomes)
        roll_up(mine, client)
        begin = (now_ms // MINUTE_MS + 1) * MINUTE_MS - 30 * 1440 * MINUTE_MS
        counted, peer = client.query(COUNTED, parameters={"from_ms": begin}).result_rows, []
        for _ in range(3):
            started = time.perf_counter()
            client.query(COUNTED, parameters={"from_ms": begin})
            peer.append((time.perf_counter() - started) * 1000)
        answer = get(MONTH["compliance by day and clock"])["rows"]
        found = sorted((row["clock"], row["met"], row["breached"]) for row in answer)
        assert found == sorted((clock, met, breached) for clock, _, met, breached in counted)
        return [
            figure(f"30 days over {outcomes / 1e6:g} million outcomes, {name}", measured(get, path, repeat), peer)
            for name, path in MONTH.items()
        ]


def same(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Raises where what is rolled up says something else than the minutes."""
    for row, other in zip(rows, others, strict=True):
        assert all(row[name] == other[name] for name in row if name != "ci"), (row, other)


def figure(name: str, took: list[float], peer: list[float]) -> Figure:
    """Median and 99th percentile beside the peer's median."""
    ordered = sorted(took)
    return Figure(
        name, statistics.median(took), ordered[min(len(took) - 1, len(took) * 99 // 100)], statistics.median(peer)
    )


def measured(get: Callable[[str], Any], path: str, repeat: int) -> list[float]:
    """How long each of so many questions took, in ms; the first two, which warm up, left out."""
    took = []
    for _ in range(repeat + 2):
        started = time.perf_counter()
        get(path)
        took.append((time.perf_counter() - started) * 1000)
    return took[2:]


def roll_up(settings: Settings, client: Client) -> None:
    """What the store does within a minute: all hours and days become level."""
    touched(client)
    roller = Roller(settings, StoreMetrics(), threading.Event())
    while roller.roll():
        pass


@contextmanager
def tables(settings: Settings, database: str) -> Iterator[tuple[Settings, Client]]:
    """A database of its own, without the histories: they are not asked here, and would double the time to fill it."""
    url = f"{settings.clickhouse.get_secret_value().rpartition('/')[0]}/{database}"
    mine = settings.model_copy(update={"clickhouse": SecretStr(url), "api_key": SecretStr(KEY)})
    migrate(mine)
    client = connect(mine)
    for kind in ("outcome", "contact_slice", "clock_slice", "case"):
        client.command(f"DROP VIEW {kind}_history_mv")
    yield mine, client
    client.command(f"DROP DATABASE {database}")
    client.close()


@contextmanager
def api(settings: Settings, now_ms: int) -> Iterator[Callable[[str], Any]]:
    """The API on a port; yields what asks it over one connection. Its present is `now_ms`."""
    port = free_port()
    app = create_app(settings, loopback=True, now=lambda: now_ms)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=600)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    gc.freeze()  # as the server of the product does
    connection = HTTPConnection("127.0.0.1", port)

    def get(path: str) -> Any:
        connection.request("GET", path, headers={"X-API-Key": KEY})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {body.decode()}")
        return json.loads(body)

    yield get
    connection.close()
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
