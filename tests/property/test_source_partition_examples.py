"""Source partitions by example: misrouted, undecodable and future events, gaps, halts, crashes."""

import random
from collections import Counter

import msgspec
import pytest

from schemas.errors import PartitionHalted
from schemas.routing import partition_of
from schemas.times import text, to_ms
from schemas.topics import Topic
from streams import partition as module_of_chilling
from streams import stage as module
from streams.partition import SourcePartition
from streams.stage import Retention, Send
from streams.transport import Chunk, Record
from tests.oracles import histories
from tests.oracles.contract import Json
from tests.property.cluster import LATENESS, PARTITIONS, Cluster, numbered
from tests.property.driving import decoded, policy_file, raw


def one(value: bytes, offset: int = 0, end: int = 9) -> Chunk:
    """A chunk of one record."""
    return Chunk([Record(offset, value)], offset + 1, None, end)


def partition(now: int | None = None, rows: dict[str, bytes] | None = None, keep_ms: int = 1000) -> SourcePartition:
    """The first of three partitions, taken over at `now`, with one promise for everyone."""
    read = ({} if rows is None else rows).get
    return SourcePartition(0, PARTITIONS, policy_file(ONE_MINUTE), Retention(keep_ms), read, now or NOW)


NOW = to_ms(histories.BASE)
TICK = Chunk([], 0, None, 0)
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
    assert (len(owner.engine.ahead), owner.counts.future, owner.counts.dead) == (applied, flagged, 1 - applied)
    assert owner.engine.now <= NOW - LATENESS
    owner.feed(TICK, NOW + ahead_ms - 1)
    assert owner.counts.events == 0, "it waits until the clock on the wall has come to it"
    owner.feed(TICK, NOW + ahead_ms)
    assert (owner.counts.events, len(owner.engine.ahead)) == (applied, 0)


def test_an_event_from_the_future_breaches_nothing_before_it_is_due() -> None:
    owner, case_id = partition(), at_home()
    ahead = raw({"event_id": "m", "type": "message.internal", "occurred_at": text(NOW + 120_000), "case_id": case_id})
    stop = raw({"event_id": "s", "type": "contact.connected", "occurred_at": text(NOW + 59_000), "case_id": case_id})
    owner.feed(Chunk(numbered([opened(case_id), ahead]), 2, None, 2), NOW)
    owner.advance(NOW + 1_000, LATENESS, 2)
    assert [o.state for o in owner.engine.outcomes()] == ["running"]
    owner.feed(Chunk([Record(2, stop)], 3, None, 3), NOW + 59_500)
    owner.feed(TICK, NOW + 200_000)
    owner.advance(NOW + 200_000, LATENESS, 3)
    assert [o.state for o in owner.engine.outcomes()] == ["met"]


@pytest.mark.parametrize(("after_minute_ms", "late"), [(2_000, 0), (2_001, 1)])
def test_what_waited_for_its_time_is_late_by_when_the_broker_had_it(after_minute_ms: int, late: int) -> None:
    owner, t = partition(), NOW + 40_000
    taken = (t // 60_000 + 1) * 60_000 + after_minute_ms
    owner.feed(Chunk([Record(0, opened(at_home(), t), taken)], 1, None, 1), NOW)
    owner.feed(TICK, t)
    [cell] = [cell for cell in owner.engine.slices.cells() if "events" in cell.counts]
    assert (cell.counts["events"], cell.counts.get("events_late", 0)) == (1, late)


def test_what_waits_for_its_time_survives_its_owner() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table)
    owner.feed(Chunk(numbered([opened(at_home(n), NOW + n * 40_000) for n in range(5)]), 5, None, 5), NOW)
    write(table, owner)
    heir = partition(rows=table)
    assert len(heir.engine.ahead) == 4
    heir.feed(TICK, NOW + 85_000)
    assert (len(heir.engine.cases), len(heir.engine.ahead)) == (3, 2)
    write(table, heir)
    last = partition(rows=table)
    assert len(last.engine.ahead) == 2, "rows of minutes that have passed are gone"


def write(table: dict[str, bytes], owner: SourcePartition, wall: int = NOW) -> None:
    """A whole checkpoint."""
    checkpoint = owner.checkpoint(wall, 0)
    for key, value in (*checkpoint.rows(), checkpoint.manifest_row(), *checkpoint.garbage()):
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    owner.manifest = checkpoint.manifest


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
    cluster.cases[0].append(opened(case_id), cluster.wall)
    cluster.wall = NOW + 20_000
    cluster.read(cluster.cases[0], random.Random(0))
    cluster.checkpoint(cluster.cases[0], random.Random(0))
    cluster.wall = minute_later
    cluster.owners[0].advance(cluster.wall, LATENESS, 1)
    cluster.send(cluster.owners[0].outcomes() + cluster.owners[0].slices())
    assert cluster.told.view(cluster.wall)["metrics"]["sla_compliance"][0] == 0
    cluster.take_over(cluster.cases[0])
    stop = {"event_id": "z", "type": "contact.connected", "occurred_at": text(NOW + 30_000), "case_id": case_id}
    cluster.cases[0].append(raw(stop), cluster.wall)
    cluster.read(cluster.cases[0], random.Random(0))
    cluster.send(cluster.owners[0].slices())
    assert cluster.told.view(cluster.wall)["metrics"]["sla_compliance"][0] == 1


