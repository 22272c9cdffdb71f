"""What a new owner must know of what the one before it did: what was admitted, what was forgotten, how far time was."""

import random
from collections import Counter

import msgspec
import pytest

from schemas.metrics import Measure
from schemas.rollup import OTHER
from schemas.times import text
from streams.customer_partition import CustomerPartition
from streams.engine import guard
from streams.partition import LATE_MS, SourcePartition
from streams.stage import GENERATION_REST_MS, Retention, Stage
from streams.transport import Chunk, Record
from tests.oracles.contract import Json
from tests.property.cluster import LATENESS, PARTITIONS, Cluster, Line
from tests.property.driving import policy_file, raw
from tests.property.test_source_partition_examples import NOW, ONE_MINUTE, at_home, opened, partition, write
from tests.unit.engine.test_customers import DAY_MS, case

MINUTE = 60_000


def cluster() -> Cluster:
    """Both stages, in front of empty logs."""
    return Cluster(policy_file(ONE_MINUTE), NOW)


def read(world: Cluster, line: Line, *values: bytes) -> None:
    """A line's owner reads these, and says all it has to say."""
    for value in values:
        line.append(value, 0)
    while line.behind:
        world.read(line, random.Random(0))
    world.send(line.owner.slices())


def save(world: Cluster, line: Line) -> None:
    world.checkpoint(line, random.Random(0))


def counted(world: Cluster, measure: str, by: str = "category") -> dict[str | None, int]:
    """What readers make of a measure, by a dimension, without zeros."""
    sums: Counter[str | None] = Counter()
    for row in world.told.contacts.values():
        sums[row[by]] += row["counts"].get(measure, 0)
    return {value: n for value, n in sums.items() if n}


def about(number: int, category: str, at: int = NOW, **more: Json) -> bytes:
    """A contact.opened with a category."""
    event: Json = msgspec.json.decode(opened(at_home(number), at))
    return raw(event | {"category": category} | more)


def test_a_new_owner_admits_no_value_that_the_one_before_it_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(guard.VALUES, "category", 2)
    world = cluster()
    line = world.cases[0]
    read(world, line, about(0, "a"), about(1, "b"), about(2, "c"))
    assert counted(world, Measure.OPENED) == {"a": 1, "b": 1, OTHER: 1}
    save(world, line)
    for number in range(3, 6):  # the rows of two owners in turn, and of the one after
        world.take_over(line)
        read(world, line, about(number, "d"), about(number + 3, "a"))
        save(world, line)
    assert counted(world, Measure.OPENED) == {"a": 4, "b": 1, OTHER: 4}


def test_a_new_owner_takes_back_what_was_folded_where_it_was_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(guard.VALUES, "category", 1)
    world = cluster()
    line = world.cases[0]
    read(world, line, about(0, "a"), about(1, "b"))
    save(world, line)
    world.take_over(line)
    earlier = opened(at_home(1), NOW - 1_000)
    read(world, line, earlier)
    booked = {row["category"]: row["counts"] for row in world.told.contacts.values()}
    assert counted(world, Measure.OPENED) == {"a": 1, None: 1}
    assert all(n >= 0 for counts in booked.values() for n in counts.values()), booked


def test_what_the_second_stage_folded_stays_folded_for_its_next_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(guard.VALUES, "category", 1)
    world = cluster()
    line = world.customers[0]
    for number, category in enumerate(("a", "b", "c")):
        contacts = [case(f"{category}{n}", n, category=category) for n in range(2)]
        read(world, line, *[msgspec.json.encode(contact) for contact in contacts])
        save(world, line)
        world.take_over(line)
        assert sum(counted(world, Measure.REPEATS).values()) == number + 1
    assert counted(world, Measure.REPEATS) == {"a": 1, OTHER: 2}


