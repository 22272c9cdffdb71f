"""Serving: a process ends promptly and cleanly, with open event streams too, and errors do not leak."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from schemas.errors import WorkFailed
from services.web import metrics, problems
from services.web.server import listen
from tests.integration.ingest.conftest import serving

APP = """
import asyncio, sys
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from schemas.settings import Settings
from services import logs
from services.web.server import serve

async def ticks():
    while True:
        yield b"data: tick\\n\\n"
        await asyncio.sleep(0.05)

app = FastAPI()
app.add_api_route("/stream", lambda: StreamingResponse(ticks(), media_type="text/event-stream"))
logs.configure(Settings(log_json=True), "test")
serve(app, "127.0.0.1", 0)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", APP], cwd=root, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_within_three_seconds_despite_an_open_stream(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert process.stderr is not None
    line = json.loads(process.stderr.readline())
    assert (line["event"], line["process"], line["level"]) == ("listening", "test", "info")
    with httpx.stream("GET", f"{line['url']}/stream") as stream:
        chunks = stream.iter_text()
        assert "tick" in next(chunks)
        began = time.monotonic()
        process.send_signal(number)
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 3
    assert "Traceback" not in process.stderr.read()


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkFailed, match=rf"127\.0\.0\.1:{port}.*[Aa]ddress"):
            listen("127.0.0.1", port)


def test_small_answers_are_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    nodelay: list[int] = []
    connection_made = AutoHTTPProtocol.connection_made

    def look(self: Any, transport: Any) -> None:
        nodelay.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        connection_made(self, transport)

    monkeypatch.setattr(AutoHTTPProtocol, "connection_made", look)
    app = FastAPI()
    app.add_api_route("/small", lambda: {"a": 1})
    with serving(app) as client:
        assert client.get("/small").json() == {"a": 1}
    assert nodelay and all(nodelay), "Nagle's delay is on: 44 ms an answer"


def test_bugs_and_invalid_requests_are_problems_that_leak_nothing() -> None:
    app = FastAPI()
    problems.install(app)
    metrics.install(app)

    def bug() -> None:
        raise RuntimeError("the password is hunter2")

    def number(within: int) -> int:
        return within

    app.add_api_route("/bug", bug)
    app.add_api_route("/number", number)
    with capture_logs() as logged, serving(app) as client:
        answer = client.get("/bug")
        assert (answer.status_code, answer.json()["title"]) == (500, "Internal Server Error")
        assert "hunter2" not in answer.text
        invalid = client.get("/number", params={"within": "x"})
        assert invalid.status_code == 422
        assert [(one["in"], one["field"]) for one in invalid.json()["errors"]] == [("query", "within")]
        counted = client.get("/metrics").text
        assert 'contactpulse_http_requests_total{method="GET",route="/bug",status="500"} 1.0' in counted
    assert [(one["event"], one["path"]) for one in logged] == [("unexpected error", "/bug")]
