"""What stands in Kafka can be read in ClickHouse, once and in its newest version; refused rows are kept elsewhere."""

import pytest

from schemas.topics import Topic
from tests.integration.store.bench import Bench, MakeBench, until
from tests.integration.store.rows import (
    TOLD_AT,
    case_record,
    clock_slice,
    contact_slice,
    event,
    line,
    outcome,
    watermark,
)


@pytest.fixture(scope="module")
def running(make_bench: MakeBench) -> Bench:
    """One store for the whole module; the tests differ by case."""
    bench = make_bench()
    bench.start()
    return bench


def marker(bench: Bench, case_id: str) -> None:
    """Waits until everything sent before is stored: appends one more outcome to each partition and waits for both."""
    for partition in range(2):
        bench.send(Topic.OUTCOMES, line(outcome(f"{case_id}-end-{partition}")), partition=partition)
    until(lambda: bench.rows(f"SELECT count() FROM outcomes FINAL WHERE case_id LIKE '{case_id}-end-%'") == [(2,)])


def test_rows_of_every_topic_arrive(running: Bench) -> None:
    lines = b"\n".join([event("e1", "all"), b"not an event", event("e2", "all")])
    at = running.send(Topic.EVENTS, lines, key=b"all", partition=1)
    running.send(Topic.ROLLUPS, clock_slice(5, version=1), key=b"clock")
    waits = {0: 2, 301: 5}
    running.send(Topic.ROLLUPS, contact_slice(9, version=1, waits=waits, customers=[7, 2**53 - 1]), key=b"contact")
    running.send(Topic.CUSTOMERS, case_record("all", version=1), key=b"k-1")
    running.send(Topic.WATERMARKS, watermark(41, version=1), key=b"0")
    marker(running, "all")
    until(lambda: running.rows("SELECT count() FROM watermarks FINAL") == [(1,)])
    until(lambda: running.rows("SELECT count() FROM contact_slices FINAL") == [(1,)])
    until(lambda: running.rows("SELECT count() FROM events FINAL WHERE case_id = 'all'") == [(2,)])
    assert running.rows(
        "SELECT event_id, toString(occurred_at), channel, team, body, received_at > now() - 60, partition, offset "
        "FROM events FINAL WHERE case_id = 'all' ORDER BY event_id"
    ) == [(e, "2026-01-31 01:00:00.500", "phone", None, event(e, "all").decode(), 1, 1, at) for e in ("e1", "e2")]
    assert running.rows("SELECT met, elapsed_ms, team, priority FROM clock_slices FINAL") == [(5, 300_000, None, "L1")]
    for table in ("contact_slices", "contact_slice_history"):
        assert running.rows(
            f"SELECT opened, connected, connect_wait, resolution, arraySort(customers), partition FROM {table} FINAL"
        ) == [(9, 0, waits, {}, [7, 2**53 - 1], 1)]
    assert running.rows("SELECT kind, toString(hour), sum(touches) FROM slice_touches GROUP BY 1, 2 ORDER BY 1") == [
        ("clock", "2026-01-31 01:00:00.000", 1),
        ("contact", "2026-01-31 01:00:00.000", 1),
    ]
    assert running.rows("SELECT toString(stream_time), position, open_cases, folded FROM watermarks FINAL") == [
        ("2026-01-31 01:02:03.004", 41, 7, {"queue": 3})
    ]
    assert running.rows("SELECT partition, position FROM watermark_history FINAL") == [(0, 41)]
    assert running.rows(
        "SELECT state, elapsed_s, toString(ended_at), category, queue FROM outcomes FINAL WHERE case_id = 'all-end-0'"
    ) == [("met", 61.25, "2026-01-31 01:01:01.250", "售后", None)]


def test_the_newest_version_of_a_case_wins_and_each_stays_in_the_history(running: Bench) -> None:
    running.send(Topic.CUSTOMERS, case_record("known", version=2, ends=["2026-01-31T02:00:00.000Z"]), partition=1)
    running.send(Topic.CUSTOMERS, case_record("known", version=1))
    marker(running, "known")
    until(lambda: running.rows("SELECT count() FROM case_history FINAL WHERE case_id = 'known'") == [(2,)])
    assert running.rows(
        "SELECT version, customer_id, agent_id, toString(connected_at), length(opens), open, opened_as[4] "
        "FROM cases FINAL WHERE case_id = 'known'"
    ) == [(2, "k-1", "a17", "2026-01-31 01:00:20.500", 1, 0, "L2")]
    assert running.rows("SELECT version, open FROM case_history FINAL WHERE case_id = 'known' ORDER BY version") == [
        (1, 1),
        (2, 0),
    ]


def test_redelivery_shows_nothing_twice(running: Bench) -> None:
    for _ in range(3):
        running.send(Topic.OUTCOMES, line(outcome("again", version=3)))
        running.send(Topic.EVENTS, event("e-again", "again"))
        running.send(Topic.EVENTS, event("e-again", "again"), partition=1)
    marker(running, "again")
    assert running.rows("SELECT count() FROM outcomes FINAL WHERE case_id = 'again'") == [(1,)]
    until(lambda: running.rows("SELECT count() > 0 FROM events WHERE case_id = 'again'") == [(1,)])
    assert running.rows("SELECT count() FROM events FINAL WHERE case_id = 'again'") == [(1,)]


