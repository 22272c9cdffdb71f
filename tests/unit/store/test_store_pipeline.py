"""A flush: rows in, in the order that keeps promises; then, and only then, the offsets. Nothing left out or kept over.

Source and tables are stand-ins here, so that what is done between two of their calls can be seen.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import NotEnoughReplicasError
from structlog.testing import capture_logs

from schemas.settings import Settings
from schemas.topics import Topic
from services.store import batch as batch_module
from services.store import pipeline as module
from services.store.clickhouse import ClickHouseAway, DiskFull, RowsRefused
from services.store.metrics import StoreMetrics
from services.store.refusals import Refused
from tests.integration.store.rows import case_record, clock_slice, contact_slice, event, line, outcome, watermark

DONE = "offsets"
"""Stands for the commit among the names of tables."""


@dataclass
class World:
    """Kafka and ClickHouse: the polls to come, and what was done to both, in order."""

    polls: list[list[ConsumerRecord]]
    did: list[tuple[str, Any]] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    """Tables (or the dead-letter topic) whose next try fails as if the server were away."""
    refuse: bytes | None = None
    held: int = 0
    buried: list[Refused] = field(default_factory=list)
    stopping: Event = field(default_factory=Event)
    stop_in_hold: bool = False

    def rows(self, table: str) -> list[bytes]:
        return [row for name, block in self.did if name == table for row in block.split(b"\n")]

    @property
    def order(self) -> list[str]:
        return [name for name, _ in self.did]

    @property
    def committed(self) -> dict[int, int]:
        merged: dict[TopicPartition, int] = {}
        for name, offsets in self.did:
            if name == DONE:
                merged |= offsets
        return {partition.partition: offset for partition, offset in merged.items()}


class Source:
    def __init__(self, world: World) -> None:
        self._world = world

    def poll(self, _timeout_s: float) -> Iterator[tuple[TopicPartition, ConsumerRecord]]:
        if not self._world.polls:
            self._world.stopping.set()
            return
        for record in self._world.polls.pop(0):
            yield TopicPartition(record.topic, record.partition), record

    def done(self, offsets: Mapping[TopicPartition, int]) -> None:
        if offsets:
            self._world.did.append((DONE, dict(offsets)))

    def hold(self, _seconds: float) -> None:
        self._world.held += 1
        if self._world.stop_in_hold:
            self._world.stopping.set()

    def measure_lag(self) -> None: ...

    def close(self) -> None: ...


class Tables:
    def __init__(self, world: World) -> None:
        self._world = world

    def insert(self, table: str, ndjson: bytes) -> float:
        if table in self._world.away:
            self._world.away.remove(table)
            raise ClickHouseAway("gone")
        if self._world.refuse is not None and self._world.refuse in ndjson:
            raise RowsRefused("cannot parse")
        self._world.did.append((table, ndjson))
        return 0.01

    def close(self) -> None: ...


class DeadLetters:
    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, letters: list[Refused]) -> None:
        if Topic.DEAD in self._world.away:
            self._world.away.remove(Topic.DEAD)
            raise NotEnoughReplicasError
        self._world.buried += letters

    def close(self) -> None: ...


def run(
    monkeypatch: pytest.MonkeyPatch, world: World, flush_s: float = 1e-9, metrics: StoreMetrics | None = None
) -> World:
    """The pipeline over all polls of the world, until none is left. By default each poll is flushed by itself."""
    monkeypatch.setattr(module, "Source", lambda *_: Source(world))
    monkeypatch.setattr(module, "Tables", lambda *_: Tables(world))
    monkeypatch.setattr(module, "DeadLetters", lambda *_: DeadLetters(world))
    module.Pipeline(Settings(store_flush_s=flush_s), metrics or StoreMetrics(), world.stopping).run()
    return world


def record(topic: Topic, value: bytes, offset: int = 0, partition: int = 0, key: bytes | None = None) -> ConsumerRecord:
    return ConsumerRecord(
        topic, partition, 0, offset, 1_767_225_600_000, 1, key, value, [], None, -1, len(value), -1
    )  # fmt: skip


def outcomes(first: int, count: int, partition: int = 0) -> list[ConsumerRecord]:
    return [record(Topic.OUTCOMES, line(outcome(f"c{at}")), at, partition) for at in range(first, first + count)]


def of_every_topic() -> list[ConsumerRecord]:
    """Watermarks first: the order must not be that of coming."""
    return [
        record(Topic.WATERMARKS, watermark(41, version=1)),
        record(Topic.CUSTOMERS, case_record("c", version=1)),
        record(Topic.ROLLUPS, contact_slice(9, version=1), key=b"contact"),
        record(Topic.ROLLUPS, clock_slice(5, version=1), offset=1, key=b"clock"),
        record(Topic.OUTCOMES, line(outcome("c"))),
        record(Topic.EVENTS, event("e")),
        record(Topic.POLICIES, b"{}"),
    ]


def test_watermarks_go_in_after_all_they_vouch_for_and_offsets_after_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = run(monkeypatch, World([of_every_topic()]))
    assert sorted(world.order[:-2]) == sorted(
        ["policies", "events", "outcomes", "clock_slices", "contact_slices", "slice_touches", "cases"]
    )
    assert world.order[-2:] == ["watermarks", DONE]
    touched = world.order.index("slice_touches")
    assert touched > world.order.index("clock_slices") and touched > world.order.index("contact_slices")


@pytest.mark.parametrize("away", ["events", "outcomes", "slice_touches", "cases", "watermarks"])
def test_a_table_that_is_away_is_waited_for_before_anything_later_goes_in(
    monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    world = run(monkeypatch, World([of_every_topic()], away=[away, away]))
    assert world.held == 2
    assert world.order == run(monkeypatch, World([of_every_topic()])).order


def test_a_full_disk_is_told_from_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    gauge: list[float | None] = []
    metrics = StoreMetrics()

    def look(self: Source, _seconds: float) -> None:
        gauge.append(metrics.registry.get_sample_value("contactpulse_store_clickhouse_disk_full"))

    monkeypatch.setattr(Source, "hold", look)
    insert = Tables.insert
    failures = [DiskFull("No space left on device"), ClickHouseAway("gone")]

    def full(self: Tables, table: str, ndjson: bytes) -> float:
        if failures:
            raise failures.pop(0)
        return insert(self, table, ndjson)

    monkeypatch.setattr(Tables, "insert", full)
    with capture_logs() as logged:
        world = run(monkeypatch, World([outcomes(0, 1)]), metrics=metrics)
    assert gauge == [1, 0]
    assert [("disk" in entry["event"], "full" in entry["event"]) for entry in logged] == [(True, True), (False, False)]
    assert world.committed == {0: 1}


def test_stopped_while_a_table_is_away_no_offset_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = run(monkeypatch, World([of_every_topic()], away=["watermarks"], stop_in_hold=True))
    assert DONE not in world.order and "watermarks" not in world.order


def test_each_record_goes_in_once_and_each_flush_commits_what_it_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    polls = [outcomes(0, 3) + outcomes(100, 2, partition=1), outcomes(3, 2), outcomes(102, 1, partition=1)]
    world = run(monkeypatch, World(polls))
    assert world.order == ["outcomes", DONE] * 3
    rows = world.rows("outcomes")
    assert len(rows) == len(set(rows)) == 8
    assert world.committed == {0: 5, 1: 103}
    assert [offsets for name, offsets in world.did if name == DONE][1] == {TopicPartition(Topic.OUTCOMES, 0): 5}


def test_a_batch_that_is_full_in_the_midst_of_a_poll_leaves_none_of_the_rest_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_module, "MAX_ROWS", 4)
    world = run(monkeypatch, World([outcomes(0, 11)]))
    assert Counter(world.rows("outcomes")) == Counter(line(outcome(f"c{at}")) for at in range(11))
    sizes = [block.count(b"\n") + 1 for name, block in world.did if name == "outcomes"]
    assert sizes == [4, 4, 3]
    flushed = [offsets for name, offsets in world.did if name == DONE]
    assert [offset for offsets in flushed for offset in offsets.values()] == [4, 8, 11]


def test_a_stop_in_the_midst_of_a_poll_commits_nothing_that_is_not_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_ROWS", 4)
    world = World([outcomes(0, 11)])
    monkeypatch.setattr(Source, "measure_lag", lambda self: self._world.stopping.set())
    run(monkeypatch, world)
    assert len(world.rows("outcomes")) == world.committed[0] == 4


def test_what_is_not_due_yet_goes_in_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = run(monkeypatch, World([outcomes(0, 2), outcomes(2, 2), outcomes(4, 1)]), flush_s=60)
    assert world.order == ["outcomes", DONE] * 2
    assert len(set(world.rows("outcomes"))) == world.committed[0] == 5


def test_a_refused_row_is_buried_before_its_offset_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = line(outcome("bad"))
    polled = [*outcomes(0, 3), record(Topic.OUTCOMES, bad, 3), record(Topic.OUTCOMES, line(outcome("last")), 4)]
    world = run(monkeypatch, World([polled], away=[Topic.DEAD, Topic.DEAD], refuse=bad))
    assert [letter.row for letter in world.buried] == [bad]
    assert world.buried[0].origin == f"{Topic.OUTCOMES}-0-3"
    assert world.held == 2
    assert len(set(world.rows("outcomes"))) == 4
    assert world.committed == {0: 5}


def test_stopped_while_a_letter_cannot_be_written_its_offset_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    stray = record(Topic.ROLLUPS, b"{}", key=b"no such kind")
    world = run(monkeypatch, World([[stray]], away=[Topic.DEAD], stop_in_hold=True))
    assert (world.buried, world.committed) == ([], {})


def test_slices_of_one_flush_are_not_touched_again_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    slices = [record(Topic.ROLLUPS, clock_slice(5, version=at), offset=at, key=b"clock") for at in range(2)]
    world = run(monkeypatch, World([[slices[0]], outcomes(0, 1), [slices[1]]]))
    assert len(world.rows("slice_touches")) == 2
