"""The HTTP interface itself, as curl and other clients speak it."""

import base64
import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.support.clickhouse import GRAFANA_PASSWORD, PASSWORD, ClickHouseHandle
from tests.support.clickhouse_server import BODY_BYTES

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]


class Http:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(self, method: str, body: object = None, headers: Headers | None = None, **params: str) -> Answer:
        """Send a request as the full user unless the headers or parameters say who asks."""
        given = dict(headers or {})
        if not any(name in given for name in ("Authorization", "X-ClickHouse-User")) and "user" not in params:
            given["Authorization"] = basic("default", PASSWORD)
        self.connection.request(method, f"/?{urlencode(params, errors='surrogateescape')}", body, given)  # type: ignore[arg-type]
        response = self.connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def web(embedded: ClickHouseHandle) -> Iterator[Http]:
    """A connection to the embedded server."""
    http_ = Http(embedded.port)
    yield http_
    http_.connection.close()


def test_ping_and_root_need_no_password(web: Http) -> None:
    for path in ("/ping", "/"):
        web.connection.request("GET", path)
        response = web.connection.getresponse()
        assert (response.status, response.read()) == (200, b"Ok.\n")


def test_head_options_and_unknown_paths(web: Http) -> None:
    web.connection.request("HEAD", "/ping")
    response = web.connection.getresponse()
    assert (response.status, response.read(), response.headers["Content-Length"]) == (200, b"", "4")
    web.connection.request("OPTIONS", "/")
    response = web.connection.getresponse()
    assert (response.status, response.read()) == (204, b"")
    assert "POST" in response.headers["Allow"]
    assert "Access-Control-Allow-Origin" not in response.headers
    web.connection.request("GET", "/nothing/here")
    assert web.connection.getresponse().status == 404


@pytest.mark.parametrize(
    ("headers", "params", "status"),
    [
        ({"Authorization": basic("default", PASSWORD)}, {}, 200),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD}, {}, 200),
        ({}, {"user": "grafana", "password": GRAFANA_PASSWORD}, 200),
        ({"Authorization": basic("default", "wrong")}, {}, 403),
        ({"Authorization": "Basic %%%"}, {}, 401),
        ({"Authorization": "Bearer abc"}, {}, 401),
        ({"X-ClickHouse-User": "default"}, {}, 403),
        ({}, {"user": "default"}, 403),
    ],
)
def test_the_three_ways_to_say_who_asks(web: Http, headers: Headers, params: Headers, status: int) -> None:
    found, answer, body = web.ask("POST", "SELECT 1", headers, **params)
    assert found == status
    assert (body == b"1\n") == (status == 200)
    assert ("X-ClickHouse-Exception-Code" in answer) == (status != 200)


def test_no_credentials_at_all(web: Http) -> None:
    web.connection.request("POST", "/", "SELECT 1")
    response = web.connection.getresponse()
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")


def test_formats_by_header_parameter_and_clause(web: Http) -> None:
    for headers, params, query in (
        ({"X-ClickHouse-Format": "JSONEachRow"}, {}, "SELECT 1 AS a"),
        ({}, {"default_format": "JSONEachRow"}, "SELECT 1 AS a"),
        ({}, {"default_format": "CSV"}, "SELECT 1 AS a FORMAT JSONEachRow"),
    ):
        status, answer, body = web.ask("POST", query, headers, **params)
        assert (status, body, answer["X-ClickHouse-Format"]) == (200, b'{"a":1}\n', "JSONEachRow")
        assert answer["X-ClickHouse-Timezone"] == "UTC"


def test_query_in_the_url_and_data_in_the_body(web: Http) -> None:
    web.ask("POST", "CREATE TABLE IF NOT EXISTS h (a Int32) ENGINE = Memory", database="contactpulse")
    params = {"database": "contactpulse", "query": "INSERT INTO h FORMAT CSV"}
    status, answer, _ = web.ask("POST", b"1\n2\n", **params)
    assert status == 200
    assert json.loads(answer["X-ClickHouse-Summary"])["written_rows"] == "2"
    web.ask("POST", iter([b"3\n", b"4\n"]), **params)
    web.ask("POST", gzip.compress(b"5\n") + gzip.compress(b"6\n"), {"Content-Encoding": "gzip"}, **params)
    web.ask("POST", b"(7), (8)", database="contactpulse", query="INSERT INTO h VALUES")
    web.ask("POST", b"\n9\n", database="contactpulse", query="INSERT INTO {t:Identifier} FORMAT CSV", param_t="h")
    assert web.ask("POST", "FROM h", database="contactpulse", query="SELECT sum(a)")[2] == b"45\n"
    web.ask("POST", "DROP TABLE h", database="contactpulse")


def test_a_statement_in_tiny_chunks_with_binary_data(web: Http) -> None:
    web.ask("POST", "CREATE TABLE IF NOT EXISTS b (a String) ENGINE = Memory", database="contactpulse")
    body = b"INSERT INTO b FORMAT RowBinary\n" + b"\x05\x00\xff';\n" * 3
    status, answer, _ = web.ask("POST", (body[i : i + 1] for i in range(len(body))), database="contactpulse")
    assert (status, json.loads(answer["X-ClickHouse-Summary"])["written_rows"]) == (200, "3")
    assert web.ask("POST", "SELECT DISTINCT hex(a) FROM b", database="contactpulse")[2] == b"00FF273B0A\n"
    web.ask("POST", "DROP TABLE b", database="contactpulse")


