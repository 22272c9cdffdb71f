"""Source partitions by example: misrouted, undecodable and future events, gaps, halts, crashes."""

import random
from collections import Counter

import msgspec
import pytest

from schemas.errors import PartitionHalted
from schemas.routing import partition_of
from schemas.times import text, to_ms
from schemas.topics import Topic
from streams import partition as module
from streams.partition import Retention, Send, SourcePartition
from streams.transport import Chunk, Record
from tests.oracles import histories
from tests.oracles.contract import Json
from tests.property.cluster import LATENESS, PARTITIONS, Cluster, numbered
from tests.property.driving import policy_file, raw


def one(value: bytes, offset: int = 0, end: int = 9) -> Chunk:
    """A chunk of one record."""
    return Chunk([Record(offset, value)], offset + 1, None, end)


def partition(now: int | None = None, rows: dict[str, bytes] | None = None) -> SourcePartition:
    """The first of three partitions, taken over at `now`, with one promise for everyone."""
    return SourcePartition(0, PARTITIONS, policy_file(ONE_MINUTE), Retention(1000), (rows or {}).get, now or NOW)


NOW = to_ms(histories.BASE)
ONE_MINUTE: Json = {"version": 1, "policies": [{"name": "all", "clocks": {"connect": {"target": "1m"}}}]}


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
    assert not owner.accepts(Chunk(beyond, 6, None, 9))
    assert not owner.accepts(Chunk(beyond, 6, 4, 9))
    assert owner.accepts(Chunk(beyond, 6, 1, 9)), "rewound and still beyond: the gap is natural"


def test_a_tick_tells_of_lost_records_that_no_other_follows() -> None:
    owner = partition()
    owner.feed(one(opened(at_home())), NOW)
    assert owner.accepts(Chunk([], 1, None, 9)), "nothing was handed over since"
    assert not owner.accepts(Chunk([], 6, None, 9)), "records 1 to 5 were handed over and never came"
    assert owner.accepts(Chunk([], 0, None, 9)), "a new owner's consumer has handed nothing over yet"


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
    sends = owner.feed(Chunk(numbered([b"{"] * 2000), 2000, None, 2000), NOW)
    assert isinstance(owner.halted, PartitionHalted)
    assert "partition 0 halted near offset 999: 1000 of the last 1000 events were undecodable" in str(owner.halted)
    assert (owner.position, len(sends)) == (999, 1000), "nothing told is lost, nothing unread passed over"


def test_a_tenth_of_garbage_is_borne() -> None:
    owner, line = partition(), opened(at_home())
    values = [b"{" if n % 10 == 9 else line for n in range(3 * module.BAD_WINDOW)]
    sends = owner.feed(Chunk(numbered(values), len(values), None, len(values)), NOW)
    assert Counter(send.topic for send in sends) == {Topic.DEAD: len(values) // 10}
    assert owner.halted is None


def test_a_breach_told_just_before_a_crash_is_taken_back_by_a_stop_that_came_late() -> None:
    cluster = Cluster(policy_file(ONE_MINUTE), NOW)
    case_id, minute_later = at_home(), NOW + 61_000
    cluster.logs[0].append(opened(case_id))
    cluster.wall = NOW + 20_000
    cluster.read(0, random.Random(0))
    cluster.checkpoint(0, random.Random(0))
    cluster.wall = minute_later
    cluster.owners[0].advance(cluster.wall, LATENESS, 1)
    cluster.send(cluster.owners[0].outcomes() + cluster.owners[0].slices())
    assert cluster.told.view()["metrics"]["sla_compliance"] == 0
    cluster.owners[0] = cluster.take_over(0)
    stop = {"event_id": "z", "type": "contact.connected", "occurred_at": text(NOW + 30_000), "case_id": case_id}
    cluster.logs[0].append(raw(stop))
    cluster.read(0, random.Random(0))
    cluster.send(cluster.owners[0].slices())
    assert cluster.told.view()["metrics"]["sla_compliance"] == 1


def test_a_minute_still_known_is_not_told_twice_when_older_ones_are_forgotten() -> None:
    cluster = Cluster(policy_file(ONE_MINUTE), NOW)
    for number, minutes in enumerate((0, 15, 36, 36)):
        cluster.wall = NOW + minutes * 60_000
        cluster.logs[0].append(opened(at_home(number), cluster.wall))
        cluster.read(0, random.Random(0))
        cluster.checkpoint(0, random.Random(0))
    assert cluster.owners[0].engine.slices.generation > 0
    assert cluster.told.view()["metrics"]["contacts_opened"] == 4


def test_versions_rise_across_owners() -> None:
    table: dict[str, bytes] = {}
    versions = []
    for _ in range(3):
        owner = partition(rows=table)
        checkpoint = owner.checkpoint(NOW, 0)
        for key, value in (*checkpoint.policies(), checkpoint.manifest_row()):
            assert value is not None
            table[key] = value
        versions += [msgspec.json.decode(owner.watermark().value)["version"] for _ in range(2)]
    assert versions == sorted(set(versions))
