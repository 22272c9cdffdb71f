"""What the watchdog takes for standing still, and what not."""

from faust.types import TP

from streams.watchdog import Standing, View, Watchdog

ONE, TWO = TP("events", 0), TP("events", 1)


def view(alive_at: float, reached: int = 10, joined: bool = True) -> View:
    return View({ONE: Standing(alive_at, reached)}, joined)


def test_a_partition_that_works_and_is_fetched_is_well() -> None:
    dog = Watchdog()
    assert not any(dog.stuck(t, view(t - 1, t), {ONE: t + 100}) for t in range(0, 1000, 5))


def test_one_that_is_not_worked_on_for_a_minute_is_stuck() -> None:
    dog = Watchdog()
    assert dog.stuck(60, view(0), {ONE: 10}) is None
    assert dog.stuck(61, view(0), {ONE: 10}) == "events partition 0 has not moved for 60 s"


def test_it_is_so_also_while_the_broker_does_not_answer() -> None:
    assert Watchdog().stuck(61, view(0), None) == "events partition 0 has not moved for 60 s"


def test_one_whose_records_are_not_fetched_for_a_minute_is_stuck() -> None:
    dog = Watchdog()
    for t in range(0, 61, 5):
        assert dog.stuck(t, view(t), {ONE: 11}) is None
    assert dog.stuck(65, view(65), {ONE: 11}) == "events partition 0 is not fetched beyond 10 for 65 s"


def test_nothing_to_fetch_is_no_standstill() -> None:
    dog = Watchdog()
    assert not any(dog.stuck(t, view(t), {ONE: 10}) for t in range(0, 1000, 5))


def test_slow_fetching_is_no_standstill() -> None:
    dog = Watchdog()
    assert not any(dog.stuck(t, view(t, t // 50), {ONE: 1000}) for t in range(0, 1000, 5))


def test_while_the_broker_is_away_nobody_is_behind() -> None:
    dog = Watchdog()
    dog.stuck(0, view(0), {ONE: 11})
    dog.stuck(50, view(50), None)
    assert dog.stuck(100, view(100), {ONE: 11}) is None
    assert dog.stuck(161, view(161), {ONE: 11}) is not None


def test_a_partition_that_left_and_came_back_begins_anew() -> None:
    dog = Watchdog()
    dog.stuck(0, view(0), {ONE: 11})
    dog.stuck(30, View({TWO: Standing(30, 0)}, True), {TWO: 0})
    assert dog.stuck(65, view(65), {ONE: 11}) is None


def test_a_worker_without_partitions_is_well_while_it_has_its_place_in_the_group() -> None:
    dog = Watchdog()
    assert not any(dog.stuck(t, View({}, True), {}) for t in range(0, 1000, 5))


def test_no_place_in_the_group_for_long_is_stuck() -> None:
    dog = Watchdog()
    assert dog.stuck(0, View({}, False), {}) is None
    assert dog.stuck(150, View({}, False), {}) is None
    assert dog.stuck(151, View({}, False), {}) == "no place in the consumer group for 150 s"


def test_a_rebalance_that_ends_is_none() -> None:
    dog = Watchdog()
    assert not any(dog.stuck(t, View({}, t % 100 > 90), {}) for t in range(0, 1000, 5))


def test_without_a_broker_nobody_has_a_place() -> None:
    dog = Watchdog()
    assert not any(dog.stuck(t, View({}, False), None) for t in range(0, 1000, 5))