def test_a_minute_still_known_is_not_told_twice_when_older_ones_are_forgotten() -> None:
    cluster = Cluster(policy_file(ONE_MINUTE), NOW)
    for number, minutes in enumerate((0, 15, 36, 36)):
        cluster.wall = NOW + minutes * 60_000
        cluster.cases[0].append(opened(at_home(number), cluster.wall), cluster.wall)
        cluster.read(cluster.cases[0], random.Random(0))
        cluster.checkpoint(cluster.cases[0], random.Random(0))
    assert cluster.owners[0].engine.slices.generation > 0
    assert cluster.told.view(cluster.wall)["metrics"]["contacts_opened"][0] == 4


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


def test_an_owner_that_began_with_nothing_brings_back_what_it_packed_away() -> None:
    table: dict[str, bytes] = {}
    owner, case_id = partition(rows=table, keep_ms=10**9), at_home()
    resolved = raw({"event_id": "r", "type": "contact.resolved", "occurred_at": text(NOW + 1), "case_id": case_id})
    others = [opened(at_home(n), NOW) for n in range(1, 200)]  # fill further buckets: the newest one stays
    owner.feed(Chunk(numbered([opened(case_id), resolved, *others]), 201, None, 201), NOW + 10)
    owner.advance(NOW + 10, 0, 201)
    write(table, owner)
    for case in list(owner.engine.cases.values()):
        if case.id != case_id:
            late = {
                "event_id": f"x{case.id}",
                "type": "contact.closed",
                "occurred_at": text(NOW + 2),
                "case_id": case.id,
            }
            owner.engine.apply(decoded(late))
    later = NOW + 2 * module_of_chilling.CHILL_AFTER_MS
    for wall in (later, later + module_of_chilling.CHILL_EVERY_MS + 1):
        owner.engine.advance(wall)
        write(table, owner, wall)
    assert case_id in owner.engine.cold
    again = raw({"event_id": "s", "type": "survey.submitted", "occurred_at": text(NOW + 9), "case_id": case_id,
                 "data": {"csat": 5}})  # fmt: skip
    owner.feed(Chunk([Record(201, again)], 202, None, 202), later + 60_000)
    assert case_id in owner.engine.cases
    assert "s" in owner.engine.cases[case_id].facts


def test_a_state_of_nobody_that_comes_again_is_known() -> None:
    owner = partition()
    name = next(f"n{n}" for n in range(99) if partition_of(f"n{n}", PARTITIONS) == 0)
    state = raw({"event_id": name, "type": "agent.state", "occurred_at": text(NOW), "data": {"state": "busy"}})
    owner.feed(Chunk(numbered([state, state]), 2, None, 2), NOW)
    assert (owner.counts.events, owner.counts.duplicates) == (1, 1)


def test_a_series_is_told_in_one_partition_whatever_its_source() -> None:
    targets: dict[tuple[str, bytes], set[int]] = {}
    for number in range(PARTITIONS):
        owner = SourcePartition(number, PARTITIONS, policy_file(ONE_MINUTE), Retention(1000), {}.get, NOW)
        events = [
            opened(at_home(home=number)).replace(b"app", channel) for channel in (b"app", b"chat", b"phone", b"email")
        ]
        for offset, event in enumerate(events):
            owner.feed(one(event.replace(b'"event_id":"', b'"event_id":"%d' % offset), offset), NOW)
            for send in owner.slices():
                for row in map(msgspec.json.decode, send.value.split(b"\n")):
                    assert row["partition"] == number
                    targets.setdefault((row["channel"], send.key), set()).add(send.partition)
    assert all(len(found) == 1 for found in targets.values()), targets


def test_packed_lines_are_all_there_and_in_records_of_bounded_size() -> None:
    lines = [b"%d" % n + b"x" * (module.RECORD_BYTES // 3) for n in range(8)]
    records = module.packed([*lines, b"last"])
    assert b"\n".join(records).split(b"\n") == [*lines, b"last"]
    assert all(len(record) <= module.RECORD_BYTES for record in records)
    assert module.packed([]) == []
