"""A what-if ends with its client, at its time limit and with its process, and the next one is answered."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from schemas.settings import Settings
from schemas.times import from_ms, text
from services.api.app import create_app
from services.local.parts import http_ok
from services.local.ports import free_port
from services.store.clickhouse import INSERT_SETTINGS
from services.store.routes import event_rows
from tests.integration.api.conftest import KEY, NOW, Warehouse
from tests.integration.api.held import Proxy

POLICY = "version: 1\npolicies: [{name: all, clocks: {connect: {target: 15s}}}]\n"
QUESTION = {"policy": POLICY, "base": POLICY, "from": text(NOW - 3_600_000), "to": text(NOW)}
ANY_QUERY = b"SELECT"
A_PAGE = b"SELECT case_id"
"""How the query for the events of cases begins; the progress before it has been told by then."""


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    at = {"occurred_at": text(NOW - 60_000), "case_id": "c", "type": "contact.opened", "channel": "phone"}
    rows = event_rows(json.dumps(at | {"event_id": "e"}).encode(), NOW)
    warehouse.client.raw_insert("events", insert_block=rows, fmt="JSONEachRow", settings=INSERT_SETTINGS)
    told = {"partition": 0, "stream_time": from_ms(NOW), "position": 1, "open_cases": 1, "version": 1}
    warehouse.insert("watermarks", [told])
    return warehouse


@pytest.fixture
def proxy(filled: Warehouse) -> Iterator[Proxy]:
    made = Proxy(int(filled.settings.clickhouse.get_secret_value().rpartition(":")[2].partition("/")[0]))
    yield made
    made.close()


@pytest.fixture
def settings(filled: Warehouse, proxy: Proxy) -> Settings:
    """Those of an API whose ClickHouse can be held."""
    before, _, rest = filled.settings.clickhouse.get_secret_value().rpartition(":")
    url = f"{before}:{proxy.port}/{rest.partition('/')[2]}"
    return filled.settings.model_copy(update={"clickhouse": SecretStr(url)})


@pytest.fixture
def api_process(settings: Settings, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The API as it is run: process id and port."""
    port = free_port()
    env = os.environ | {
        "CONTACTPULSE_CLICKHOUSE": settings.clickhouse.get_secret_value(),
        "CONTACTPULSE_API_KEY": KEY,
    }
    command = [sys.executable, "-m", "services.cli", "api", "--port", str(port)]
    with (tmp_path / "api.log").open("w") as log, subprocess.Popen(command, env=env, stderr=log) as process:
        try:
            eventually(lambda: http_ok("127.0.0.1", port, "/healthz"))
            yield process.pid, port
        finally:
            process.terminate()


def eventually(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def jobs_of(pid: int) -> list[int]:
    """Processes that work on a what-if for a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            working = b"services.what_if.job" in (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and working:
            found.append(int(entry.name))
    return found


GONE_S = 15.0
"""Well before the process gives up a ClickHouse that does not answer, after 60 s."""


def begin(port: int, accept: str = "application/json") -> http.client.HTTPConnection:
    """Asks, and does not wait for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"X-API-Key": KEY, "Content-Type": "application/json", "Accept": accept}
    connection.request("POST", "/v1/what-if", json.dumps(QUESTION), headers)
    return connection


def answer(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_a_client_that_leaves_ends_the_work_and_the_next_is_answered(
    api_process: tuple[int, int], proxy: Proxy
) -> None:
    pid, port = api_process
    with proxy.hold(ANY_QUERY):
        leaving = begin(port)
        assert proxy.held.wait(60)
        assert answer(begin(port))[0] == 429 and len(jobs_of(pid)) == 1
        leaving.close()
        eventually(lambda: jobs_of(pid) == [], GONE_S)
    status, told = answer(begin(port))
    assert (status, told["cases"]) == (200, 1)


def test_a_client_that_leaves_the_event_stream_ends_the_work_too(api_process: tuple[int, int], proxy: Proxy) -> None:
    pid, port = api_process
    with proxy.hold(A_PAGE):
        leaving = begin(port, "text/event-stream")
        response = leaving.getresponse()
        assert response.readline() == b"event: progress\n"
        assert proxy.held.wait(60)
        assert len(jobs_of(pid)) == 1
        response.close()
        leaving.close()
        eventually(lambda: jobs_of(pid) == [], GONE_S)
    assert answer(begin(port))[0] == 200


@pytest.mark.parametrize("held", [ANY_QUERY, A_PAGE])
def test_at_its_time_limit_it_is_given_up_and_the_setting_named(settings: Settings, proxy: Proxy, held: bytes) -> None:
    app = create_app(settings.model_copy(update={"what_if_timeout_s": 5.0}), loopback=False, now=lambda: NOW)
    with TestClient(app) as client, proxy.hold(held):
        refused = client.post("/v1/what-if", json=QUESTION, headers={"X-API-Key": KEY})
        assert refused.status_code == 504 and refused.headers["content-type"] == "application/problem+json"
        assert "not done within 5 s (CONTACTPULSE_WHAT_IF_TIMEOUT_S)" in refused.json()["detail"]
        assert jobs_of(os.getpid()) == []
        again = client.post("/v1/what-if", json=QUESTION, headers={"X-API-Key": KEY})
        assert again.status_code == 504, "the place was free again"


def test_a_process_that_is_killed_frees_the_place(settings: Settings, proxy: Proxy) -> None:
    with (
        TestClient(create_app(settings, loopback=False, now=lambda: NOW)) as client,
        ThreadPoolExecutor(1) as asking,
    ):

        def ask() -> int:
            status: int = client.post("/v1/what-if", json=QUESTION, headers={"X-API-Key": KEY}).status_code
            return status

        with proxy.hold(ANY_QUERY):
            first = asking.submit(ask)
            assert proxy.held.wait(60)
            (job,) = jobs_of(os.getpid())
            os.kill(job, signal.SIGKILL)
            assert first.result(60) == 500
        assert ask() == 200
