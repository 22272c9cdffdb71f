"""Rebuilds against a real Kafka, store and ClickHouse, at moments that a live worker only passes through: its successor
stands behind what was told, an event comes again, the time of agents is still to be booked, slices are lost."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.rollup import CLOCK_COUNTS, CUSTOMER_STAGE, DIMENSIONS
from schemas.routing import partition_of
from schemas.times import text
from schemas.topics import Topic
from services.rebuild.run import Report, rebuild
from streams.customer_partition import CustomerPartition
from streams.partition import SourcePartition
from streams.stage import Retention, Send
from streams.transport import Chunk, Record
from tests.integration.store.bench import Bench, MakeBench, until
from tests.oracles import arrived, histories
from tests.oracles.contract import Json
from tests.property.driving import expected, policy_file, raw, view_rows

PARTITIONS = 2
LATENESS = 300
POLICY: Json = {
    "version": 1,
    "policies": [{"name": "all", "clocks": {"connect": {"target": "40s"}, "resolution": {"target": "5m"}}}],
}
START = (time.time_ns() // 1_000_000 - 1_800_000) // 60_000 * 60_000
"""Half an hour ago: the broker's own times must not lie before it."""


class Worker:
    """One source partition in the test's hands: it reads, tells and dies when the test says so."""

    def __init__(self, bench: Bench, number: int) -> None:
        self._bench = bench
        self._number = number
        self._records: list[Record] = []
        self._table: dict[str, bytes] = {}
        self._take_over(START)

    def append(self, events: Sequence[Json]) -> None:
        """Events come in, a record each."""
        for event in events:
            topic = self._bench.settings.topic(Topic.EVENTS)
            sent = self._bench.producer.send(topic, raw(event), partition=self._number).get(timeout=60)
            self._records.append(Record(sent.offset, raw(event), sent.timestamp))

    @property
    def came(self) -> list[tuple[Json, datetime]]:
        """The events that have come, and when the broker had them."""
        return [(msgspec.json.decode(one.value or b""), histories.at(one.appended)) for one in self._records]

    def read(self, most: int, wall: int, settle: bool = True) -> None:
        """Reads some more, says what changed, and how far it is."""
        first = self._owner.position + 1
        fresh = self._records[first : first + most]
        self._send(self._owner.feed(Chunk(fresh, first + len(fresh), None, len(self._records)), wall))
        self._owner._settled_at = 0 if settle else wall
        self._owner.advance(wall, LATENESS, len(self._records))
        self._send([*self._owner.outcomes(), *self._owner.slices()])
        mark = self._owner.watermark()
        self.marked = msgspec.json.decode(mark.value)["version"]
        self._send([mark])

    def checkpoint(self, wall: int) -> None:
        """What it is goes into its table."""
        checkpoint = self._owner.checkpoint(wall, len(self._records))
        for key, value in (*checkpoint.rows(), checkpoint.manifest_row()):
            assert value is not None
            self._table[key] = value
        self._owner.manifest = checkpoint.manifest

    def die(self, wall: int) -> None:
        """Another one goes on from the last checkpoint."""
        self._take_over(wall)

    def _take_over(self, wall: int) -> None:
        policy, retention = policy_file(POLICY), Retention(10**12)
        self._owner = SourcePartition(self._number, PARTITIONS, policy, retention, self._table.get, wall, LATENESS)
        self.checkpoint(wall)
        self._send(self._owner.policies())

    def _send(self, sends: list[Send]) -> None:
        for send in sends:
            self._bench.send(send.topic, send.value, send.key, send.partition)


