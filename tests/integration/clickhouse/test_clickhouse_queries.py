"""Queries: formats, parameters, settings, streams, sessions, DDL, errors."""

import json

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from tests.support.clickhouse_server import Connect


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("TabSeparated", b"0\tx\n1\tx\n"),
        ("CSV", b'0,"x"\n1,"x"\n'),
        ("CSVWithNames", b'"n","s"\n0,"x"\n1,"x"\n'),
        ("JSONEachRow", b'{"n":0,"s":"x"}\n{"n":1,"s":"x"}\n'),
        ("JSONCompactEachRow", b'[0, "x"]\n[1, "x"]\n'),
    ],
)
def test_raw_query_and_raw_stream_in_the_format_asked_for(client: Client, fmt: str, expected: bytes) -> None:
    query = "SELECT toUInt8(number) AS n, 'x' AS s FROM numbers(2)"
    assert client.raw_query(query, fmt=fmt) == expected
    assert client.raw_query(f"{query} FORMAT {fmt}") == expected
    assert client.raw_query(f"{query} FORMAT {fmt} SETTINGS max_threads = 1;  -- done") == expected
    with client.raw_stream(query, fmt=fmt) as stream:
        assert stream.read() == expected


def test_binary_formats(client: Client) -> None:
    assert client.raw_query("SELECT 1", fmt="Parquet").startswith(b"PAR1")
    assert json.loads(client.raw_query("SELECT 1 AS a", fmt="JSON"))["data"] == [{"a": 1}]


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip", "deflate"])
def test_answers_in_every_compression(connect: Connect, compress: str | bool) -> None:
    client = connect(compress=compress)
    rows = client.query("SELECT number, repeat('x', 20) FROM numbers(100000)").result_columns
    assert sum(rows[0]) == 100_000 * 99_999 // 2


def test_streams_of_blocks(client: Client) -> None:
    with client.query_column_block_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum(len(block[0]) for block in stream) == 300_000
    with client.query_rows_stream("SELECT number FROM numbers(10)") as rows:
        assert sum(row[0] for row in rows) == 45


def test_parameters_are_values_and_names(client: Client) -> None:
    texts = ["plain", "it's", "back\\slash", "tab\tline\n", "null \0", "客服", "{x:Int32}", "", "\\N"]
    for text in texts:
        assert client.query("SELECT {p:String}", parameters={"p": text}).first_row == (text,)
    row = client.query(
        "SELECT {a:Array(String)}, {d:DateTime64(3)}, {n:Nullable(Int8)}",
        parameters={"a": texts, "d": "2026-01-01 00:00:00.125", "n": None},
    ).first_row
    assert row[0] == texts
    assert row[1].microsecond == 125_000
    assert row[2] is None
    client.command("CREATE TABLE t (a Int8) ENGINE = Memory")
    assert client.query("SELECT * FROM {t:Identifier}", parameters={"t": "t"}).result_rows == []


def test_long_parameters_travel_as_a_form(connect: Connect) -> None:
    client = connect(form_encode_query_params=True)
    text = "x" * 300_000
    assert client.query("SELECT length({p:String})", parameters={"p": text}).first_row == (300_000,)


def test_tables_sent_along(client: Client) -> None:
    data = ExternalData(file_name="ids.csv", data=b"1,a\n2,b\n", fmt="CSV", structure=["id UInt32", "name String"])
    for _ in range(2):
        rows = client.query("SELECT name FROM ids ORDER BY id DESC", external_data=data).result_rows
        assert rows == [("b",), ("a",)]


def test_settings_hold_for_their_query_only(client: Client) -> None:
    read = "SELECT value FROM system.settings WHERE name = 'max_block_size'"
    usual = client.query(read).first_row
    assert client.query(read, settings={"max_block_size": 1234}).first_row == ("1234",)
    assert client.query(read).first_row == usual
    assert client.query(
        "SELECT {d:DateTime}", parameters={"d": "2026-01-01"}, settings={"session_timezone": "Asia/Tokyo"}
    )


def test_an_unknown_setting_and_a_wrong_value_are_refused_and_leave_nothing_behind(connect: Connect) -> None:
    client = connect(autogenerate_session_id=False)
    for settings in ({"no_such_setting": 1}, {"max_block_size": "many"}, {"max_threads": 1, "no_such": 1}):
        with pytest.raises(DatabaseError):
            client.query("SELECT 1", settings=settings)
    assert client.query("SELECT count() FROM system.settings WHERE changed AND name = 'max_threads'").first_row == (0,)


