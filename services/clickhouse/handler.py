"""HTTP/1.1 on one connection."""

import re
import socket
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import structlog

from services.clickhouse.bodies import decoded, raw_chunks
from services.clickhouse.engine import Reading
from services.clickhouse.errors import UNKNOWN_EXCEPTION, QueryError
from services.clickhouse.forms import Form, is_form, read_form
from services.clickhouse.request import credentials, parse_url_query, read_request
from services.clickhouse.statements import Answer, answer

if TYPE_CHECKING:
    from services.clickhouse.listener import ClickHouseServer

log = structlog.get_logger(__name__)

_PLAIN = {"Content-Type": "text/plain; charset=UTF-8"}
_LINGER_S = 2.0
_ONE_SEND = 64 * 1024
_ASKS = re.compile(r"(?:^|&)query=")


class Handler(BaseHTTPRequestHandler):
    """Serves one client connection, request after request, in its own thread."""

    server: "ClickHouseServer"
    protocol_version = "HTTP/1.1"
    # Without this a small answer waits for the client's delayed acknowledgement: 44 ms instead of 5.
    disable_nagle_algorithm = True
    rbufsize = 256 * 1024

    def setup(self) -> None:
        """Bound the wait for the next request and for every read and write."""
        self._unread = False
        super().setup()
        self.connection.settimeout(self.server.limits.idle_s)

    def parse_request(self) -> bool:
        """As the base class; also notes whether a body follows that is still to be read."""
        good = super().parse_request()
        if good:
            self._unread = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        return good

    def do_GET(self) -> None:
        """/ping, / and queries that only read."""
        self._serve(may_write=False)

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self._serve(may_write=False)

    def do_POST(self) -> None:
        """Queries."""
        self._serve(may_write=True)

    def do_OPTIONS(self) -> None:
        """Which methods there are. No cross-origin access is granted."""
        self._send(Answer(204, {"Allow": "GET, HEAD, POST, OPTIONS"}, b""))

    def _serve(self, *, may_write: bool) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        if path in ("/ping", "/replicas_status"):
            self._send(Answer(200, _PLAIN, b"Ok.\n"))
        elif path != "/":
            text = f"There is no handle {path}\nUse / or /ping for health checks.\n"
            self._send(Answer(404, _PLAIN, text.encode(errors="replace")))
        elif not may_write and not _ASKS.search(url.query):
            self._send(Answer(200, _PLAIN, b"Ok.\n"))
        else:
            self._query(url.query, may_write)

    def _query(self, url_query: str, may_write: bool) -> None:
        query_id = ""
        try:
            values = parse_url_query(url_query)
            query_id = values.get("query_id", "")
            user = self.server.users.authenticate(*credentials(self.headers, values))
            body = self._body()
            form = Form()
            if is_form(self.headers):
                form = read_form(self.headers, b"".join(body))
                body = []
            request = read_request(self.headers, values | form.values, user, frozenset(form.files))
            query_id = request.query_id
            reading = Reading()
            with (
                self.server.active(),
                self.server.watch.watching(self.connection, lambda: self.server.engine.cancel(reading)),
            ):
                result = answer(
                    self.server.engine,
                    request,
                    body,
                    form.files,
                    self.headers.get("Accept-Encoding", ""),
                    reading=reading,
                    may_write=may_write,
                )
            self._send(result)
        except QueryError as error:
            log.warning("query_failed", code=error.code, name=error.name, error=error.message[:300], query_id=query_id)
            self._fail(error, query_id)
        except (EOFError, ConnectionError, TimeoutError):
            log.info("client_gone", query_id=query_id)
            self.close_connection = True
        except Exception:
            log.exception("request_failed", query_id=query_id)
            self._fail(QueryError(UNKNOWN_EXCEPTION, "The server failed to answer; its log says why"), query_id)

    def _body(self) -> list[bytes]:
        chunks = raw_chunks(
            self.rfile,
            self.headers.get("Content-Length"),
            self.headers.get("Transfer-Encoding", ""),
        )
        body = decoded(chunks, self.headers.get("Content-Encoding", ""), self.server.limits.body_bytes)
        self._unread = False
        return body

    def _fail(self, error: QueryError, query_id: str) -> None:
        headers = _PLAIN | {"X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": query_id}
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        self._send(Answer(error.status, headers, error.body(self.server.engine.version)))
        if self._unread:
            self._linger()

    def _send(self, result: Answer) -> None:
        # The rest of a body that nobody read would be read as the next request.
        closing = self.close_connection or self._unread or self.server.stopping
        lines = [f"HTTP/1.1 {result.status} {self.responses.get(HTTPStatus(result.status), ('',))[0]}"]
        lines += [f"{name}: {_one_line(value)}" for name, value in result.headers.items()]
        lines += [
            f"Date: {self.date_time_string()}",
            f"Content-Length: {len(result.body)}",
            "X-ClickHouse-Server-Display-Name: contactpulse",
            "Connection: close" if closing else f"Keep-Alive: timeout={int(self.server.limits.idle_s)}",
        ]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        self.close_connection = closing
        try:
            if self.command == "HEAD" or len(result.body) == 0:
                self.connection.sendall(head)
            elif len(result.body) < _ONE_SEND:
                self.connection.sendall(head + bytes(result.body))
            else:
                self.connection.sendall(head)
                self.connection.sendall(result.body)
        except OSError:
            # The client is gone; what it asked for is done all the same.
            self.close_connection = True

    def _linger(self) -> None:
        # A close with unread data resets the connection, and the client may lose the answer it has not read yet.
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_S)
            until = time.monotonic() + _LINGER_S
            while time.monotonic() < until and self.connection.recv(1 << 20):
                continue
        except OSError:
            return

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class answers to a malformed request."""
        self.close_connection = True
        self.command = self.command or ""
        self._send(Answer(code, _PLAIN, f"{message or explain or 'Bad request'}\n".encode()))

    def log_message(self, format: str, *args: Any) -> None:
        """No line a request: the log holds what went wrong."""


def _one_line(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")
