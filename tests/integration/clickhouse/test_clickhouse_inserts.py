"""Inserts: sizes, formats, encodings, and how they fail."""

import gzip
import json
import zlib
from collections.abc import Iterator

import lz4.frame
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.clickhouse_server import Connect

ROWS = 1_000_000


def zstd(data: bytes) -> bytes:
    from backports import zstd as module

    return module.compress(data)


ENCODERS = {
    "lz4": lz4.frame.compress,
    "zstd": zstd,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.fixture
def table(client: Client) -> str:
    """A table with a number and a text."""
    client.command("CREATE TABLE t (a Int64, s String) ENGINE = MergeTree ORDER BY a")
    return "t"


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_a_million_rows_in_many_frames(connect: Connect, table: str, compress: str | bool) -> None:
    rows = ROWS if compress in (False, "lz4") else 200_000
    client = connect(compress=compress)
    numbers = range(rows)
    written = client.insert(table, [numbers, [str(n) for n in numbers]], ["a", "s"], column_oriented=True)
    assert written.written_rows == rows
    query = f"SELECT count(), sum(a), countIf(toString(a) = s) FROM {table}"
    assert client.query(query).result_rows == [(rows, rows * (rows - 1) // 2, rows)]


@pytest.mark.parametrize("encoding", ENCODERS)
def test_every_frame_of_a_raw_insert_counts(client: Client, table: str, encoding: str) -> None:
    frames = [ENCODERS[encoding](b"".join(b'{"a":%d,"s":"x"}\n' % n for n in range(i, i + 10))) for i in (0, 10, 20)]
    client.raw_insert(table, insert_block=b"".join(frames), fmt="JSONEachRow", compression=encoding)
    assert client.command(f"SELECT sum(a) FROM {table}") == sum(range(30))


def test_a_damaged_or_cut_body_is_refused_and_writes_nothing(client: Client, table: str) -> None:
    whole = gzip.compress(b'{"a":1,"s":"x"}\n' * 1000)
    for body in (whole[:-20], b"no gzip at all", whole + b"rest"):
        with pytest.raises(DatabaseError):
            client.raw_insert(table, insert_block=body, fmt="JSONEachRow", compression="gzip")
    assert client.command(f"SELECT count() FROM {table}") == 0


@pytest.mark.parametrize(
    ("fmt", "block"),
    [
        ("JSONEachRow", '{"a": 1, "s": "x;y"}\n{"a": 2, "s": "it\'s"}\n'),
        ("CSV", "1,x;y\n2,it's\n"),
        ("TabSeparated", "1\tx;y\n2\tit's\n"),
        ("JSONCompactEachRow", '[1, "x;y"]\n[2, "it\'s"]\n'),
        ("Values", "(1, 'x;y'), (2, 'it\\'s')"),
    ],
)
def test_raw_insert_in_several_formats(client: Client, table: str, fmt: str, block: str) -> None:
    for data in (block, block.encode()):
        client.raw_insert(table, ["a", "s"], insert_block=data, fmt=fmt)
    assert client.query(f"SELECT DISTINCT a, s FROM {table} ORDER BY a").result_rows == [(1, "x;y"), (2, "it's")]
    assert client.command(f"SELECT count() FROM {table}") == 4


def test_raw_insert_streams_in_chunks(client: Client, table: str) -> None:
    def chunks() -> Iterator[bytes]:
        for start in range(0, 50_000, 1000):
            yield b"".join(b'{"a":%d,"s":"x"}\n' % n for n in range(start, start + 1000))

    client.raw_insert(table, insert_block=chunks(), fmt="JSONEachRow")
    assert client.command(f"SELECT count() FROM {table}") == 50_000


def test_insert_statements_with_inline_data(client: Client, table: str) -> None:
    client.command(f"INSERT INTO {table} (a, s) VALUES ({{a:Int64}}, {{s:String}})", parameters={"a": 1, "s": "y'\n"})
    client.command(f"INSERT INTO {table} SELECT number, 'z' FROM numbers(3)")
    client.command(f"INSERT INTO {table} FORMAT JSONEachRow", data=json.dumps({"a": 9, "s": "FORMAT CSV"}))
    client.command(f"insert into {table} (s, a) settings async_insert = 0 values ('v', 5), ('w; DROP TABLE t', 6)")
    assert client.command(f"SELECT count() FROM {table}") == 7
    assert client.query(f"SELECT s FROM {table} WHERE a IN (1, 9) AND s != 'z' ORDER BY a").result_rows == [
        ("y'\n",),
        ("FORMAT CSV",),
    ]


def test_a_table_named_like_a_keyword(client: Client) -> None:
    for name in ("format", "`values`", "`select`", '"it\'s"'):
        client.command(f"CREATE TABLE {name} (a Int64) ENGINE = MergeTree ORDER BY a")
        client.command(f"INSERT INTO {name} FORMAT JSONEachRow", data='{"a": 1}')
        assert client.command(f"SELECT sum(a) FROM {name}") == 1


def test_a_bad_row_is_reported_with_the_engines_code(client: Client, table: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        client.raw_insert(table, insert_block='{"a": 1, "s": "x"}\n{"a": "oops"}\n', fmt="JSONEachRow")
    assert raised.value.code in (6, 27, 117)
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_an_insert_retried_with_the_same_token_counts_once(client: Client) -> None:
    client.command(
        "CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"
    )
    for _ in range(2):
        client.insert("t", [[1], [2]], column_names=["a"], settings={"insert_deduplication_token": "batch-1"})
    assert client.command("SELECT count() FROM t") == 2


def test_an_insert_without_rows(client: Client, table: str) -> None:
    client.raw_insert(table, insert_block=b"", fmt="JSONEachRow")
    assert client.command(f"SELECT count() FROM {table}") == 0


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE r (a Int64, CONSTRAINT small CHECK a < 5) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE r (a Int64) ENGINE = MergeTree PARTITION BY intDiv(1, a - 9) ORDER BY a",
        "CREATE TABLE r (a Int64, b Int64 MATERIALIZED intDiv(1, a - 9)) ENGINE = MergeTree ORDER BY a",
    ],
)
def test_rows_that_were_read_but_cannot_be_written_are_refused(client: Client, ddl: str) -> None:
    client.command(ddl)
    with pytest.raises(DatabaseError):
        client.raw_insert("r", insert_block=b'{"a":1}\n{"a":9}\n', fmt="JSONEachRow")
    assert client.command("SELECT count() FROM r") == 0


def test_a_view_that_fails_fails_the_insert(client: Client, table: str) -> None:
    client.command("CREATE TABLE seen (a Int64) ENGINE = MergeTree ORDER BY a")
    client.command(f"CREATE MATERIALIZED VIEW v TO seen AS SELECT intDiv(1, a - 9) AS a FROM {table}")
    with pytest.raises(DatabaseError):
        client.raw_insert(table, insert_block=b'{"a":9,"s":"x"}\n', fmt="JSONEachRow")


def test_an_insert_may_bring_its_settings(client: Client, table: str) -> None:
    statement = f"INSERT INTO {table} (a, s) SETTINGS input_format_skip_unknown_fields = 1 FORMAT JSONEachRow"
    client.command(f'{statement} {{"a":1,"s":"x","other":2}}')
    assert client.query(f"SELECT a, s FROM {table}").result_rows == [(1, "x")]
