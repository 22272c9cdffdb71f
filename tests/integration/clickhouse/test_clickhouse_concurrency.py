"""Many clients at once, clients that go away, the asynchronous client."""

import asyncio
import http.client
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.clickhouse_server import Connect, Server

LONG = "SELECT count() FROM numbers(500000000000) WHERE sipHash64(number, '{mark}') = 1"


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Poll until `condition` holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def running(client: Client, mark: str) -> int:
    """How many queries with that mark run now."""
    query = (
        "SELECT count() FROM system.processes WHERE position(query, {mark:String}) > 0 AND query NOT LIKE '%processes%'"
    )
    return int(client.query(query, parameters={"mark": mark}).first_row[0])


def write_some(server: Server, database: str, worker: int) -> None:
    """A writer process: inserts and reads its own rows back."""
    client = clickhouse_connect.get_client(
        host=server.host, port=server.port, username=server.user, password=server.password, database=database
    )
    for batch in range(5):
        rows = "".join(f"{worker},{batch * 100 + n}\n" for n in range(100))
        client.raw_insert("t", ["w", "n"], insert_block=rows, fmt="CSV")
        assert client.command(f"SELECT count() FROM t WHERE w = {worker}") == (batch + 1) * 100


def test_writers_and_readers_in_several_processes_and_threads(connect: Connect, server: Server) -> None:
    client = connect()
    client.command("CREATE TABLE t (w UInt8, n UInt32) ENGINE = MergeTree ORDER BY (w, n)")
    database = str(client.database)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_some, args=(server, database, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(write_some, server, database, number) for number in range(2, 6)]
        for future in done:
            future.result(60)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert client.query("SELECT count(), uniqExact(w, n) FROM t").first_row == (3000, 3000)


def test_a_long_query_holds_up_nobody(connect: Connect) -> None:
    client, other, observer = connect(), connect(), connect()
    client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(other.query, LONG.format(mark="slow-one"), settings={"max_execution_time": 60})
        wait_for(lambda: running(observer, "slow-one") == 1)
        for _ in range(5):
            client.insert("t", [[1]], column_names=["a"])
        assert client.command("SELECT count() FROM t") == 5
        assert not long.done()
        observer.command("KILL QUERY WHERE position(query, 'slow-one') > 0 AND query NOT LIKE 'KILL%' ASYNC")
        with pytest.raises(DatabaseError):
            long.result(30)


def test_one_session_serves_one_request_at_a_time(connect: Connect) -> None:
    one, same, observer = connect(session_id="shared"), connect(), connect()
    same.set_client_setting("session_id", "shared")
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(one.query, "SELECT sleepEachRow(0.2), 'held' FROM numbers(10)")
        wait_for(lambda: running(observer, "'held'") == 1)
        with pytest.raises(DatabaseError) as raised:
            same.query("SELECT 1")
        assert raised.value.code == 373
        long.result(30)
    assert same.query("SELECT 1").first_row == (1,)


def test_a_query_ends_when_its_client_goes(client: Client, server: Server) -> None:
    mark = "leaver"
    raw = http.client.HTTPConnection(server.host, server.port)
    headers = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.password}
    raw.request("POST", "/?cancel_http_readonly_queries_on_client_close=1", LONG.format(mark=mark), headers)
    wait_for(lambda: running(client, mark) == 1)
    assert raw.sock is not None
    raw.sock.close()
    raw.close()
    wait_for(lambda: running(client, mark) == 0)


def test_a_client_that_goes_in_mid_insert_leaves_nothing_behind(client: Client, server: Server) -> None:
    client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
    for framing in ("Content-Length: 100000", "Transfer-Encoding: chunked"):
        with socket.create_connection((server.host, server.port)) as raw:
            body = f"INSERT INTO {client.database}.t FORMAT CSV\n1\n2\n"
            chunk = body if "Length" in framing else f"{len(body):x}\r\n{body}\r\n"
            login = f"X-ClickHouse-User: {server.user}\r\nX-ClickHouse-Key: {server.password}"
            raw.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{login}\r\n{framing}\r\n\r\n{chunk}".encode())
    client.insert("t", [[7]], column_names=["a"])
    assert client.query("SELECT a FROM t").result_rows == [(7,)]


def test_an_insert_finishes_when_its_client_goes_after_sending_it(client: Client, server: Server) -> None:
    client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
    data = "".join(f"{n}\n" for n in range(200_000))
    raw = http.client.HTTPConnection(server.host, server.port)
    headers = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.password}
    raw.request("POST", "/", f"INSERT INTO {client.database}.t FORMAT CSV\n{data}", headers)
    raw.close()
    wait_for(lambda: client.command("SELECT count() FROM t") == 200_000)


def test_the_asynchronous_client(connect: Connect, server: Server) -> None:
    database = str(connect().database)

    async def work() -> list[int]:
        client = await clickhouse_connect.get_async_client(
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            database=database,
            autogenerate_session_id=False,
        )
        await client.command("CREATE TABLE t (a Int64, s String) ENGINE = MergeTree ORDER BY a")
        await asyncio.gather(
            *(
                client.insert("t", [[n, "x" * 100] for n in range(i, i + 1000)], ["a", "s"])
                for i in range(0, 8000, 1000)
            )
        )
        results = await asyncio.gather(*(client.query(f"SELECT count() FROM t WHERE a >= {n}") for n in (0, 4000)))
        rows = await client.query("SELECT * FROM t")
        await client.close()
        return [result.first_row[0] for result in results] + [len(rows.result_rows)]

    assert asyncio.run(work()) == [8000, 4000, 8000]


def test_hundreds_of_connections_come_and_go(client: Client, server: Server) -> None:
    failures: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(20):
                connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
                connection.request("GET", "/ping")
                assert connection.getresponse().read() == b"Ok.\n"
                connection.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert client.command("SELECT 1") == 1
