"""The server's connections."""

import http.client
import socket
from types import SimpleNamespace

import pytest

from services.clickhouse.config import Limits
from services.clickhouse.handler import Handler
from services.clickhouse.listener import ClickHouseServer
from services.clickhouse.users import Users


def test_small_answers_do_not_wait_for_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Nagle's algorithm an answer waits 40 ms for the client's delayed acknowledgement of the one before."""
    undelayed: list[int] = []
    answer = Handler.do_GET

    def look(handler: Handler) -> None:
        undelayed.append(handler.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        answer(handler)

    monkeypatch.setattr(Handler, "do_GET", look)
    with ClickHouseServer("127.0.0.1", 0, Users("p", "g"), Limits()) as server:
        server.open(SimpleNamespace(sessions=SimpleNamespace(expire=lambda: None)))  # type: ignore[arg-type]
        try:
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            for _ in range(2):
                client.request("GET", "/ping")
                assert client.getresponse().read() == b"Ok.\n"
            client.close()
        finally:
            server.shutdown()
            server.watch.stop()
    assert undelayed == [1, 1]