def test_days_whose_values_are_not_remembered_any_more_leave_the_checkpoint() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=10**12)
    for day in range(guard.KEPT_DAYS + 5):
        owner.feed(Chunk([Record(day, about(day, "a", NOW - (40 - day) * DAY_MS))], day + 1, None, day + 1), NOW)
        owner.slices()
        write(table, owner)
    assert sum(name[0] == "g" for name in owner.manifest.slots) == guard.KEPT_DAYS
    assert len({key.partition(".")[0] for key in table if key[0] == "g"}) == guard.KEPT_DAYS


@pytest.mark.parametrize(("all_there", "rest"), [(True, 0), (False, 0), (True, GENERATION_REST_MS + 1)])
@pytest.mark.parametrize("stage", ["cases", "customers"])
def test_what_an_owner_told_of_an_old_minute_before_it_was_killed_is_not_counted_beside_it(
    stage: str, all_there: bool, rest: int
) -> None:
    """The slice was about to be forgotten when it was told once more; the next owner knows only that it is old."""
    world = cluster()
    line, measure, values = {
        "cases": (world.cases[0], Measure.OPENED, [opened(at_home(n), NOW + n) for n in range(3)]),
        "customers": (world.customers[0], Measure.REPEATS, [msgspec.json.encode(case(f"{n}", n)) for n in range(4)]),
    }[stage]
    read(world, line, *values[:-1])
    save(world, line)
    world.wall += 15 * MINUTE
    read(world, line, values[-1])
    before = counted(world, measure)
    world.wall += 6 * MINUTE
    if not all_there:
        line.log.pop()  # the broker has not told yet that there is more
    world.take_over(line)
    save(world, line)
    world.wall += rest
    save(world, line)
    read(world, line, *[] if all_there else values[-1:])
    assert counted(world, measure) == before == {next(iter(before)): 3}


@pytest.mark.parametrize("minute", range(-2, 3))
def test_slices_are_forgotten_when_all_was_said_again(minute: int) -> None:
    """Each minute of a block of five."""
    world = cluster()
    line, at = world.cases[0], NOW + minute * MINUTE
    world.wall = NOW + 3 * MINUTE
    read(world, line, opened(at_home(), at))
    save(world, line)
    world.wall += 30 * MINUTE
    world.take_over(line)
    for wait in (0, GENERATION_REST_MS, 1):
        world.wall += wait
        save(world, line)
        assert bool(line.owner.manifest.blocks) == (wait != 1), "not sooner, not later"
    for number in range(1, 4):
        world.take_over(line)
        read(world, line, opened(at_home(number), at))
        assert counted(world, Measure.OPENED) == {None: 1 + number}, "beside what is known of it, not instead"
        save(world, line)