def test_every_version_stays_in_the_history_once(running: Bench) -> None:
    for _ in range(2):
        for version, state in ((3, "breached"), (4, "met")):
            running.send(Topic.OUTCOMES, line(outcome("told", version=version, state=state)))
        running.send(Topic.OUTCOMES, line(outcome("told", version=5, withdrawn=1)))
        marker(running, "told")
    history = "FROM outcome_history FINAL WHERE case_id = 'told'"
    assert running.rows(f"SELECT version, state, withdrawn, cause {history} ORDER BY version") == [
        (3, "breached", 0, "e-7"),
        (4, "met", 0, "e-7"),
        (5, "met", 1, "e-7"),
    ]
    assert running.rows(f"SELECT held, warned, toString(ended_at) {history} AND version = 4") == [
        ({"queue": 20.0, "agent:a17": 41.25}, 0.8, "2026-01-31 01:01:01.250")
    ]
    assert running.rows(f"SELECT toString(max(told_at)) {history}") == [(TOLD_AT.replace("T", " ")[:-1],)]


def test_an_outcome_of_an_older_worker_is_taken_without_what_it_does_not_say(running: Bench) -> None:
    old = outcome("older")
    new = ("ref", "warned_at", "warned", "held", "told_at", "cause")
    said = {name: getattr(old, name) for name in old.__struct_fields__ if name not in new}
    running.send(Topic.OUTCOMES, line(said))
    marker(running, "older")
    [found] = running.rows("SELECT state, ref, held, toString(told_at) FROM outcomes FINAL WHERE case_id = 'older'")
    assert found == ("met", None, {}, "1970-01-01 00:00:00.000")


def test_a_lower_version_never_wins(running: Bench) -> None:
    running.send(Topic.OUTCOMES, line(outcome("low", version=7, state="met")))
    running.send(Topic.ROLLUPS, clock_slice(70, version=7, partition=1), key=b"clock")
    marker(running, "low")
    running.send(Topic.OUTCOMES, line(outcome("low", version=6, state="breached")))
    running.send(Topic.ROLLUPS, clock_slice(60, version=6, partition=1), key=b"clock")
    running.send(Topic.ROLLUPS, clock_slice(80, version=8, partition=2), key=b"clock")
    marker(running, "lower")
    until(lambda: running.rows("SELECT count() FROM clock_slices FINAL WHERE partition = 2") == [(1,)])
    assert running.rows("SELECT state, version FROM outcomes FINAL WHERE case_id = 'low'") == [("met", 7)]
    assert running.rows("SELECT met FROM clock_slices FINAL WHERE partition = 1") == [(70,)]


def test_a_withdrawn_outcome_disappears_and_may_come_back(running: Bench) -> None:
    seen = "SELECT version FROM outcomes FINAL WHERE case_id = 'gone'"
    running.send(Topic.OUTCOMES, line(outcome("gone", version=1)))
    until(lambda: running.rows(seen) == [(1,)])
    running.send(Topic.OUTCOMES, line(outcome("gone", version=2, withdrawn=1)))
    marker(running, "gone")
    assert running.rows(seen) == []
    running.send(Topic.OUTCOMES, line(outcome("gone", version=3)))
    until(lambda: running.rows(seen) == [(3,)])


def test_a_refused_row_becomes_a_dead_letter_and_its_neighbours_arrive(running: Bench) -> None:
    bad = [
        line(outcome("bad-2")).replace(b'"2026-01-31T01:00:00.000Z"', b'"yesterday"'),
        line(outcome("bad-5")).replace(b'"seq":0', b'"seq":"first"'),
        b'{"case_id":"bad-7","clock":"cut o',
    ]
    good = [line(outcome(f"bad-good-{number}")) for number in range(20)]
    lines = [*good[:2], bad[0], *good[2:4], bad[1], *good[4:], bad[2]]
    offset = running.send(Topic.OUTCOMES, b"\n".join(lines), key=b"k", partition=1)
    stray = running.send(Topic.ROLLUPS, b"{}", key=b"no such kind")
    marker(running, "bad")
    assert running.rows("SELECT count() FROM outcomes FINAL WHERE case_id LIKE 'bad-good-%'") == [(20,)]
    until(lambda: len(running.dead_letters()) == 4)
    letters = {letter.value: letter for letter in running.dead_letters()}
    assert set(letters) == {*bad, b"{}"}
    outcomes, rollups = running.settings.topic(Topic.OUTCOMES), running.settings.topic(Topic.ROLLUPS)
    assert {letters[row].key for row in bad} == {f"{outcomes}-1-{offset}".encode()}
    assert letters[b"{}"].key == f"{rollups}-0-{stray}".encode()
    headers = dict(letters[bad[0]].headers)
    assert headers["origin"] == b"store"
    assert b"started_at" in headers["reason"] or b"yesterday" in headers["reason"]


def test_tables_that_do_not_fit_stop_the_store_before_it_drains_the_topic(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.send(Topic.OUTCOMES, b"\n".join([line({"started_at": "nonsense"})] * 500))
    process = bench.start()
    assert process.wait(60) == 1
    assert b"PartitionHalted" in bench.log.read_bytes()
    assert bench.committed(Topic.OUTCOMES) == {}
    assert bench.dead_letters() == []
