"""Source partitions fed from logs as a broker serves them: records packed, cut, repeated, lost and misrouted, workers
killed at any moment. What readers keep of it must equal the oracle."""

import random
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given

from schemas.errors import PartitionHalted
from schemas.routing import partition_of
from schemas.times import text, to_ms
from schemas.topics import Topic
from streams import partition as module
from streams.engine.policies import PolicyBook
from streams.engine.snapshot import Checkpoint
from streams.partition import Retention, Send, SourcePartition
from streams.transport import Chunk, Record
from tests.oracles import histories
from tests.oracles.contract import Json, parse
from tests.property.driving import assert_same, book, decoded, expected, raw, times
from tests.property.outputs import Told, without_elapsed

PARTITIONS = 3
LATENESS = 300
NO_SUCH = b'{"event_id":"y","type":"no.such","occurred_at":"2026-03-01T00:00:00Z","case_id":"c0"}'
GARBAGE = (b"{", b"[]", b"\xff\xfe", b'{"event_id": "x"}', NO_SUCH)


class Cluster:
    """Logs, checkpoint tables and workers in one place. `wall` is the wall clock in ms."""

    def __init__(self, policy: PolicyBook, wall: int) -> None:
        self.wall = wall
        self.policy = policy
        self.logs: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
        self.told = Told()
        self.dead: set[bytes] = set()
        self.owners = [self.take_over(number) for number in range(PARTITIONS)]

    def take_over(self, number: int) -> SourcePartition:
        """A new owner of a partition, as the agent makes one."""
        retention = Retention(cases=10**12, slices=1_200_000)
        rows = self.tables[number].get
        owner = SourcePartition(number, PARTITIONS, self.policy, retention, rows, self.wall, LATENESS)
        self._manifest(owner, owner.checkpoint(self.wall, 1 << 62))
        return owner

    def read(self, number: int, rng: random.Random) -> None:
        """One chunk from somewhere at or before the next record, then time passes and outputs leave."""
        owner, log = self.owners[number], self.logs[number]
        begin = max(0, owner.position + 1 - rng.choice((0, 0, 0, 1, 3)))
        chunk = Chunk(numbered(log)[begin : begin + rng.randrange(1, 8)], None, len(log))
        assert owner.accepts(chunk)
        self.send(owner.feed(chunk, self.wall))
        owner.advance(self.wall, LATENESS, len(log))
        self.send(owner.outcomes())
        if rng.randrange(2):
            self.send(owner.slices())

    def checkpoint(self, number: int, rng: random.Random, whole: bool = True) -> None:
        """A checkpoint; not `whole`: the worker is killed in the middle of it."""
        owner, table = self.owners[number], self.tables[number]
        self.send(owner.slices())
        checkpoint = owner.checkpoint(self.wall, len(self.logs[number]))
        for key, value in checkpoint.rows():
            if not whole and rng.randrange(3) == 0:
                break
            assert value is not None
            table[key] = value
        if not whole:
            self.owners[number] = self.take_over(number)
            return
        self._manifest(owner, checkpoint)
        for key, _ in checkpoint.garbage():
            table.pop(key, None)

    def _manifest(self, owner: SourcePartition, checkpoint: Checkpoint) -> None:
        key, value = checkpoint.manifest_row()
        assert value is not None
        self.tables[owner.number][key] = value
        owner.manifest = checkpoint.manifest

    def send(self, sends: list[Send]) -> None:
        """What a broker and its readers make of records."""
        for topic, partition, key, value, headers in sends:
            if topic is Topic.EVENTS:
                self.logs[partition].append(value)
            elif topic is Topic.DEAD:
                assert headers["origin"] == key
                assert headers["reason"]
                self.dead.add(value)
            elif topic is Topic.OUTCOMES:
                for line in value.split(b"\n"):
                    self.told.outcome(msgspec.json.decode(line))
            else:
                for line in value.split(b"\n"):
                    self.told.slice(key.decode(), msgspec.json.decode(line))

    @property
    def behind(self) -> list[int]:
        """Partitions with something unread."""
        return [n for n, owner in enumerate(self.owners) if owner.position + 1 < len(self.logs[n])]


