"""The second stage's partitions by example: positions, halts, what they say and under which number."""

import msgspec
import pytest

from schemas.rollup import CUSTOMER_STAGE
from schemas.times import text
from schemas.topics import Topic
from streams.customer_partition import CustomerPartition
from streams.stage import Retention
from streams.transport import Chunk, Record
from tests.property.cluster import LATENESS, PARTITIONS
from tests.property.driving import raw
from tests.property.test_source_partition_examples import NOW
from tests.property.test_source_partition_recovery import saved
from tests.unit.engine.test_customers import START, case

LATER = START + 10**9


def told(*records: object) -> bytes:
    """Lines of one record."""
    return b"\n".join(map(msgspec.json.encode, records))


def owner_of(table: dict[str, bytes] | None = None, number: int = 2) -> CustomerPartition:
    read = ({} if table is None else table).get
    return CustomerPartition(number, PARTITIONS, Retention(10**12), read, LATER)


def repeats(owner: CustomerPartition) -> int:
    return sum(cell.counts.get("repeats", 0) for cell in owner.customers.slices.cells())


def test_every_line_of_a_record_counts_and_records_read_before_are_passed_over() -> None:
    owner = owner_of()
    chunk = Chunk(
        [Record(0, told(case("a", 0), case("b", 1), case("c", 2))), Record(1, told(case("d", 3)))], 2, None, 2
    )
    assert owner.feed(chunk, LATER) == []
    assert (owner.position, repeats(owner), owner.counts.events) == (1, 3, 4)
    owner.feed(chunk, LATER)
    assert (owner.position, repeats(owner), owner.counts.events, owner.counts.duplicates) == (1, 3, 4, 0)


def test_what_no_worker_of_this_version_can_have_told_halts_before_it() -> None:
    owner = owner_of()
    records = [Record(0, told(case("a", 0))), Record(1, b'{"case_id": 1}'), Record(2, told(case("b", 1)))]
    owner.feed(Chunk(records, 3, None, 3), LATER)
    assert owner.halted is not None
    assert "partition 2 halted at offset 1" in str(owner.halted)
    assert (owner.position, owner.counts.events) == (0, 1), "read again by a worker that can"


def test_slices_and_watermarks_carry_a_number_of_the_second_stage() -> None:
    owner = owner_of()
    owner.feed(Chunk([Record(0, told(case("a", 0), case("b", 1)))], 1, None, 2), LATER + 7)
    owner.advance(LATER + 7, LATENESS, 2)
    rows = [msgspec.json.decode(line) for send in owner.slices() for line in send.value.split(b"\n")]
    assert {row["partition"] for row in rows} == {CUSTOMER_STAGE + 2}
    assert {row["told_at"] for row in rows} == {text(LATER + 7)}
    mark = owner.watermark()
    assert mark[:3] == (Topic.WATERMARKS, 2, b"%d" % (CUSTOMER_STAGE + 2))
    said = msgspec.json.decode(mark.value)
    assert (said["partition"], said["position"], said["version"] > rows[0]["version"]) == (CUSTOMER_STAGE + 2, 0, True)


def test_its_time_follows_what_it_is_told_and_never_falls() -> None:
    owner = owner_of()
    early = msgspec.structs.replace(case("a", 0), told_at=text(START + 5_000))
    owner.feed(Chunk([Record(0, told(early))], 1, None, 2), LATER)
    for end, want in ((2, START + 5_000), (1, LATER - LATENESS), (2, LATER - LATENESS)):
        owner.advance(LATER, LATENESS, end)
        assert msgspec.json.decode(owner.watermark().value)["stream_time"] == text(want)


def test_what_changes_the_state_and_no_slice_is_checkpointed_too() -> None:
    table: dict[str, bytes] = {}
    owner = owner_of(table)
    saved(table, owner, LATER)
    assert not owner.unsaved
    owner.feed(Chunk([Record(0, told(case("a", 0)))], 1, None, 1), LATER)
    assert owner.unsaved
    saved(table, owner, LATER)
    assert not owner.unsaved
    heir = owner_of(table)
    heir.feed(Chunk([Record(1, told(case("b", 1)))], 2, None, 2), LATER)
    assert (heir.position, repeats(heir)) == (1, 1)


@pytest.mark.parametrize("crowd", [1, 3])
def test_the_customers_of_every_bucket_come_back(crowd: int) -> None:
    table: dict[str, bytes] = {}
    owner, count = owner_of(table), 64 * crowd + 5
    names = [f"k{n}" for n in range(count)]
    lines = [told(case(f"a{name}", 0, customer=name)) for name in names]
    owner.feed(Chunk([Record(n, line) for n, line in enumerate(lines)], count, None, count), LATER)
    saved(table, owner, LATER)
    heir = owner_of(table)
    assert set(heir.customers.all) == set(names)
    again = [told(case(f"b{name}", 1, customer=name), case(f"c{name}x", 1, customer=f"new{name}")) for name in names]
    heir.feed(Chunk([Record(count + n, line) for n, line in enumerate(again)], 2 * count, None, 2 * count), LATER)
    assert repeats(heir) == count
    saved(table, heir, LATER)
    last = owner_of(table)
    assert len(last.customers.all) == 2 * count
    assert repeats(last) == count


def test_events_are_no_case_records() -> None:
    owner = owner_of()
    about = {"event_id": "e", "type": "contact.opened", "occurred_at": text(NOW), "case_id": "c"}
    owner.feed(Chunk([Record(0, raw(about))], 1, None, 1), LATER)
    assert (owner.halted is not None, owner.position) == (True, -1)
