"""The read-only user reads tables and nothing else, however the statement is put."""

from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.clickhouse import GRAFANA_PASSWORD, ClickHouseHandle


@pytest.fixture(scope="module")
def table(embedded: ClickHouseHandle) -> Iterator[str]:
    """A table with two rows in a database that the reader sees."""
    full = clickhouse_connect.get_client(dsn=embedded.url)
    full.command("CREATE TABLE seen (a Int64) ENGINE = MergeTree ORDER BY a")
    full.command("INSERT INTO seen VALUES (1), (2)")
    yield "contactpulse.seen"
    assert full.command("SELECT sum(a) FROM seen") == 3, "the read-only user changed something"
    full.command("DROP TABLE seen SYNC")
    full.close()


@pytest.fixture(params=[True, False], ids=["session", "no session"])
def reader(request: pytest.FixtureRequest, embedded: ClickHouseHandle, table: str) -> Iterator[Client]:
    """A client as Grafana logs in."""
    client = clickhouse_connect.get_client(dsn=embedded.grafana_url, autogenerate_session_id=request.param)
    yield client
    client.close()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(a) FROM seen",
        "WITH 1 AS one SELECT sum(a), one FROM seen",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SHOW TABLES",
        "SHOW CREATE TABLE seen",
        "DESCRIBE TABLE seen",
        "EXISTS TABLE seen",
        "EXPLAIN SELECT * FROM seen",
        "SELECT name, type FROM system.columns WHERE database = 'contactpulse'",
        "SELECT 'a file(x) and python' AS category SETTINGS max_threads = 1 -- file",
    ],
)
def test_it_reads(reader: Client, query: str) -> None:
    assert reader.query(query, settings={"max_execution_time": 10}).column_names


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO seen VALUES (3)",
        "INSERT INTO seen SELECT 3",
        'INSERT INTO seen FORMAT JSONEachRow {"a": 3}',
        "/* SELECT */ INSERT INTO seen VALUES (3)",
        "WITH x AS (SELECT 3 AS a) INSERT INTO seen SELECT a FROM x",
        "CREATE TABLE made (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE made (a Int8)",
        "CREATE DATABASE made",
        "CREATE FUNCTION made AS (x) -> x",
        "CREATE USER made",
        "GRANT ALL ON *.* TO default",
        "ALTER TABLE seen DELETE WHERE 1",
        "DELETE FROM seen WHERE 1",
        "DROP TABLE seen",
        "TRUNCATE TABLE seen",
        "RENAME TABLE seen TO gone",
        "OPTIMIZE TABLE seen FINAL",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "BACKUP TABLE seen TO Null",
        "ATTACH TABLE seen",
        "SET readonly = 0",
        "SET ROLE full",
        "SET max_threads = 1",
        "USE system",
        "EXECUTE AS default SELECT 1",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1; DROP TABLE seen",
        "EXPLAIN SELECT 1; DROP TABLE seen",
    ],
)
def test_it_changes_nothing(reader: Client, statement: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        reader.command(statement)
    assert raised.value.code in (62, 164, 344, 497)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM file('{file}', 'LineAsString')",
        "SELECT file('{file}')",
        "SELECT FILE /* x */ ('{file}')",
        "SELECT `file`('{file}')",
        "SELECT \"file\"('{file}')",
        "SELECT '{file}' AS path APPLY file",
        "SELECT `'`, file('{file}') FROM (SELECT 1 AS `'`) WHERE 'x' = 'x'",
        "SELECT 1 --'\n, file('{file}') --'",
        "SELECT 1 /*'*/, file('{file}') /*'*/",
        "SELECT $$'$$, file('{file}'), $$'$$",
        "SELECT 1 WHERE file('{file}') != ''",
        "SELECT * FROM `{file}`",
        "DESCRIBE TABLE file('{file}', 'LineAsString')",
        "EXPLAIN SELECT file('{file}')",
        "SELECT * FROM fileCluster('default', '{file}', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', 'system.one')",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM sqlite('{file}', 't')",
        "SELECT * FROM executable('ls', 'TSV', 'a String')",
        "SELECT * FROM python('x')",
        "SELECT * FROM Python(reader)",
        "SELECT * FROM icebergLocal('/tmp')",
        "SELECT 1 INTO OUTFILE '{directory}/out.tsv'",
        "SELECT 1 UNION ALL (SELECT 2 INTO OUTFILE '{directory}/out.tsv')",
        "EXPLAIN SELECT 1 INTO OUTFILE '{directory}/out.tsv'",
        "INSERT INTO FUNCTION file('{directory}/out.tsv') SELECT 1",
        "INSERT INTO seen FROM INFILE '{file}' FORMAT CSV",
    ],
)
def test_it_reaches_nothing_outside(reader: Client, tmp_path: Path, query: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("7\n")
    text = query.format(file=secret, directory=tmp_path)
    with pytest.raises(DatabaseError) as raised:
        reader.raw_query(text)
    assert raised.value.code in (36, 60, 62, 164, 358, 497, 701)
    assert list(tmp_path.iterdir()) == [secret]


def test_a_client_library_cannot_insert_with_it(reader: Client) -> None:
    with pytest.raises(DatabaseError) as raised:
        reader.insert("seen", [[3]], column_names=["a"])
    assert raised.value.code == 164


@pytest.mark.parametrize(("user", "password"), [("grafana", "wrong"), ("grafana", ""), ("nobody", GRAFANA_PASSWORD)])
def test_a_wrong_password_is_refused(embedded: ClickHouseHandle, user: str, password: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        clickhouse_connect.get_client(host="127.0.0.1", port=embedded.port, username=user, password=password)
    assert raised.value.code == 516
