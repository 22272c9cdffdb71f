"""A ClickHouse that can be made to stand still: a proxy in front of the real one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Passes everything on, but for what holds `holding`: that waits until it is None again, and then gets lost."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._passes = threading.Event()
        self.holding: bytes | None = None
        self.held = threading.Event()
        """Something is held."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listening.getsockname()[1]
        return port

    @contextmanager
    def hold(self, text: bytes) -> Iterator[None]:
        """Holds requests with this text in them while the block runs."""
        self._passes.clear()
        self.held.clear()
        self.holding = text
        try:
            yield
        finally:
            self.holding = None
            self._passes.set()

    def close(self) -> None:
        """Takes no more connections."""
        self._passes.set()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.holding is not None and self.holding in data:
                    self.held.set()
                    self._passes.wait()
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
