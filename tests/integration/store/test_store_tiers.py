"""Hours and days are rolled up from the minutes, and known not to be level from the moment a slice of theirs comes."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from schemas import times
from schemas.settings import Settings
from services.store import tiers as roller
from services.store.clickhouse import Tables
from services.store.metrics import StoreMetrics
from services.store.migrations import migrate
from services.store.tiers import Roller
from services.store.touches import Touches
from services.tiers import DAY_MS, HOUR_MS, level_sql, plan, tables
from tests.integration.store.bench import ClickHouse, fresh_url, until
from tests.integration.store.rows import clock_slice, contact_slice

START_MS = times.parse("2026-01-30T00:00:00Z")
MINUTE_MS = 60_000


class World:
    """A database without a store: slices are written as the store writes them, and rolled up when a test says so."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client: Client = clickhouse_connect.get_client(
            dsn=settings.clickhouse.get_secret_value(), autogenerate_session_id=False
        )
        self._tables = Tables(settings)
        self.metrics = StoreMetrics()
        self.roller = self.another()

    def another(self, **changes: int) -> Roller:
        """A roller as a store just started has it."""
        return Roller(self.settings.model_copy(update=changes), self.metrics, Event())

    def tell(self, kind: str, *slices: bytes, touch: bool = True) -> None:
        """Write slices, and touch their hours."""
        table, touches = f"{kind}_slices", Touches()
        self._tables.insert(table, b"\n".join(slices))
        touches.note(table, b"\n".join(slices))
        if touch:
            self._tables.insert("slice_touches", b"\n".join(touches.rows()))

    def level(self, kind: str, from_ms: int = START_MS, to_ms: int = START_MS + 4 * DAY_MS) -> list[tuple[str, int]]:
        """What is level in a range."""
        found = self.client.query(level_sql(kind), parameters={"from_ms": from_ms, "to_ms": to_ms}).result_rows
        return [(tier, ms) for tier, ms in found]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def close(self) -> None:
        self._tables.close()
        self.client.close()


