"""The whole read side as a user meets it: ClickHouse with a filled database, the API as a process, a browser."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from pydantic import SecretStr

from schemas.settings import Settings
from services.store.migrations import migrate
from tests.e2e.board import world
from tests.support.clickhouse import start_clickhouse

KEY = "board-key"
ROOT = Path(__file__).parents[3]

_PROGRAM = """
import sys
from schemas.settings import Settings
from services.api.app import create_app
from services.web.server import serve
serve(create_app(Settings(), loopback=sys.argv[2] == "loopback"), "127.0.0.1", int(sys.argv[1]))
"""


def eventually(check: Callable[[], Any], within_s: float = 60.0) -> Any:
    """The first truthy value of `check`, asked again until then."""
    end = time.monotonic() + within_s
    while True:
        with contextlib.suppress(httpx.TransportError):
            if found := check():
                return found
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@dataclass(slots=True)
class Operation:
    """A database whose watermarks keep up with the present while `beating` is set."""

    url: str
    client: Client
    beating: threading.Event = field(default_factory=threading.Event)

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        names = list(rows[0])
        values = [[row[name] for name in names] for row in rows]
        self.client.insert(table, values, names, settings={"insert_deduplicate": 0})


@dataclass(slots=True)
class Server:
    """The API as a process."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        answer = httpx.get(self.url + path, headers={"X-API-Key": KEY})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self) -> float:
        """SIGTERM; the seconds until it is gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        return time.monotonic() - began


@pytest.fixture(scope="session")
def clickhouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = start_clickhouse(tmp_path_factory.mktemp("board") / "clickhouse")
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def operation(clickhouse_url: str) -> Iterator[Operation]:
    migrate(Settings(clickhouse=SecretStr(clickhouse_url), api_key=SecretStr(KEY)))
    client = clickhouse_connect.get_client(dsn=clickhouse_url)
    made = Operation(clickhouse_url, client)
    world.fill(made.insert, time.time_ns() // 1_000_000, minutes=80, per_minute=10)
    made.beating.set()
    done = threading.Event()

    def beat() -> None:
        # A client serves one thread at a time.
        own = Operation(clickhouse_url, clickhouse_connect.get_client(dsn=clickhouse_url))
        while not done.wait(0.5):
            if made.beating.is_set():
                world.beat(own.insert, time.time_ns() // 1_000_000)
        own.client.close()

    beater = threading.Thread(target=beat)
    beater.start()
    yield made
    done.set()
    beater.join()
    client.close()


@contextlib.contextmanager
def _starting(operation: Operation) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def run(loopback: bool = True, port: int = 0) -> Server:
        if not port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        environment = os.environ | {"CONTACTPULSE_CLICKHOUSE": operation.url, "CONTACTPULSE_API_KEY": KEY}
        bound = "loopback" if loopback else "open"
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(port), bound], cwd=ROOT, env=environment)
        server = Server(f"http://127.0.0.1:{port}", process)
        started.append(server)
        eventually(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
        return server

    yield run
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture
def start(operation: Operation) -> Iterator[Callable[..., Server]]:
    """Starts API processes of the test's own: start(loopback=True, port=0)."""
    with _starting(operation) as run:
        yield run


@pytest.fixture(scope="session")
def server(operation: Operation) -> Iterator[Server]:
    """One API process for all tests that leave it alone."""
    with _starting(operation) as run:
        yield run()


@pytest.fixture(scope="module")  # its event loop runs in this thread: no longer than these tests
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("CI must look at the board: install chromium")
        pytest.skip("no chromium on this machine")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium, args=[*quiet, "--disable-component-update", "--disable-sync"]
        )
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, color_scheme="dark", locale="en-GB")
    context.set_default_timeout(30_000)
    yield context
    context.close()


@dataclass(slots=True)
class Screen:
    """A page and everything it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()


@pytest.fixture
def screen(context: BrowserContext) -> Screen:
    made = Screen(context.new_page())

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            made.complaints.append(message.text)

    made.page.on("console", heard)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("dialog", lambda dialog: made.complaints.append(f"dialog {dialog.message}"))
    return made
