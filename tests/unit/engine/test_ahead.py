"""Events dated ahead: each comes once, when the wall clock has come to it, and every row that changes is written."""

from streams.engine.ahead import Ahead
from streams.engine.slices import MINUTE_MS


def test_each_event_comes_once_and_in_order_of_time_however_they_share_minutes() -> None:
    ahead = Ahead()
    dated = [130_000, 61_000, 119_999, 60_000, 61_000, 120_000]
    for number, t in enumerate(dated):
        ahead.add(t, b"%d" % number, 5)
    came: list[int] = []
    for wall in range(59_000, 131_001, 250):
        due = ahead.due(wall)
        assert all(wall - 250 < t <= wall for t, _, _ in due)
        came += [t for t, _, _ in due]
    assert (came, len(ahead), ahead.next) == (sorted(dated), 0, -1)


def test_an_event_dated_now_does_not_wait_and_one_a_millisecond_ahead_does() -> None:
    ahead = Ahead()
    ahead.add(MINUTE_MS, b"a", 0)
    ahead.add(MINUTE_MS + 1, b"b", 0)
    assert ahead.due(MINUTE_MS - 1) == []
    assert ahead.due(MINUTE_MS) == [(MINUTE_MS, b"a", 0)]
    assert ahead.due(MINUTE_MS + 1) == [(MINUTE_MS + 1, b"b", 0)]


def test_the_minutes_that_changed_are_to_be_checkpointed_and_come_back() -> None:
    ahead = Ahead()
    for t in (60_000, 61_000, 120_000):
        ahead.add(t, b"", 0)
    assert ahead.dirty == {1, 2}
    ahead.dirty.clear()
    ahead.due(60_000)
    assert ahead.dirty == {1}
    again = Ahead()
    for minute, waiting in ahead.minutes.items():
        again.load(minute, waiting)
    assert (again.next, len(again)) == (61_000, 2)
    again.add(500_000, b"", 0)
    assert again.next == 61_000
