"""Requests as Grafana's ClickHouse plugin (clickhouse-go) sends them: SQL in the body, Native in the answer."""

import base64
import gzip
import http.client
from collections.abc import Iterator
from urllib.parse import urlencode

import clickhouse_connect
import pytest

from tests.support.clickhouse import GRAFANA_PASSWORD, ClickHouseHandle

PANEL = """/* grafana dashboard */ SELECT
  toStartOfInterval(toDateTime(at), INTERVAL 60 second) as time, team,
  countIf(state = 'met') / count() AS "compliance"
FROM clocks
WHERE ( at >= fromUnixTimestamp64Milli(1767225600000) AND at <= fromUnixTimestamp64Milli(1767229200000) )
  AND team IN ('a', 'b')
GROUP BY time, team ORDER BY time LIMIT 1000"""


@pytest.fixture(scope="module")
def clocks(embedded: ClickHouseHandle) -> Iterator[None]:
    """A small table for a panel."""
    full = clickhouse_connect.get_client(dsn=embedded.url)
    full.command(
        "CREATE TABLE clocks"
        " (at DateTime64(3, 'UTC'), team LowCardinality(Nullable(String)), state LowCardinality(String))"
        " ENGINE = MergeTree ORDER BY at"
    )
    full.command(
        "INSERT INTO clocks VALUES ('2026-01-01 00:00:10', 'a', 'met'), ('2026-01-01 00:00:20', 'b', 'breached')"
    )
    yield
    full.command("DROP TABLE clocks SYNC")
    full.close()


def ask(port: int, query: str, **settings: str) -> tuple[int, bytes]:
    """Post as clickhouse-go does: user in the URL's authority, settings and default_format in its query, gzip."""
    login = base64.b64encode(f"grafana:{GRAFANA_PASSWORD}".encode()).decode()
    params = {"database": "contactpulse", "default_format": "Native", "max_execution_time": "60"} | settings
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Basic {login}", "Accept-Encoding": "gzip", "User-Agent": "grafana/11 clickhouse-go/2"}
    connection.request("POST", f"/?{urlencode(params)}", query, headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, gzip.decompress(body) if response.headers["Content-Encoding"] == "gzip" else body


@pytest.mark.parametrize("settings", [{}, {"enable_http_compression": "1"}])
def test_a_panel(embedded: ClickHouseHandle, clocks: None, settings: dict[str, str]) -> None:
    status, body = ask(embedded.port, PANEL, **settings)
    assert status == 200
    # Three columns, two rows, then the first column's name and type.
    assert body.startswith(b"\x03\x02\x04time\x08DateTime")
    assert b"\x04team\x20LowCardinality(Nullable(String))" in body


def test_an_empty_panel_still_has_columns(embedded: ClickHouseHandle, clocks: None) -> None:
    status, body = ask(embedded.port, "SELECT at AS time, team FROM clocks WHERE team = 'nobody'")
    assert status == 200
    assert body.startswith(b"\x02\x00\x04time\x14DateTime64(3, 'UTC')\x04team")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT timeZone()",
        "SELECT displayName(), version(), revision(), timezone()",
        "SELECT version()",
        "SHOW DATABASES",
        "SHOW TABLES FROM contactpulse",
        "SELECT name, database FROM system.tables",
        "DESC TABLE contactpulse.clocks",
        "SELECT DISTINCT team FROM clocks ORDER BY team LIMIT 100",
        "EXPLAIN SYNTAX SELECT 1",
        "SELECT name FROM system.functions LIMIT 5",
    ],
)
def test_what_the_plugin_asks_by_itself(embedded: ClickHouseHandle, clocks: None, query: str) -> None:
    status, body = ask(embedded.port, query)
    assert status == 200, body
    assert body[:2] != b"\x00\x00"


def test_an_error_reads_as_clickhouses(embedded: ClickHouseHandle, clocks: None) -> None:
    status, body = ask(embedded.port, "SELECT nothing FROM clocks")
    assert status == 404
    assert b"DB::Exception" in body


TYPES = [
    "toUInt8(number)",
    "toInt256(number)",
    "toString(number * 1000)",
    "repeat('long', toUInt32(number * 100))",
    "toNullable(if(number = 1, NULL, 'x'))",
    "toLowCardinality(toString(number % 3))",
    "CAST(if(number = 1, NULL, 'y') AS LowCardinality(Nullable(String)))",
    "toDecimal64(number, 3)",
    "toDecimal128(number, 30)",
    "toFixedString('ab', 2)",
    "toUUID('6f2b8f4e-3c57-4b1c-9d0a-000000000001')",
    "toIPv6('::1')",
    "CAST(1 AS Enum8('a, (b)' = 1, 'it\\'s' = 2))",
    "toDateTime64(number, 3, 'Asia/Shanghai')",
    "toDateTime(number)",
    "range(number)",
    "arrayMap(x -> [toString(x), 'z'], range(number))",
    "CAST(['a', 'b', toString(number)] AS Array(LowCardinality(String)))",
    "CAST(map('k', number, 'l', 2) AS Map(LowCardinality(String), Int64))",
    "CAST(tuple(number, 'x') AS Tuple(`a b` UInt64, c LowCardinality(String)))",
    "CAST([(1, 'x')] AS Array(Tuple(a UInt8, b Nullable(String))))",
    "toIntervalDay(number)",
    "(1.5, 2.5)::Point",
    "[]",
    "NULL",
]


@pytest.mark.parametrize("rows", [0, 1, 3, 70_000])
def test_blocks_in_the_protocol_of_a_newer_plugin_hold_the_same_columns(embedded: ClickHouseHandle, rows: int) -> None:
    names = [f"c{number}" for number in range(len(TYPES))]
    columns = ", ".join(f"{expression} AS {name}" for expression, name in zip(TYPES, names, strict=True))
    if rows > 1000:
        columns, names = "toUInt8(number) AS c0, toString(number * 1000) AS c1", ["c0", "c1"]
    query = f"SELECT {columns} FROM numbers({rows}) ORDER BY number"
    status, plain = ask(embedded.port, query)
    assert status == 200
    status, blocks = ask(embedded.port, query, client_protocol_version="54460")
    assert status == 200
    assert blocks.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00")
    count = blocks.count(b"\x01\x00\x02\xff\xff\xff\xff\x00")
    # Info before each block, one flag a column: nothing else is added, nothing lost.
    assert len(blocks) == len(plain) + count * (8 + len(names))


def test_a_type_that_cannot_be_sent_in_it_is_named(embedded: ClickHouseHandle) -> None:
    status, body = ask(embedded.port, "SELECT sumState(number) FROM numbers(3)", client_protocol_version="54460")
    assert status == 501
    assert b"AggregateFunction(sum, UInt64)" in body