@pytest.fixture
def world(clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty database whose hours need not be quiet before they are rolled up."""
    monkeypatch.setattr(roller, "QUIET_MS", 0)
    settings = Settings(clickhouse=SecretStr(fresh_url(clickhouse)))
    migrate(settings)
    world = World(settings)
    yield world
    world.close()


def at(day: int, hour: int = 0, minute: int = 0) -> str:
    return times.text(START_MS + day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS)


def opened(world: World, tier: str) -> int:
    [(n,)] = world.rows(f"SELECT sum(opened) FROM {tables('contact')[tier]} FINAL")
    return int(n)


def test_hours_and_days_become_level_and_equal_the_minutes(world: World) -> None:
    """Random slices with restatements, partitions and generations against sums worked out row by row."""
    chance = random.Random(7)
    newest: dict[tuple[Any, ...], tuple[int, int, dict[int, int], list[int]]] = {}
    lines = []
    for version in range(1, 1500):
        start = START_MS + chance.randrange(3 * 24 * 60) * MINUTE_MS
        key = (start, chance.choice(["a", "b", None]), chance.choice([0, 1, 32768]), chance.choice([0, 0, 1]))
        n, waits = chance.randrange(9), {chance.randrange(4): chance.randrange(1, 5) for _ in range(2)}
        customers = [chance.randrange(2**53) if chance.random() < 0.5 else 11 for _ in range(2)]
        newest[key] = (version, n, waits, customers)
        lines.append(contact_slice(n, version, key[2], times.text(start), key[1], waits, customers, generation=key[3]))
    chance.shuffle(lines)
    for first in range(0, len(lines), 300):
        world.tell("contact", *lines[first : first + 300])
    assert not world.roller.roll()
    for tier, width in (("hour", HOUR_MS), ("day", DAY_MS)):
        sums: dict[tuple[int, str | None], tuple[Counter[int], Counter[int], set[int]]] = defaultdict(
            lambda: (Counter(), Counter(), set())
        )
        for (start, team, _, _), (_, n, waits, customers) in newest.items():
            count, histogram, people = sums[start // width * width, team]
            count[0] += n
            histogram.update(waits)
            people.update(customers)
        found = world.rows(
            "SELECT toUnixTimestamp64Milli(slice), team, opened, connect_wait, arraySort(customers), channel, priority "
            f"FROM {tables('contact')[tier]} FINAL"
        )
        assert len(found) == len(sums)
        for start, team, n, waits, customers, channel, priority in found:
            count, histogram, people = sums[start, team]
            assert (n, waits, customers) == (count[0], dict(histogram), sorted(people))
            assert (channel, priority) == ("chat", None)
    assert world.level("contact") == [("day", START_MS + day * DAY_MS) for day in range(3)]


def test_clocks_are_rolled_up_too(world: World) -> None:
    world.tell("clock", clock_slice(5, 1, slice=at(0, 3, 1)), clock_slice(7, 1, partition=1, slice=at(0, 3, 1)))
    world.tell("clock", clock_slice(6, 2, slice=at(0, 3, 1)), clock_slice(1, 1, slice=at(0, 23, 59)))
    world.roller.roll()
    asked = (
        "SELECT toString(slice), clock, priority, team, met, breached, stopped, elapsed_ms FROM {} FINAL ORDER BY slice"
    )
    assert world.rows(asked.format("clock_hours")) == [
        ("2026-01-30 03:00:00.000", "first_response", "L1", None, 13, 2, 13, 780_000),
        ("2026-01-30 23:00:00.000", "first_response", "L1", None, 1, 1, 1, 60_000),
    ]
    assert world.rows(asked.format("clock_days")) == [
        ("2026-01-30 00:00:00.000", "first_response", "L1", None, 14, 3, 14, 840_000)
    ]
    assert world.level("clock") == [("day", START_MS)]
    assert world.level("contact") == []


def test_a_late_slice_is_known_at_once_and_rolled_up_later(world: World) -> None:
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5)), contact_slice(2, 1, slice=at(0, 6)))
    world.roller.roll()
    assert world.level("contact") == [("day", START_MS)]
    world.tell("contact", contact_slice(10, 2, slice=at(0, 5)))
    assert world.level("contact") == [("hour", START_MS + 6 * HOUR_MS)]
    assert (opened(world, "hour"), opened(world, "day")) == (3, 3)
    world.roller.roll()
    assert world.level("contact") == [("day", START_MS)]
    assert (opened(world, "hour"), opened(world, "day")) == (12, 12)


def test_an_hour_touched_while_it_is_rolled_up_is_not_level(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5)))
    roll = roller.roll_sql

    def and_meanwhile(kind: str, tier: str, starts: list[int]) -> str:
        world.tell("contact", contact_slice(4, 2, slice=at(0, 5)))
        return roll(kind, tier, starts)

    with monkeypatch.context() as slow:
        slow.setattr(roller, "roll_sql", and_meanwhile)
        world.roller.roll()
    assert world.level("contact") == []
    world.roller.roll()
    assert world.level("contact") == [("day", START_MS)]
    assert opened(world, "day") == 4


def test_a_roller_that_was_slow_does_not_undo_a_newer_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counted touches, stood still, and writes its older sums after another has rolled the same hour up."""
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5)))
    roll, late = roller.roll_sql, world.another()

    def stand_still(kind: str, tier: str, starts: list[int]) -> str:
        monkeypatch.setattr(roller, "roll_sql", roll)
        world.tell("contact", contact_slice(4, 2, slice=at(0, 5)))
        world.roller.roll()
        return roll(kind, tier, starts).replace("sum(opened)", "1")

    monkeypatch.setattr(roller, "roll_sql", stand_still)
    late.roll()
    assert (opened(world, "hour"), opened(world, "day")) == (4, 4)
    assert world.level("contact") == [("day", START_MS)]


def test_an_hour_is_left_alone_until_it_is_over(world: World) -> None:
    [(now_ms,)] = world.rows("SELECT toUnixTimestamp64Milli(now64(3))")
    this_hour = now_ms // HOUR_MS * HOUR_MS
    world.tell("contact", *(contact_slice(1, 1, slice=times.text(this_hour + n * HOUR_MS)) for n in (-1, 0, 1)))
    world.roller.roll()
    [(rolled, newest)] = world.rows("SELECT count(), toUnixTimestamp64Milli(max(slice)) FROM contact_hours")
    # The test may run over the end of an hour.
    assert (rolled, newest) in ((1, this_hour - HOUR_MS), (2, this_hour))
    assert ("hour", this_hour + HOUR_MS) not in world.level("contact", 0, this_hour + DAY_MS)


