"""The disk of the embedded server fills: it says so by ClickHouse's own code, lives on, and loses nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.support.clickhouse import ClickHouseHandle, start_clickhouse
from tests.support.small_disk import SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 128) as made:
        yield made


@pytest.fixture
def handle(disk: SmallDisk) -> Iterator[ClickHouseHandle]:
    running = start_clickhouse(disk.directory / "data")
    yield running
    assert running.stop() == 0


def insert(client: Client, number: int) -> str:
    """What the server says to one more block of 1,000 rows; empty where it is in."""
    rows = "".join(f"{number},{n},{'x' * 100}\n" for n in range(1000))
    try:
        client.raw_insert("t", ["block", "n", "text"], insert_block=rows, fmt="CSV")
    except ClickHouseError as error:
        return str(error)
    return ""


def test_inserts_are_refused_with_the_code_of_a_full_disk_and_go_on_when_there_is_room(
    handle: ClickHouseHandle, disk: SmallDisk
) -> None:
    client = clickhouse_connect.get_client(dsn=handle.url)
    client.command("CREATE TABLE t (block UInt32, n UInt32, text String) ENGINE = MergeTree ORDER BY (block, n)")
    acknowledged = [number for number in range(3) if insert(client, number) == ""]
    assert acknowledged == [0, 1, 2]

    disk.fill()
    refused = [insert(client, number) for number in range(10, 13)]
    assert all("Code: 243" in answer and "NOT_ENOUGH_SPACE" in answer for answer in refused), refused
    ask = "SELECT block, count() FROM t GROUP BY block ORDER BY block"
    assert client.query(ask).result_rows == [(number, 1000) for number in acknowledged], "reads go on"
    assert handle.process.poll() is None

    disk.free()
    until = time.monotonic() + 30
    while (said := insert(client, 20)) and time.monotonic() < until:
        time.sleep(0.1)
    assert said == ""
    assert client.query(ask).result_rows == [(number, 1000) for number in (*acknowledged, 20)]


def test_a_statement_that_the_engine_itself_cannot_write_is_told_the_same(
    handle: ClickHouseHandle, disk: SmallDisk
) -> None:
    client = clickhouse_connect.get_client(dsn=handle.url)
    client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    disk.fill()
    with pytest.raises(ClickHouseError, match=r"Code: 243\..*NOT_ENOUGH_SPACE"):
        client.command("INSERT INTO t SELECT number FROM numbers(1000000)")
    assert client.command("SELECT 1") == 1
    disk.free()
    client.command("INSERT INTO t SELECT number FROM numbers(10)")
    assert client.command("SELECT count() FROM t") == 10