def test_a_session_keeps_what_was_set_and_made_in_it(connect: Connect) -> None:
    one, other = connect(), connect()
    one.command("CREATE TEMPORARY TABLE mine (a Int8)")
    one.command("INSERT INTO mine VALUES (7)")
    assert one.query("SELECT a FROM mine").result_rows == [(7,)]
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        other.query("SELECT a FROM mine")
    one.command("SET max_block_size = 4321")
    assert one.query("SELECT getSetting('max_block_size')").first_row == (4321,)
    assert one.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 5}).first_row == (5,)
    assert one.query("SELECT getSetting('max_block_size')").first_row == (4321,)
    assert other.query("SELECT getSetting('max_block_size') = 4321").first_row == (0,)


def test_nothing_is_kept_without_a_session(connect: Connect) -> None:
    client = connect(autogenerate_session_id=False)
    client.command("SET max_block_size = 4321")
    client.command("USE system")
    client.command("CREATE TEMPORARY TABLE gone (a Int8)")
    for _ in range(3):
        assert client.query("SELECT getSetting('max_block_size') = 4321").first_row == (0,)
        assert client.query("SELECT currentDatabase()").first_row == (client.database,)
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
            client.query("SELECT * FROM gone")


@pytest.mark.parametrize(
    ("query", "code", "name"),
    [
        ("SELEC 1 FROM", 62, "SYNTAX_ERROR"),
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE"),
        ("SELECT nothing", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT nofunc(1)", 46, "UNKNOWN_FUNCTION"),
        ("SELECT * FROM nodb.t", 81, "UNKNOWN_DATABASE"),
        ("SELECT throwIf(number = 2) FROM numbers(5)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR"),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.2", 159, "TIMEOUT_EXCEEDED"),
    ],
)
def test_errors_carry_the_servers_code_and_name(client: Client, query: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        client.query(query)
    assert (raised.value.code, raised.value.name) == (code, name)
    assert client.query("SELECT 1").first_row == (1,)


def test_an_error_in_mid_stream_reaches_the_reader(client: Client) -> None:
    def read() -> int:
        with client.query_row_block_stream("SELECT throwIf(number = 900000) FROM numbers(1000000)") as stream:
            return sum(len(block) for block in stream)

    with pytest.raises((DatabaseError, StreamFailureError)):
        read()


def test_ddl_and_what_show_and_describe_say(client: Client) -> None:
    client.command("CREATE TABLE t (a Int8 COMMENT 'x', b String DEFAULT 'd') ENGINE = MergeTree ORDER BY a")
    client.command("ALTER TABLE t ADD COLUMN c Nullable(Float64)")
    client.insert("t", [[1, "x", None]], column_names=["a", "b", "c"])
    assert [row[0] for row in client.query("DESCRIBE TABLE t").result_rows] == ["a", "b", "c"]
    assert client.command("EXISTS TABLE t") == 1
    assert "MergeTree" in str(client.command("SHOW CREATE TABLE t"))
    client.command("CREATE VIEW v AS SELECT a + 1 AS n FROM t")
    client.command(
        "CREATE MATERIALIZED VIEW m ENGINE = SummingMergeTree ORDER BY a AS SELECT a, count() AS n FROM t GROUP BY a"
    )
    client.insert("t", [[1, "y", 0.5]], column_names=["a", "b", "c"])
    assert client.query("SELECT sum(n) FROM m").first_row == (1,)
    client.command("OPTIMIZE TABLE t FINAL")
    client.command("ALTER TABLE t DELETE WHERE b = 'y' SETTINGS mutations_sync = 1")
    client.command("DELETE FROM t WHERE b = 'nope'")
    assert client.query("SELECT n FROM v").result_rows == [(2,)]
    client.command("TRUNCATE TABLE t")
    client.command("DROP TABLE m SYNC")
    assert client.command("SELECT count() FROM t") == 0


def test_the_newest_version_wins_under_final_and_deleted_rows_go(client: Client) -> None:
    client.command(
        "CREATE TABLE o (id String, state String, version UInt64, gone UInt8)"
        " ENGINE = ReplacingMergeTree(version, gone) ORDER BY id"
    )
    names = ["id", "state", "version", "gone"]
    client.insert("o", [["a", "running", 1, 0], ["b", "met", 1, 0]], names)
    client.insert("o", [["a", "breached", 3, 0], ["b", "met", 2, 1]], names)
    client.insert("o", [["a", "met", 2, 0]], names)
    assert client.query("SELECT id, state FROM o FINAL").result_rows == [("a", "breached")]


def test_the_summary_counts(client: Client) -> None:
    client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
    summary = client.insert("t", [[n] for n in range(10)], column_names=["a"])
    assert summary.written_rows == 10
    assert summary.query_id()
    result = client.query("SELECT count() FROM t WHERE a % 2 >= 0")
    assert int(result.summary["read_rows"]) == 10
    assert int(result.summary["elapsed_ns"]) > 0
