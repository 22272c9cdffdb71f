"""The listening socket and the threads behind it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

import structlog

from schemas.errors import WorkFailed
from services.clickhouse.config import Limits
from services.clickhouse.engine import Engine
from services.clickhouse.errors import ABORTED, QueryError
from services.clickhouse.handler import Handler
from services.clickhouse.users import Users
from services.clickhouse.watch import DisconnectWatch

log = structlog.get_logger(__name__)

_CANCEL_S = 5.0


class ClickHouseServer(ThreadingHTTPServer):
    """A thread a connection: the engine works outside Python's lock, each statement on its own connection to it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    # On Linux this lets a restart take the port while old connections time out, and nobody share it.
    allow_reuse_address = True

    engine: Engine

    def __init__(self, host: str, port: int, users: Users, limits: Limits) -> None:
        """Bind; requests wait until `open` has given the engine. Raises WorkFailed where the address cannot be had."""
        self.users = users
        self.limits = limits
        self.watch = DisconnectWatch()
        self.stopping = False
        self._places = threading.BoundedSemaphore(limits.connections)
        self._running = 0
        self._idle = threading.Condition()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise WorkFailed(f"clickhouse: cannot listen on {host}:{port}: {error.strerror}") from error

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which may take seconds."""
        super(ThreadingHTTPServer, self).server_bind()

    def open(self, engine: Engine) -> None:
        """Serve from a thread of its own."""
        self.engine = engine
        self.watch.start(engine.sessions.expire)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="accept", daemon=True).start()

    def stop(self) -> None:
        """Take no more requests, end reads, wait for writes; after `limits.stop_s` those are ended too."""
        self.stopping = True
        self.shutdown()
        self.server_close()
        if not self._ended_within(self.limits.stop_s, self.engine.cancel_reads):
            log.warning("writes_cancelled", requests=self._running)
            self._ended_within(_CANCEL_S, self.engine.cancel_everything)
        self.watch.stop()

    def _ended_within(self, seconds: float, cancel: Callable[[], None]) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            cancel()
            with self._idle:
                if self._idle.wait_for(lambda: self._running == 0, 0.2):
                    return True
        return False

    @contextmanager
    def active(self) -> Iterator[None]:
        """A statement that runs, or waits to. Raises QueryError while stopping."""
        with self._idle:
            if self.stopping:
                raise QueryError(ABORTED, "The server is stopping")
            self._running += 1
        try:
            yield
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread, or close the connection where there are too many."""
        if not self._places.acquire(blocking=False):
            log.warning("too_many_connections", limit=self.limits.connections)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """A connection's whole life."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What escaped a handler: the client's end broke, or a bug; neither may stop the server."""
        log.exception("connection_failed")