def test_a_client_may_wait_for_100_continue(embedded: ClickHouseHandle) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('default', PASSWORD)}\r\n"
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=10) as raw:
        raw.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 8\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 100")
        raw.sendall(b"SELECT 1")
        assert raw.recv(65536).endswith(b"\r\n\r\n1\n")


def test_get_only_reads(web: Http) -> None:
    assert web.ask("GET", query="SELECT 1")[2] == b"1\n"
    status, answer, _ = web.ask("GET", query="CREATE DATABASE never")
    assert (status, answer["X-ClickHouse-Exception-Code"]) == (500, "164")
    status, answer, body = web.ask("HEAD", query="SELECT 1")
    assert (status, body, answer["Content-Length"]) == (200, b"", "2")


def test_query_id_is_told_back(web: Http) -> None:
    assert web.ask("POST", "SELECT 1", query_id="mine")[1]["X-ClickHouse-Query-Id"] == "mine"
    assert web.ask("POST", "SELEC", query_id="mine\r\nX-Evil: 1")[1].get("X-Evil") is None
    assert web.ask("POST", "SELECT 1")[1]["X-ClickHouse-Query-Id"]


def test_answers_are_compressed_only_where_asked(web: Http) -> None:
    query = "SELECT repeat('x', 100000)"
    accept = {"Accept-Encoding": "br, gzip;q=0.9"}
    status, answer, body = web.ask("POST", query, accept, enable_http_compression="1")
    assert (status, answer["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == b"x" * 100_000 + b"\n"
    assert "Content-Encoding" not in web.ask("POST", query, accept)[1]


def test_errors_say_code_status_and_name(web: Http) -> None:
    status, answer, body = web.ask("POST", "SELECT * FROM nowhere")
    assert (status, answer["X-ClickHouse-Exception-Code"]) == (404, "60")
    assert body.startswith(b"Code: 60. DB::Exception: ")
    assert b"(UNKNOWN_TABLE) (version " in body
    assert web.ask("POST", "SELECT 1", database="nowhere")[0] == 404
    assert web.ask("POST", "")[0] == 400
    assert web.ask("POST", "SELECT {p:String}", param_p="\udcff")[0] == 400
    assert web.ask("POST", b"SELECT '\xff'")[2] == b"\xff\n"
    assert web.ask("POST", "SELECT 1", nonsense="1")[0] == 404
    assert web.ask("POST", "SELECT 1", **{"max_threads = 1, readonly": "1"})[0] == 400


def test_block_compression_is_refused_in_so_many_words(web: Http) -> None:
    status, _, body = web.ask("POST", "SELECT 1", compress="1")
    assert status == 501
    assert b"compress=1" in body
    assert web.ask("POST", b"..", decompress="1")[0] == 501
    assert web.ask("POST", b"..", {"Content-Encoding": "snappy"})[0] == 501


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_over_the_limit_is_refused(web: Http, compressed: bool) -> None:
    data = b"x" * (BODY_BYTES + 1)
    body, headers = (gzip.compress(data, 1), {"Content-Encoding": "gzip"}) if compressed else (data, {})
    status, answer, text = web.ask("POST", body, headers, query="INSERT INTO t FORMAT CSV")
    assert (status, answer["X-ClickHouse-Exception-Code"]) == (413, "229")
    assert str(BODY_BYTES).encode() in text
    web.connection.close()
    assert web.ask("POST", "SELECT 1")[2] == b"1\n"


def test_sessions_end_and_are_checked(web: Http) -> None:
    assert web.ask("POST", "SELECT 1", session_id="s1", session_check="1")[1]["X-ClickHouse-Exception-Code"] == "372"
    web.ask("POST", "SET max_block_size = 77", session_id="s1")
    assert web.ask("POST", "SELECT getSetting('max_block_size')", session_id="s1")[2] == b"77\n"
    # Another user's session of the same name is another session.
    other = {"user": "grafana", "password": GRAFANA_PASSWORD, "session_id": "s1"}
    assert web.ask("POST", "SELECT getSetting('max_block_size') = 77", **other)[2] == b"0\n"
    web.ask("POST", "SELECT 1", session_id="s1", close_session="1")
    assert web.ask("POST", "SELECT 1", session_id="s1", session_check="1")[1]["X-ClickHouse-Exception-Code"] == "372"


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"PATCH / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /?" + b"a=" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nSELEC??5\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: strange\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /?%ff%fe=%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nSELECT \xff1",
        b"\0" * 300,
    ],
)
def test_malformed_requests_get_an_answer_and_the_server_lives(
    web: Http, embedded: ClickHouseHandle, request_: bytes
) -> None:
    login = b"Authorization: " + basic("default", PASSWORD).encode() + b"\r\nHost: x"
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=10) as raw:
        raw.sendall(request_.replace(b"Host: x", login))
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := raw.recv(65536):
            answer += chunk
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert answer
    assert web.ask("POST", "SELECT 1")[2] == b"1\n"
