"""Notices clients that go away while their statement runs."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

_EVERY_S = 0.25


class DisconnectWatch:
    """One thread that looks at the sockets of running statements several times a second."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[socket.socket, Callable[[], None]]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._housekeeping: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="disconnects", daemon=True)

    def start(self, *housekeeping: Callable[[], None]) -> None:
        """Begin to look; `housekeeping` is called about once a second beside it."""
        self._housekeeping = list(housekeeping)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    @contextmanager
    def watching(self, connection: socket.socket, gone: Callable[[], None]) -> Iterator[None]:
        """Call `gone` once, from the watching thread, if the other end closes `connection` meanwhile."""
        key = connection.fileno()
        with self._lock:
            self._watched[key] = (connection, gone)
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(key, None)

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(_EVERY_S):
            rounds += 1
            self._look()
            if rounds % 4 == 0:
                for work in self._housekeeping:
                    _safely(work)

    def _look(self) -> None:
        gone: list[Callable[[], None]] = []
        with self._lock:
            poll = select.poll()
            for key in self._watched:
                poll.register(key, select.POLLIN)
            for key, _ in poll.poll(0):
                connection, call = self._watched[key]
                if _is_closed(connection):
                    del self._watched[key]
                    gone.append(call)
        for call in gone:
            _safely(call)


def _safely(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        # The thread serves every connection: one failure must not end it.
        log.exception("housekeeping_failed")


def _is_closed(connection: socket.socket) -> bool:
    try:
        # Without waiting and without taking it: a client may have sent its next request already.
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
