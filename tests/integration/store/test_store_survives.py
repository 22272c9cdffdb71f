"""Whatever is killed - the store, ClickHouse, Kafka - every row is there once afterwards."""

import signal
import subprocess
import threading

import pytest

from schemas.topics import Topic
from tests.integration.store.bench import Bench, ClickHouse, stop, until
from tests.integration.store.rows import line, outcome, outcomes
from tests.support.kafka import RunningBroker

pytestmark = pytest.mark.slow

# Dies where it hurts most: rows inserted, offsets not committed.
DIE_BEFORE_COMMIT = """
import os, signal
from services.store.main import run
from services.store.source import Source
from schemas.settings import Settings
Source.done = lambda self, offsets: os.kill(os.getpid(), signal.SIGKILL)
run(Settings())
"""

# Believes once that the group has owed it an assignment for far too long.
LOSE_PLACE = """
from services.store.main import run
from services.store.source import Source
from schemas.settings import Settings
done = Source.done
def lose_place(self, offsets):
    done(self, offsets)
    Source.done = done
    self._seat.lost_at = 0.0
Source.done = lose_place
run(Settings())
"""

# Says so whenever it begins to insert.
SAY_INSERT = """
from services.store.main import run
from services.store.clickhouse import Tables
from schemas.settings import Settings
insert = Tables.insert
def say(self, table, ndjson):
    print("inserting", table, flush=True)
    return insert(self, table, ndjson)
Tables.insert = say
run(Settings())
"""

COUNT = "SELECT count(), uniqExact(case_id) FROM outcomes FINAL"
HISTORY = "SELECT count(), uniqExact(case_id) FROM outcome_history FINAL"


def test_sigkill_between_insert_and_commit_shows_nothing_twice(bench: Bench) -> None:
    for partition in range(2):
        bench.send(Topic.OUTCOMES, outcomes(500, first=500 * partition), partition=partition)
    dying = bench.start(DIE_BEFORE_COMMIT)
    assert dying.wait(60) == -signal.SIGKILL
    inserted = bench.rows("SELECT count() FROM outcomes")
    assert inserted[0][0] > 0
    assert bench.committed(Topic.OUTCOMES) == {}
    bench.start()
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 1, 1: 1})
    assert bench.rows(COUNT) == [(1000, 1000)]
    assert bench.rows(HISTORY) == [(1000, 1000)]


def test_sigterm_finishes_the_flush_and_stops_at_once(bench: Bench) -> None:
    process = bench.start()
    bench.send(Topic.OUTCOMES, outcomes(10))
    until(lambda: bench.rows(COUNT) == [(10, 10)])
    bench.send(Topic.OUTCOMES, outcomes(1_000))
    assert stop(process) == 0
    committed = bench.committed(Topic.OUTCOMES)[0]
    assert bench.rows(COUNT) == [(10, 10)] if committed == 1 else [(1_000, 1_000)]


def test_sigterm_stops_it_while_clickhouse_hangs(bench: Bench, clickhouse: ClickHouse) -> None:
    process = bench.start(SAY_INSERT)
    bench.send(Topic.OUTCOMES, outcomes(10))
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 1})
    begun = bench.log.read_bytes().count(b"inserting")
    clickhouse.signal(signal.SIGSTOP)
    try:
        bench.send(Topic.OUTCOMES, outcomes(10, version=2))
        until(lambda: bench.log.read_bytes().count(b"inserting") > begun)
        assert stop(process) == 0
    finally:
        clickhouse.signal(signal.SIGCONT)
    assert bench.committed(Topic.OUTCOMES) == {0: 1}


def test_clickhouse_killed_in_the_middle_of_200_000_rows_loses_none(bench: Bench, clickhouse: ClickHouse) -> None:
    process = bench.start()
    records, rows = 400, 500
    sender = threading.Thread(
        target=lambda: [bench.send(Topic.OUTCOMES, outcomes(rows, n * rows), partition=n % 2) for n in range(records)]
    )
    sender.start()
    for threshold in (20_000, 120_000):
        until(lambda: bench.rows(f"SELECT count() > {threshold} FROM outcomes") == [(1,)])  # noqa: B023
        clickhouse.kill()
        clickhouse.restart()
    sender.join()
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: records // 2, 1: records // 2})
    assert bench.rows(COUNT) == [(records * rows, records * rows)]
    assert bench.rows(HISTORY) == [(records * rows, records * rows)]
    assert process.poll() is None
    assert bench.dead_letters() == []


def test_it_stays_in_its_group_while_clickhouse_is_away(bench: Bench, clickhouse: ClickHouse) -> None:
    process = bench.start()
    bench.send(Topic.OUTCOMES, outcomes(10))
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 1})
    assigned = bench.log.read_bytes().count(b"partitions assigned")
    clickhouse.kill()
    try:
        bench.send(Topic.OUTCOMES, outcomes(10, first=10))
        # Longer than the session (1 s) and than several tries.
        until(lambda: bench.log.read_bytes().count(b"cannot write") >= 4)
    finally:
        clickhouse.restart()
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 2})
    assert bench.rows(COUNT) == [(20, 20)]
    assert bench.log.read_bytes().count(b"partitions assigned") == assigned
    assert stop(process) == 0


def test_kafka_killed_and_restarted_is_found_again(bench: Bench, kafka: RunningBroker) -> None:
    process = bench.start()
    bench.send(Topic.OUTCOMES, outcomes(100))
    until(lambda: bench.rows(COUNT) == [(100, 100)])
    kafka.kill()
    kafka.restart()
    bench.send(Topic.OUTCOMES, outcomes(100, first=100))
    until(lambda: bench.rows(COUNT) == [(200, 200)])
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 2})
    assert stop(process) == 0


def test_two_stores_share_the_work_and_one_may_die(bench: Bench) -> None:
    first, second = bench.start(), bench.start()
    until(lambda: bench.log.read_bytes().count(b"partitions assigned") >= 2)
    bench.send(Topic.OUTCOMES, line(outcome("a")), partition=0)
    bench.send(Topic.OUTCOMES, line(outcome("b")), partition=1)
    until(lambda: bench.rows(COUNT) == [(2, 2)])
    _kill(first)
    for number in range(2):
        bench.send(Topic.OUTCOMES, line(outcome(f"after-{number}")), partition=number)
    until(lambda: bench.rows(COUNT) == [(4, 4)])
    assert stop(second) == 0


def test_a_place_lost_in_the_group_is_taken_again(bench: Bench) -> None:
    process = bench.start(LOSE_PLACE)
    bench.send(Topic.OUTCOMES, outcomes(10))
    until(lambda: b"joining again" in bench.log.read_bytes())
    bench.send(Topic.OUTCOMES, outcomes(10, first=10))
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 2})
    assert bench.rows(COUNT) == [(20, 20)]
    assert stop(process) == 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