class Place:
    """A store at work and a worker for each partition. `events` are all that came."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.start()
        until(lambda: bench.rows("SELECT count() FROM policies"))
        self.events: list[Json] = []
        self.workers = [Worker(bench, number) for number in range(PARTITIONS)]

    def append(self, events: Sequence[Json]) -> None:
        """Events come in, each where it belongs."""
        self.events += events
        for event in events:
            key = event.get("case_id") or event["agent_id"]
            self.workers[partition_of(key, PARTITIONS)].append([event])

    def read(self, most: int, wall: int, settle: bool = True) -> None:
        """All workers read some more."""
        for worker in self.workers:
            worker.read(most, wall, settle)

    def rebuild(self, minutes: int, dry_run: bool = False) -> Report:
        """From the start on, once the store has the newest watermarks."""
        newest = [(worker.marked,) for worker in self.workers]
        sources = f"SELECT version FROM watermarks FINAL WHERE partition < {CUSTOMER_STAGE} ORDER BY partition"
        until(lambda: self.bench.rows(sources) == newest)
        return rebuild(self.bench.settings, START, START + minutes * 60_000, dry_run)

    def slices_are_the_oracles(self, wall: int) -> bool:
        """What readers add up is what an oracle makes of the events, by minute and dimensions."""
        came = [fact for worker in self.workers for fact in arrived.as_they_came(worker.came, POLICY)]
        want = expected(self.events, POLICY, histories.at(wall - LATENESS), came=came)
        got = view_rows(*self._slices())
        return all(got[part] == want[part] for part in ("clock_slices", "contact_slices"))

    def _slices(self) -> tuple[list[Json], list[Json]]:
        clocks, contacts = ("clock", *DIMENSIONS, *CLOCK_COUNTS), (*DIMENSIONS, "customers", *MEASURES, *DURATIONS)
        found = [
            [
                dict(zip(("slice", *names), (text(row[0]), *row[1:]), strict=True))
                for row in self.bench.rows(
                    f"SELECT toUnixTimestamp64Milli(slice), {', '.join(names)} FROM {table} FINAL"
                )
            ]
            for table, names in (("clock_slices", clocks), ("contact_slices", contacts))
        ]
        for row in found[1]:
            row["counts"] = {name: row.pop(name) for name in MEASURES}
            row["durations"] = {name: row.pop(name) for name in DURATIONS}
        return found[0], found[1]


@pytest.fixture
def place(make_bench: MakeBench) -> Iterator[Place]:
    bench = make_bench()
    yield Place(bench)
    bench.close()


def wrong(report: Report) -> tuple[int, int, int]:
    return report.contact, report.clock, report.busy


def contacts(first: int, last: int, minute: float) -> list[Json]:
    """Cases opened, two thirds of them connected in time, half resolved; the others breach."""
    events: list[Json] = []
    for number in range(first, last):
        about: Json = {"case_id": f"c{number}", "channel": ("phone", "chat")[number % 2], "team": f"t{number % 3}"}
        at = START + round(minute * 60_000) + number * 100
        steps = [("contact.opened", 0), *([("contact.connected", 30_000)] if number % 3 else [])]
        steps += [("contact.resolved", 50_000)] if number % 2 else []
        for kind, after in steps:
            events.append({"event_id": f"{number}-{kind}", "type": kind, "occurred_at": text(at + after)} | about)
    return events


def test_a_successor_behind_what_was_told_leaves_nothing_to_correct(place: Place) -> None:
    place.append(contacts(0, 12, minute=0))
    place.read(100, START + 60_000)
    for worker in place.workers:
        worker.checkpoint(START + 60_000)
    place.append(contacts(12, 40, minute=0.2))
    place.read(100, wall := START + 100_000)
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    for worker in place.workers:
        worker.die(wall)
    # It says where it stands before it has read anything: behind the slices that are there.
    place.read(0, wall)
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    place.read(7, wall + 1_000)
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    place.read(100, wall + 2_000)
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    assert place.slices_are_the_oracles(wall + 2_000)


def test_an_event_that_comes_again_is_no_other_event(place: Place) -> None:
    events = contacts(0, 12, minute=0)
    place.append(events)
    place.read(100, START + 61_000)
    place.append(events[:6])  # stored, and not yet read
    for number in range(PARTITIONS):
        copies = [event for event in events if partition_of(event["case_id"], PARTITIONS) != number]
        place.workers[number].append(copies[:2])  # stored where it does not belong, and not yet passed on
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    place.read(100, START + 62_000)
    assert wrong(place.rebuild(1)) == (0, 0, 0)


def test_time_of_agents_is_compared_up_to_where_it_is_booked(place: Place) -> None:
    states = (("available", 5_000), ("busy", 50_000), ("available", 53_000))
    place.append(
        [
            {"event_id": f"{agent}-{at}", "type": "agent.state", "agent_id": agent, "team": "east"}
            | {"occurred_at": text(START + at), "data": {"state": state}}
            for agent in ("ann", "bo", "cy")
            for state, at in states
        ]
    )
    place.read(100, START + 55_000)
    place.read(100, START + 61_000, settle=False)
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    place.read(100, START + 66_000)
    assert wrong(place.rebuild(1)) == (0, 0, 0)


def test_lost_slices_are_brought_back_behind_a_dead_worker_and_once(place: Place) -> None:
    place.append(contacts(0, 40, minute=0))
    place.read(100, START + 60_000)
    for worker in place.workers:
        worker.checkpoint(START + 60_000)
    place.read(0, wall := START + 100_000)
    assert wrong(place.rebuild(1, dry_run=True)) == (0, 0, 0)
    for worker in place.workers:
        worker.checkpoint(wall)
    for table in ("clock_slices", "contact_slices"):
        place.bench.command(f"DELETE FROM {table} WHERE partition = 0")
    for worker in place.workers:
        worker.die(wall)
    place.read(0, wall)
    dry = place.rebuild(1, dry_run=True)
    assert dry.contact > 0
    assert dry.clock > 0
    assert wrong(place.rebuild(1)) == wrong(dry)
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    place.read(100, wall + 1_000)
    assert wrong(place.rebuild(1, dry_run=True)) == (0, 0, 0)
    assert place.slices_are_the_oracles(wall + 1_000)


def test_lost_slices_of_customers_are_brought_back_once(place: Place) -> None:
    events = contacts(0, 12, minute=0)
    for number, event in enumerate(events):
        event["customer_id"] = f"u{number % 3}"
    place.append(events)
    place.read(100, START + 61_000)
    stage = [CustomerPartition(number, PARTITIONS, Retention(10**12), {}.get, START) for number in range(PARTITIONS)]
    told = KafkaConsumer(bootstrap_servers=place.bench.settings.kafka, auto_offset_reset="earliest")
    topics = [TopicPartition(place.bench.settings.topic(Topic.CUSTOMERS), number) for number in range(PARTITIONS)]
    told.assign(topics)
    ends = told.end_offsets(topics)
    until(lambda: _read(told, stage) and all(told.position(tp) == end for tp, end in ends.items()))
    told.close()
    for owner in stage:
        for send in [*owner.slices(), owner.watermark()]:
            place.bench.send(send.topic, send.value, send.key, send.partition)
    mine = f"FROM contact_slices FINAL WHERE partition >= {CUSTOMER_STAGE}"
    until(lambda: place.bench.rows(f"SELECT sum(repeats) > 0 {mine}") == [(1,)])
    assert wrong(place.rebuild(1)) == (0, 0, 0)
    repeats = place.bench.rows(f"SELECT sum(repeats), sum(resolved_repeated) {mine}")
    place.bench.command(f"DELETE FROM contact_slices WHERE partition >= {CUSTOMER_STAGE}")
    assert wrong(place.rebuild(1)) > (0, 0, 0)
    assert place.bench.rows(f"SELECT sum(repeats), sum(resolved_repeated) {mine}") == repeats
    assert wrong(place.rebuild(1)) == (0, 0, 0)


def _read(told: KafkaConsumer, stage: Sequence[CustomerPartition]) -> bool:
    for tp, records in told.poll(timeout_ms=200).items():
        chunk = [Record(record.offset, record.value, record.timestamp) for record in records]
        stage[tp.partition].feed(Chunk(chunk, chunk[-1].offset + 1, None, chunk[-1].offset + 1), START + 61_000)
    return True
