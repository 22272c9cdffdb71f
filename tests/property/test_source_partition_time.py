"""Stream time of a source partition by example: events dated ahead, catching up, what a manifest allows."""

import msgspec

from schemas.times import text
from schemas.topics import Topic
from streams.transport import Chunk, Record
from tests.property.cluster import LATENESS
from tests.property.driving import raw
from tests.property.test_source_partition_examples import NOW, at_home, opened, partition, write

MINUTE = 60_000
DAY_MS = 86_400_000


def stop(at: int) -> bytes:
    about = {"event_id": "stop", "type": "contact.connected", "occurred_at": text(at), "case_id": at_home()}
    return raw(about)


def ahead(number: int, at: int) -> bytes:
    return opened(at_home(number), at)


def test_an_event_dated_ahead_moves_no_time_of_a_partition_that_is_catching_up() -> None:
    """It was dated four minutes ahead when it came. When it is read an hour later nothing in it shows that but when
    the broker appended it."""
    later = NOW + 3_600_000
    owner = partition(later)
    behind = [Record(0, opened(at_home()), NOW), Record(1, ahead(1, NOW + 240_000), NOW + 1_000)]
    owner.feed(Chunk(behind, 2, None, 3), later)
    owner.advance(later, LATENESS, 3)
    assert owner.engine.now <= NOW + 1_000
    assert {o.state for o in owner.engine.outcomes()} == {"running"}
    owner.feed(Chunk([Record(2, stop(NOW + 30_000), NOW + 30_000)], 3, None, 3), later)
    owner.advance(later, LATENESS, 3)
    assert sorted(o.state for o in owner.engine.outcomes()) == ["breached", "met"]


def test_an_event_that_waited_moves_no_time_of_a_partition_that_is_catching_up() -> None:
    later = NOW + 3_600_000
    table: dict[str, bytes] = {}
    first = partition(rows=table, keep_ms=10**9)
    soon = NOW + 5_000  # due just beyond what the first owner may have judged
    first.feed(
        Chunk([Record(0, opened(at_home(), soon), soon), Record(1, ahead(1, NOW + 240_000), soon)], 2, None, 2), soon
    )
    first.advance(soon, LATENESS, 2)
    write(table, first)
    heir = partition(later, table, keep_ms=10**9)
    told: list[str] = []
    for offset, value in ((2, ahead(2, NOW + 10_000)), (3, stop(NOW + 30_000))):
        heir.feed(Chunk([Record(offset, value, NOW + offset * 10_000)], offset + 1, None, 4), later)
        for _ in range(2):
            heir.advance(later, LATENESS, 4)
            write(table, heir, later)  # time may go on
        told += [
            record["state"]
            for send in heir.outcomes()
            if send.topic is Topic.OUTCOMES
            for record in map(msgspec.json.decode, send.value.split(b"\n"))
            if record["case_id"] == at_home()
        ]
    assert "breached" not in told, "the stop was there, it only was not read yet"
    assert told[-1] == "met"


def test_time_follows_old_events_while_they_are_read() -> None:
    later = NOW + 10 * DAY_MS
    owner = partition(later)
    owner.feed(Chunk([Record(0, opened(at_home()), later)], 1, None, 3), later)
    owner.advance(later, LATENESS, 3)
    assert owner.engine.now == NOW
    owner.feed(Chunk([Record(1, opened(at_home(1), NOW + MINUTE), later)], 2, None, 3), later)
    owner.advance(later, LATENESS, 3)
    assert owner.engine.now == NOW + MINUTE


def test_an_event_that_waits_moves_no_time_while_those_before_its_time_are_unread() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=10**9)
    owner.feed(Chunk([Record(0, opened(at_home()), NOW), Record(1, ahead(1, NOW + 240_000), NOW)], 2, None, 3), NOW)
    for wall in (NOW + 100_000, NOW + 200_000):
        owner.feed(Chunk([], 2, None, 3), wall)
        owner.advance(wall, LATENESS, 3)
        write(table, owner, wall)
    assert owner.engine.now == NOW
    assert {o.state for o in owner.engine.outcomes()} == {"running"}


def test_time_stays_the_lateness_behind_the_wall_while_catching_up_too() -> None:
    owner = partition()
    owner.feed(Chunk([Record(0, opened(at_home()), NOW)], 1, None, 2), NOW)
    owner.advance(NOW, LATENESS, 2)
    assert owner.engine.now == NOW - LATENESS


def test_nothing_is_judged_beyond_what_a_manifest_says_may_be() -> None:
    """A successor goes there before anything else: what was told beyond it would stand uncorrected."""
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=10**9)
    owner.feed(Chunk([Record(0, opened(at_home()), NOW)], 1, None, 1), NOW)
    write(table, owner)
    for seconds in (30, 300, 3_000):
        wall = NOW + seconds * 1_000
        owner.advance(wall, LATENESS, 1)
        assert owner.engine.now <= owner.manifest.horizon
        mark = msgspec.json.decode(owner.watermark().value)
        assert (mark["stream_time"], mark["position"]) == (text(owner.engine.now), 0), "not further than was judged"
        assert owner.unsaved == (seconds > 30), "half of what is allowed is used up"
        heir = partition(wall, dict(table), keep_ms=10**9)
        heir.feed(Chunk([], 1, None, 1), wall)
        assert heir.engine.now >= owner.engine.now
        write(table, owner, wall)