def test_an_hour_still_being_written_waits_until_it_is_quiet_but_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roller, "QUIET_MS", 3_600_000)
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5)))
    world.roller.roll()
    assert world.level("contact") == []
    monkeypatch.setattr(roller, "PATIENCE_MS", 0)
    world.roller.roll()
    assert world.level("contact") == [("day", START_MS)]


def test_the_newest_hours_go_first_and_a_pass_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roller, "MOST", 5)
    world.tell("contact", *(contact_slice(1, 1, slice=at(0, hour)) for hour in range(12)))
    assert world.roller.roll()
    assert [ms for _, ms in world.level("contact")] == [START_MS + hour * HOUR_MS for hour in range(7, 12)]
    assert world.metrics.registry.get_sample_value("contactpulse_store_hours_to_roll") == 7
    assert world.roller.roll()
    assert not world.roller.roll()
    assert world.level("contact") == [("day", START_MS)]
    assert world.metrics.registry.get_sample_value("contactpulse_store_rolled_total", {"tier": "hour"}) == 12


def test_what_another_store_left_half_done_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5)))
    with monkeypatch.context() as dying:
        dying.setattr(Roller, "_roll_days", lambda self: None)
        world.another().roll()
    assert world.level("contact") == [("hour", START_MS + 5 * HOUR_MS)]
    world.roller.roll()
    assert world.level("contact") == [("day", START_MS)]


def test_two_rollers_at_once_agree(world: World) -> None:
    rollers = [world.another(), world.another()]
    for version in range(1, 8):
        slices = [contact_slice(version, version, slice=at(day, hour)) for day in range(2) for hour in range(24)]
        world.tell("contact", *slices)
        threads = [Thread(target=one.roll) for one in rollers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rollers[0].roll()
    assert world.level("contact") == [("day", START_MS), ("day", START_MS + DAY_MS)]
    assert opened(world, "hour") == opened(world, "day") == 7 * 48


def test_pieces_read_from_their_tables_add_up_to_the_minutes(world: World) -> None:
    chance = random.Random(11)
    for round in range(6):
        lines = [
            contact_slice(1 + chance.randrange(5), round + 1, slice=at(day, hour, 7 * (hour % 8)))
            for day in range(3)
            for hour in range(24)
            if chance.random() < 0.4
        ]
        world.tell("contact", *lines)
        if round % 2 == 0:
            world.roller.roll()
        for _ in range(4):
            ends = sorted(START_MS + chance.randrange(3 * 24 * 60) * MINUTE_MS for _ in range(2))
            got = 0
            for piece in plan(*ends, world.level("contact", *ends)):
                got += _between(world, tables("contact")[piece.tier], piece.from_ms, piece.to_ms)
            assert got == _between(world, "contact_slices", *ends)


def test_hours_whose_minutes_are_gone_are_not_made_anew_of_what_is_left(world: World) -> None:
    world.tell("contact", contact_slice(5, 1, slice=at(0, 5)), contact_slice(1, 1, slice=at(1, 5)))
    world.roller.roll()
    world.client.command("ALTER TABLE contact_slices DELETE WHERE 1", settings={"mutations_sync": 2})
    world.client.command("ALTER TABLE slice_touches UPDATE first = now() - INTERVAL 31 DAY WHERE 1",
                         settings={"mutations_sync": 2})  # fmt: skip
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5), generation=1))
    world.another(slices_retention_days=30).roll()
    assert opened(world, "day") == 6
    assert world.level("contact") == [("day", START_MS), ("day", START_MS + DAY_MS)]


def test_a_clickhouse_that_goes_away_is_waited_for(world: World, clickhouse: ClickHouse) -> None:
    stopping = Event()
    one = Roller(world.settings, world.metrics, stopping)
    world.tell("contact", contact_slice(1, 1, slice=at(0, 5)))
    clickhouse.kill()
    try:
        one.start()
        until(lambda: world.metrics.registry.get_sample_value("contactpulse_store_roll_failures_total"))
    finally:
        clickhouse.restart()
    until(lambda: world.level("contact") == [("day", START_MS)])
    stopping.set()
    one.join(5.0)


def _between(world: World, table: str, from_ms: int, to_ms: int) -> int:
    [(n,)] = world.rows(
        f"SELECT sum(opened) FROM {table} FINAL WHERE slice >= fromUnixTimestamp64Milli({from_ms}, 'UTC') "
        f"AND slice < fromUnixTimestamp64Milli({to_ms}, 'UTC')"
    )
    return int(n)
