"""The embedded server as a process: start, stop, crash, and what a second one says."""

import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.support.clickhouse import ClickHouseHandle, launch_clickhouse, start_clickhouse

ROOT = Path(__file__).parents[3]


def eventually(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_beside_a_long_query_and_keeps_its_rows(tmp_path: Path, number: signal.Signals) -> None:
    handle = start_clickhouse(tmp_path / "a directory" / "data")
    client = clickhouse_connect.get_client(dsn=handle.url)
    client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
    client.insert("t", [[1], [2]], column_names=["a"])
    other = clickhouse_connect.get_client(dsn=handle.url)
    ended: list[BaseException] = []

    def long() -> None:
        try:
            other.query("SELECT count() FROM numbers(500000000000) WHERE sipHash64(number) = 1")
        except ClickHouseError as error:
            ended.append(error)

    thread = threading.Thread(target=long)
    thread.start()
    running = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number) = 1%'"
    eventually(lambda: client.command(running) >= 2)  # type: ignore[operator]
    started = time.monotonic()
    handle.process.send_signal(number)
    assert handle.stop() == 0
    assert time.monotonic() - started < 10
    thread.join(10)
    assert ended
    handle = start_clickhouse(tmp_path / "a directory" / "data")
    assert clickhouse_connect.get_client(dsn=handle.url).command("SELECT sum(a) FROM t") == 3
    assert handle.stop() == 0


@pytest.mark.slow
def test_a_stop_waits_for_an_insert_and_ends_one_that_takes_too_long(tmp_path: Path) -> None:
    handle = start_clickhouse(tmp_path / "data")
    clients = [clickhouse_connect.get_client(dsn=handle.url) for _ in range(3)]
    clients[0].command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    outcomes: dict[int, bool] = {}

    def insert(rows: int) -> None:
        client = clients[1 if rows < 100 else 2]
        select = f"SELECT number + sleepEachRow(0.1) FROM numbers({rows})"
        with suppress(ClickHouseError, OSError):
            client.command(f"INSERT INTO t SETTINGS function_sleep_max_microseconds_per_block = 0 {select}")
            outcomes[rows] = True

    threads = [threading.Thread(target=insert, args=(rows,)) for rows in (20, 10_000)]
    for thread in threads:
        thread.start()
    running = "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO t%'"
    eventually(lambda: clients[0].command(running) == 2)
    assert handle.stop() == 0
    for thread in threads:
        thread.join(10)
    assert outcomes == {20: True}
    handle = start_clickhouse(tmp_path / "data")
    assert clickhouse_connect.get_client(dsn=handle.url).command("SELECT count() FROM t") == 20
    assert handle.stop() == 0


def test_a_second_process_on_the_directory_says_so_in_one_line(embedded: ClickHouseHandle, tmp_path: Path) -> None:
    directory = Path(str(embedded.log).removesuffix(".log"))
    second = launch_clickhouse(directory)
    out, errors = second.communicate(timeout=30)
    assert (second.returncode, out) == (1, "")
    assert errors.count("\n") == 1
    assert str(directory) in errors
    assert str(embedded.process.pid) in errors
    assert clickhouse_connect.get_client(dsn=embedded.url).command("SELECT 1") == 1


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = launch_clickhouse(tmp_path / "data", port=port)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert str(port) in errors


@pytest.mark.slow
def test_no_acknowledged_row_is_lost_by_kill_9(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    handle = start_clickhouse(directory)
    port = handle.port
    setup = clickhouse_connect.get_client(dsn=handle.url)
    setup.command("CREATE TABLE t (w UInt8, n UInt64) ENGINE = ReplacingMergeTree ORDER BY (w, n)")
    acknowledged = [0, 0, 0]
    stop = threading.Event()

    def write(worker: int) -> None:
        client = None
        while not stop.is_set():
            try:
                client = client or clickhouse_connect.get_client(dsn=handle.url)
                start = acknowledged[worker]
                rows = "".join(f"{worker},{n}\n" for n in range(start, start + 500))
                client.raw_insert("t", ["w", "n"], insert_block=rows, fmt="CSV")
                acknowledged[worker] = start + 500
            except (ClickHouseError, OSError):
                client = None
                time.sleep(0.02)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        goal = min(acknowledged) + 1000
        eventually(lambda wanted=goal: min(acknowledged) >= wanted)
        handle.kill()
        handle = start_clickhouse(directory, port=port)
    stop.set()
    for thread in threads:
        thread.join(30)
    client = clickhouse_connect.get_client(dsn=handle.url)
    for worker, count in enumerate(acknowledged):
        found = client.query(f"SELECT uniqExact(n) FROM t WHERE w = {worker} AND n < {count}").first_row[0]
        assert found == count
    assert handle.stop() == 0


def test_the_migrations_run_statement_by_statement(embedded: ClickHouseHandle) -> None:
    client = clickhouse_connect.get_client(dsn=embedded.url, database="default")
    client.command("CREATE DATABASE migrated")
    client.database = "migrated"
    for file in sorted((ROOT / "deploy" / "clickhouse" / "migrations").glob("*.sql")):
        for statement in file.read_text().split(";\n"):
            if statement.strip():
                client.command(statement)
    tables = {row[0] for row in client.query("SHOW TABLES").result_rows}
    assert {"events", "outcomes", "clock_slices", "contact_slices", "watermarks"} <= tables
    client.command("DROP DATABASE migrated SYNC")
    client.close()
