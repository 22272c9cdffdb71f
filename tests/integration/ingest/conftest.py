"""A door that really listens: uvicorn on a free port, in a thread of the test's process."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from services.ingest.publisher import BrokerAway
from services.web.server import listen
from tests.support.kafka import kafka

__all__ = ["eventually", "kafka", "serving"]

KEY = "the key"


class Held:
    """A publisher that keeps what it is given, and holds requests while `gate` is closed. With a reason in `away` it is
    one whose broker did not surely take the records."""

    missing: Sequence[str] = ()
    partitions = 4

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.waiting = 0
        self.away = ""
        self.gate = threading.Event()
        self.gate.set()

    async def publish(self, values: Mapping[int, Sequence[bytes]]) -> None:
        import asyncio

        self.waiting += 1
        await asyncio.to_thread(self.gate.wait, 10)
        self.waiting -= 1
        if self.away:
            raise BrokerAway(self.away)
        self.taken.extend(value for packed in values.values() for value in packed)

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the app, over a socket."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}, timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def eventually(holds: Callable[[], object], within_s: float = 20.0) -> None:
    """Waits until `holds()` is true."""
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "it did not become true in time"
        time.sleep(0.02)


@pytest.fixture
def held() -> Held:
    return Held()