def numbered(values: Sequence[bytes]) -> list[Record]:
    """Records with their offsets from 0."""
    return [Record(offset, value) for offset, value in enumerate(values)]


def one(value: bytes, offset: int = 0, end: int = 9) -> Chunk:
    """A chunk of one record."""
    return Chunk([Record(offset, value)], None, end)


def packed(rng: random.Random, events: list[Json]) -> bytes:
    """A record: one event, perhaps over several lines, or several, one a line."""
    if len(events) == 1 and rng.randrange(4) == 0:
        return msgspec.json.format(raw(events[0]), indent=2)
    return rng.choice((b"\n", b"\n\n")).join(map(raw, events))


@given(histories.randoms)
def test_whatever_happens_to_workers_readers_see_the_truth(rng: random.Random) -> None:
    policy, events = histories.policy(rng), histories.history(rng, most=10, cases=4)
    now = to_ms(histories.final(rng, events))
    coming = histories.arrivals(rng, events)
    cluster = Cluster(book(policy), times(events)[0] + LATENESS)
    waiting, garbage = list(coming), set[bytes]()
    while waiting or cluster.behind:
        if waiting:
            batch = [waiting.pop(0) for _ in range(min(len(waiting), rng.randrange(1, 4)))]
            home = {partition_of(decoded(event).key, PARTITIONS) for event in batch}
            number = home.pop() if len(home) == 1 and rng.randrange(3) else rng.randrange(PARTITIONS)
            cluster.logs[number].append(packed(rng, batch))
            latest = max(to_ms(parse(event["occurred_at"])) for event in batch)
            cluster.wall = max(cluster.wall, min(now, latest + rng.choice((0, 500, 61_000))) + LATENESS)
        if rng.randrange(8) == 0:
            garbage.add(rng.choice(GARBAGE))
            cluster.logs[rng.randrange(PARTITIONS)] += garbage
        for number in cluster.behind:
            if rng.randrange(3):
                cluster.read(number, rng)
            if rng.randrange(6) == 0:
                cluster.checkpoint(number, rng, whole=rng.randrange(3) > 0)
            elif rng.randrange(12) == 0:
                cluster.owners[number] = cluster.take_over(number)
    cluster.wall = now + LATENESS
    for number in range(PARTITIONS):
        cluster.read(number, rng)
        if cluster.owners[number].unsaved:  # time does not run far ahead of what is saved
            cluster.checkpoint(number, rng)
        cluster.read(number, rng)
        cluster.send(cluster.owners[number].slices())
    assert cluster.dead == garbage
    assert_same(cluster.told.view(), without_elapsed(expected(coming, policy, histories.at(now))))


# One by one


def partition(now: int | None = None, rows: dict[str, bytes] | None = None) -> SourcePartition:
    """The first of three partitions, taken over at `now`, with one promise for everyone."""
    policy = {"version": 1, "policies": [{"name": "all", "clocks": {"connect": {"target": "1m"}}}]}
    return SourcePartition(0, PARTITIONS, book(policy), Retention(1000), (rows or {}).get, now or NOW)


NOW = to_ms(histories.BASE)


def at_home(number: int = 0, home: int = 0) -> str:
    """The n-th case id that lives in a partition."""
    return [name for name in (f"c{n}" for n in range(1000)) if partition_of(name, PARTITIONS) == home][number]


def opened(case_id: str, at: int = NOW) -> bytes:
    """A contact.opened."""
    about = {"occurred_at": text(at), "case_id": case_id, "channel": "app"}
    return raw({"event_id": f"{case_id}-{at}", "type": "contact.opened"} | about)


def test_an_event_in_the_wrong_partition_is_sent_on_untouched() -> None:
    owner, line = partition(), opened(at_home(home=2))
    assert owner.feed(one(line), NOW) == [Send(Topic.EVENTS, 2, at_home(home=2).encode(), line)]
    assert (owner.counts.forwarded, owner.counts.events, len(owner.engine.cases)) == (1, 0, 0)


