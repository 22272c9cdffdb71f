"""What goes in comes out: types, NULLs, time zones."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

INSTANT = datetime(2026, 3, 29, 1, 30, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Int8", -128),
        ("UInt64", 2**64 - 1),
        ("Int256", -(2**200)),
        ("Float64", 0.1),
        ("Bool", True),
        ("Decimal(38, 10)", Decimal("12345678901234567890.0123456789")),
        ("String", "Ünïcode 客服 'quoted' \\ \t\n\0"),
        ("FixedString(3)", b"a\0b"),
        ("UUID", uuid.UUID("6f2b8f4e-3c57-4b1c-9d0a-000000000001")),
        ("Enum8('met' = 1, 'breached' = 2)", "breached"),
        ("Array(Array(Int32))", [[1, 2], [], [3]]),
        ("Array(Nullable(String))", ["a", None]),
        ("Map(LowCardinality(String), Int64)", {"opened": 3, "resolved": -1}),
        ("Tuple(Int32, String)", (1, "x")),
        ("LowCardinality(String)", "chat"),
        ("LowCardinality(Nullable(String))", None),
        ("Nullable(Float64)", None),
        ("Nullable(DateTime64(3, 'UTC'))", None),
    ],
)
def test_a_value_survives_the_round_trip(client: Client, kind: str, value: object) -> None:
    client.command(f"CREATE TABLE t (n UInt8, v {kind}) ENGINE = MergeTree ORDER BY n")
    client.insert("t", [[1, value]], column_names=["n", "v"])
    assert client.query("SELECT v FROM t").result_rows == [(value,)]


@pytest.mark.parametrize("kind", ["DateTime64(3, 'UTC')", "DateTime64(6, 'Asia/Shanghai')", "DateTime64(3)"])
def test_instants_keep_their_milliseconds(client: Client, kind: str) -> None:
    client.command(f"CREATE TABLE t (v {kind}) ENGINE = MergeTree ORDER BY v")
    client.insert("t", [[INSTANT]], column_names=["v"])
    assert client.query("SELECT toUnixTimestamp64Milli(v) FROM t").result_rows == [(1774747800123,)]
    (found,) = client.query("SELECT v FROM t", tz_mode="aware").first_row
    assert found.astimezone(UTC) == INSTANT


def test_a_plain_datetime_is_utc(client: Client) -> None:
    client.command("CREATE TABLE t (v DateTime) ENGINE = MergeTree ORDER BY v")
    client.command("INSERT INTO t VALUES ('2026-07-01 12:00:00')")
    assert client.query("SELECT v, toUnixTimestamp(v) FROM t").result_rows == [(datetime(2026, 7, 1, 12), 1782907200)]
    assert client.raw_query("SELECT v FROM t") == b"2026-07-01 12:00:00\n"
    assert client.server_tz in (UTC, ZoneInfo("UTC"))


def test_an_empty_result_has_its_columns(client: Client) -> None:
    client.command("CREATE TABLE t (a Int32, b LowCardinality(Nullable(String))) ENGINE = MergeTree ORDER BY a")
    for query in ("SELECT a, b AS c FROM t WHERE a > 1", "SELECT a, b AS c FROM t LIMIT 0"):
        result = client.query(query)
        assert result.column_names == ("a", "c")
        assert [kind.name for kind in result.column_types] == ["Int32", "LowCardinality(Nullable(String))"]
        assert result.result_rows == []


def test_an_empty_result_with_parameters_and_comments_has_its_columns(client: Client) -> None:
    query = "WITH {n:UInt8} AS n SELECT number, n FROM numbers(3) WHERE number > 5 -- none; really"
    assert client.query(query, parameters={"n": 1}).column_names == ("number", "n")
    assert client.query("SHOW TABLES LIKE 'nothing'").column_names == ("name",)


def test_frames_and_arrow(client: Client) -> None:
    pandas = pytest.importorskip("pandas")
    client.command("CREATE TABLE t (a Int64, b Float64) ENGINE = MergeTree ORDER BY a")
    client.insert_df("t", pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}))
    assert client.query_df("SELECT sum(a) AS a, sum(b) AS b FROM t").iloc[0].tolist() == [3, 2.0]
    pytest.importorskip("pyarrow")
    assert client.query_arrow("SELECT a FROM t ORDER BY a").column("a").to_pylist() == [1, 2]