def test_slices_are_kept_as_long_as_they_are_to_be_after_they_were_last_touched() -> None:
    world = cluster()
    line = world.cases[0]
    for number, minutes in enumerate((0, 10, 11)):  # the first minute is touched again when it is 10 old
        world.wall = NOW + minutes * MINUTE
        read(world, line, opened(at_home(number), NOW + (minutes // 11) * 11 * MINUTE))
    for minutes, blocks in ((20, 2), (29, 2), (30, 1), (31, 0)):
        world.wall = NOW + minutes * MINUTE + 1
        save(world, line)
        assert len(line.owner.manifest.blocks) == blocks, minutes


def test_a_new_owner_goes_on_in_the_generation_of_each_slice() -> None:
    world = cluster()
    line = world.cases[0]
    for number, minutes in enumerate((0, 11)):
        world.wall = NOW + minutes * MINUTE
        read(world, line, opened(at_home(number), world.wall))
    world.wall = NOW + 25 * MINUTE
    save(world, line)
    assert [born for _, _, born in line.owner.manifest.blocks.values()] == [0], "the older one is forgotten"
    world.take_over(line)
    read(world, line, opened(at_home(2), NOW + 11 * MINUTE), opened(at_home(3), NOW))
    assert counted(world, Measure.OPENED) == {None: 4}


def test_a_slice_changed_but_not_told_is_not_forgotten() -> None:
    world = cluster()
    line = world.cases[0]
    read(world, line, opened(at_home()))
    save(world, line)
    world.wall += 30 * MINUTE
    line.append(opened(at_home(1), NOW + 1), 0)
    line.owner.feed(Chunk([line.log[1]], 2, None, 2), world.wall)
    line.owner.checkpoint(world.wall, 2)  # whatever the agent did before
    world.send(line.owner.slices())
    assert counted(world, Measure.OPENED) == {None: 2}


RETAIN = Retention(cases=3 * DAY_MS)


def customers(table: dict[str, bytes], now: int) -> CustomerPartition:
    return CustomerPartition(0, PARTITIONS, RETAIN, table.get, now)


def saved(table: dict[str, bytes], owner: Stage, wall: int) -> None:
    owner.slices()
    checkpoint = owner.checkpoint(wall, owner.position + 1)
    for key, value in (*checkpoint.rows(), checkpoint.manifest_row(), *checkpoint.garbage()):
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    owner.manifest = checkpoint.manifest


@pytest.mark.parametrize("days", [9, 11])
@pytest.mark.parametrize("heirs", [0, 1, 2])
def test_a_customer_is_remembered_as_long_as_cases_and_the_repeat_window_last(days: int, heirs: int) -> None:
    """Cases are remembered for three days, the window is seven: a contact may be a repeat until ten days later."""
    table: dict[str, bytes] = {}
    owner = customers(table, NOW - 5 * DAY_MS)
    for wall, version in ((NOW - 5 * DAY_MS, 1), (NOW, 2)):
        told = msgspec.json.encode(case("a", 0, 10, version=version))
        owner.feed(Chunk([Record(version - 1, told)], version, None, version), wall)
    saved(table, owner, NOW)
    for _ in range(heirs):
        owner = customers(table, NOW + days * DAY_MS)
        saved(table, owner, NOW + days * DAY_MS)
    saved(table, owner, NOW + days * DAY_MS)
    assert set(owner.customers.all) == ({"kim"} if days < 10 else set())
    assert len([name for name in owner.manifest.slots if name[0] == "c"]) == (days < 10)
    owner.feed(Chunk([Record(2, msgspec.json.encode(case("b", 5 * DAY_MS)))], 3, None, 3), NOW + days * DAY_MS)
    assert sum(cell.counts.get(Measure.REPEATS, 0) for cell in owner.customers.slices.cells()) == (days < 10)


def at_work(id_: str, at: int, state: str = "busy") -> bytes:
    """An agent.state."""
    about = {"event_id": id_, "type": "agent.state", "occurred_at": text(at), "agent_id": at_home()}
    return raw(about | {"data": {"state": state}})


def test_agents_time_told_by_an_owner_that_was_killed_is_corrected_by_its_heir() -> None:
    world = cluster()
    line = world.cases[0]
    read(world, line, at_work("a", NOW))
    world.wall = NOW + 20_000
    line.owner.advance(world.wall, LATENESS, 1)
    save(world, line)
    world.wall = NOW + 50_000
    line.owner.advance(world.wall, LATENESS, 1)
    world.send(line.owner.slices())
    assert counted(world, Measure.AGENT_BUSY_MS) == {None: 50_000 - LATENESS}
    world.take_over(line)
    read(world, line, at_work("b", NOW + 10_000, "offline"))
    assert counted(world, Measure.AGENT_BUSY_MS) == {None: 10_000}


def test_a_record_without_value_is_passed_over() -> None:
    owner = partition()
    owner.feed(Chunk([Record(0, None), Record(1, b"")], 2, None, 2), NOW)
    assert (owner.position, owner.counts.dead) == (1, 0)


@pytest.mark.parametrize("value", [b"{", opened(at_home(home=1)), b""])
def test_what_leaves_no_trace_in_the_state_is_checkpointed_all_the_same(value: bytes) -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table)
    write(table, owner)
    assert not owner.unsaved
    owner.feed(Chunk([Record(0, value)], 1, None, 1), NOW)
    assert owner.unsaved
    write(table, owner)
    assert (owner.unsaved, partition(rows=table).position) == (False, 0)


def test_every_kind_of_change_is_checkpointed() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=10**9)
    owner.feed(Chunk([Record(0, at_work("s", NOW), NOW)], 1, None, 1), NOW)
    owner.slices()
    write(table, owner)
    assert not owner.unsaved
    owner.advance(NOW + 6_000, LATENESS, 1)
    owner.slices()
    assert owner.unsaved, "time of agents was booked and told"
    write(table, owner)
    assert not owner.unsaved
    owner.feed(Chunk([Record(1, opened(at_home(1), NOW + 60_000), NOW)], 2, None, 2), NOW + 6_000)
    assert owner.unsaved, "an event waits"
    write(table, owner)
    owner.feed(Chunk([], 2, None, 2), NOW + 3_600_000)
    owner.slices()
    assert owner.unsaved, "it has come"


@pytest.mark.parametrize("heirs", [0, 1])
def test_a_finished_case_is_remembered_as_long_as_asked_after_it_was_last_touched(heirs: int) -> None:
    table: dict[str, bytes] = {}
    keep = 600_000
    owner = partition(rows=table, keep_ms=keep)
    touched = NOW + 300_000
    closed = {"event_id": "z", "type": "contact.closed", "occurred_at": text(NOW + 1), "case_id": at_home()}
    other = raw(closed | {"case_id": at_home(1)})
    values = [opened(at_home()), opened(at_home(1)), other]
    owner.feed(Chunk([Record(n, value, NOW) for n, value in enumerate(values)], 3, None, 3), NOW)
    owner.feed(Chunk([Record(3, raw(closed), touched)], 4, None, 4), touched)
    owner.advance(touched, LATENESS, 4)
    for wall, known in ((touched, True), (touched + keep, True), (touched + keep + 1, False)):
        write(table, owner, wall)
        for _ in range(heirs):
            owner = partition(wall, table, keep_ms=keep)
        assert (at_home() in owner.engine.cases or at_home() in owner.engine.cold) == known


def test_a_case_that_is_open_is_not_packed_away_with_finished_ones() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=10**9)
    closed = {"event_id": "z", "type": "contact.closed", "occurred_at": text(NOW), "case_id": at_home()}
    values = [opened(at_home()), raw(closed), opened(at_home(1))]
    owner.feed(Chunk([Record(n, value, NOW) for n, value in enumerate(values)], 3, None, 3), NOW)
    write(table, owner)
    heir = partition(NOW + 30_000, table, keep_ms=10**9)
    write(table, heir, NOW + 30_000)
    assert heir.engine.open_cases == 1
    heir.feed(Chunk([], 3, None, 3), NOW + 70_000)
    heir.advance(NOW + 70_000, LATENESS, 3)
    assert [(o.case_id, o.state) for o in heir.engine.outcomes() if o.case_id == at_home(1)] == [
        (at_home(1), "breached")
    ]


def test_what_came_twice_counts_once_and_late_is_what_came_after_its_minute_was_told() -> None:
    owner = partition()
    end = NOW + MINUTE + LATE_MS  # NOW is a minute's beginning
    records = [
        Record(0, opened(at_home(0)), end),
        Record(1, opened(at_home(0)), end + 1),
        Record(2, opened(at_home(1)), end + 1),
    ]
    owner.feed(Chunk(records, 3, None, 3), NOW + 2 * MINUTE)
    counts = sum((Counter(cell.counts) for cell in owner.engine.slices.cells()), Counter())
    assert (counts[Measure.EVENTS], counts[Measure.EVENTS_LATE], owner.counts.duplicates) == (2, 1, 1)


def test_a_partition_that_is_to_drain_does_not_halt() -> None:
    def read(key: str) -> bytes | None:
        return None

    draining = SourcePartition(0, PARTITIONS, policy_file(ONE_MINUTE), RETAIN, read, NOW, LATENESS, True)
    sends = draining.feed(Chunk([Record(n, b"{") for n in range(2_000)], 2_000, None, 2_000), NOW)
    assert (draining.halted, draining.position, len(sends)) == (None, 1_999, 2_000)