def test_what_is_no_event_goes_to_the_dead_letters_with_reason_field_and_origin() -> None:
    owner = partition()
    bad = opened("x").replace(b'"channel":"app"', b'"channel":"fax"')
    [send] = owner.feed(one(bad, 7), NOW)
    assert send[:4] == (Topic.DEAD, 0, b"contact.events-0-7", bad)
    assert send.headers["field"] == b"channel"
    assert b"fax" in send.headers["reason"]
    assert owner.counts.dead == 1


def test_one_bad_line_of_a_record_costs_only_itself() -> None:
    owner = partition()
    value = b"\n".join([opened(at_home(0)), b"{", opened(at_home(1))])
    [send] = owner.feed(one(value, 3), NOW)
    assert (send.key, send.value) == (b"contact.events-0-3-1", b"{")
    assert owner.counts.events == 2


@pytest.mark.parametrize(
    ("ahead_ms", "applied", "flagged"), [(300_000, 1, 0), (300_001, 1, 1), (3_600_000, 1, 1), (3_600_001, 0, 0)]
)
def test_events_from_the_future_do_not_move_time(ahead_ms: int, applied: int, flagged: int) -> None:
    owner = partition()
    owner.feed(one(opened(at_home(), NOW + ahead_ms)), NOW)
    owner.advance(NOW, LATENESS, 5)
    assert (owner.counts.events, owner.counts.future, owner.counts.dead) == (applied, flagged, 1 - applied)
    assert owner.engine.now <= NOW - LATENESS


def test_a_gap_is_refused_until_it_was_read_again() -> None:
    owner = partition()
    owner.feed(one(opened(at_home())), NOW)
    beyond = [Record(5, opened(at_home(1)))]
    assert not owner.accepts(Chunk(beyond, None, 9))
    assert not owner.accepts(Chunk(beyond, 4, 9))
    assert owner.accepts(Chunk(beyond, 1, 9)), "rewound and still beyond: the gap is natural"
    assert owner.accepts(Chunk([], None, 9))


def test_records_read_before_are_passed_over() -> None:
    owner = partition()
    chunk = one(opened(at_home()))
    owner.feed(chunk, NOW)
    assert owner.feed(chunk, NOW) == []
    assert (owner.counts.events, owner.counts.duplicates, owner.position) == (1, 0, 0)


def test_catching_up_breaches_nothing_that_was_answered_in_time() -> None:
    hour_later = NOW + 3_600_000
    owner, case_id = partition(hour_later), at_home()
    answer = raw({"event_id": "z", "type": "contact.connected", "occurred_at": text(NOW + 30_000), "case_id": case_id})
    owner.feed(one(opened(case_id), 0, 2), hour_later)
    owner.advance(hour_later, LATENESS, 2)
    assert [o.state for o in owner.engine.outcomes()] == ["running"]
    owner.feed(one(answer, 1, 2), hour_later)
    owner.advance(hour_later, LATENESS, 2)
    assert [o.state for o in owner.engine.outcomes()] == ["met"]
    assert owner.engine.now == hour_later - LATENESS


def test_a_flood_of_garbage_halts_the_partition_before_it_drains_away() -> None:
    owner = partition()
    sends = owner.feed(Chunk(numbered([b"{"] * 2000), None, 2000), NOW)
    assert isinstance(owner.halted, PartitionHalted)
    assert "partition 0 halted near offset 999: 1000 of the last 1000 events were undecodable" in str(owner.halted)
    assert (owner.position, len(sends)) == (999, 1000), "nothing told is lost, nothing unread passed over"


def test_a_tenth_of_garbage_is_borne() -> None:
    owner, line = partition(), opened(at_home())
    values = [b"{" if n % 10 == 9 else line for n in range(3 * module.BAD_WINDOW)]
    sends = owner.feed(Chunk(numbered(values), None, len(values)), NOW)
    assert Counter(send.topic for send in sends) == {Topic.DEAD: len(values) // 10}
    assert owner.halted is None


def test_versions_rise_across_owners() -> None:
    table: dict[str, bytes] = {}
    versions = []
    for _ in range(3):
        owner = partition(rows=table)
        key, value = owner.checkpoint(NOW, 0).manifest_row()
        assert value is not None
        table[key] = value
        versions += [msgspec.json.decode(owner.watermark().value)["version"] for _ in range(2)]
    assert versions == sorted(set(versions))
