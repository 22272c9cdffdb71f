"""Business calendars against the slow oracle, minute by minute, and the laws of open time."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given

from schemas.calendar import WEEKDAYS
from schemas.calendar import Calendar as CalendarModel
from schemas.times import from_ms, to_ms
from streams.engine.calendar import Calendar, make_calendar
from tests.oracles.contract import MS
from tests.oracles.draw import maybe, randoms
from tests.oracles.hours import Hours

DAY_MS = 86_400_000
CHANGES = {
    "UTC": ("2000-02-29",),
    "Europe/Berlin": ("1980-04-06", "1996-10-27", "2026-03-29", "2026-10-25", "2099-03-29"),
    "America/New_York": ("1974-01-06", "2007-03-11", "2026-03-08", "2026-11-01"),
    "America/St_Johns": ("1988-04-03", "1988-10-30", "2010-11-07", "2026-03-08"),
    "Asia/Shanghai": ("1986-05-04", "1991-09-15", "2026-02-14"),
    "Australia/Lord_Howe": ("1985-10-27", "2026-04-05", "2026-10-04"),
    "Pacific/Apia": ("2011-12-30", "2012-04-01", "2026-01-01"),
}
"""Zones, and local days about which something happens to their clocks."""

APART = ("09:00-17:00", "06:00-06:01", "22:00-06:00", "21:13-04:47", "06:00-02:30", "07:00-24:00", "12:34-13:57")
"""Windows of which none runs into another of the next day."""


def calendar_and_days(rng: random.Random) -> tuple[dict[str, Any], datetime]:
    """A calendar as a policy file has it, and an instant about which to ask."""
    zone = rng.choice(sorted(CHANGES))
    if maybe(rng, 0.7):
        day = datetime.fromisoformat(rng.choice(CHANGES[zone])).replace(tzinfo=UTC)
    else:
        day = datetime(1970, 1, 10, tzinfo=UTC) + timedelta(rng.randrange(130 * 365))
    near = [str((day + timedelta(n)).date()) for n in range(-4, 5)]
    told: dict[str, Any] = {"timezone": zone}
    if maybe(rng, 0.9):
        told["hours"] = {weekday: windows(rng) for weekday in WEEKDAYS if maybe(rng, 0.8)} | {"wed": ["09:00-17:00"]}
    if day.year == 2026 and maybe(rng, 0.5):
        told["holidays"] = rng.choice(("CN", "DE", "US"))
        if maybe(rng, 0.5):
            told["makeup"] = windows(rng)
    told["closed"] = rng.sample(near, 2)
    if maybe(rng, 0.4):
        told["open"] = {date: windows(rng) for date in rng.sample(near, 2)}
    return told, day


def windows(rng: random.Random) -> list[str]:
    """Windows of one day: any minutes, overlapping, over midnight, about the hours at which clocks are changed."""
    found = []
    while len(found) < rng.randrange(1, 4):
        begin, end = (rng.choice((0, 60, 120, 150, 180, rng.randrange(1440))) for _ in range(2))
        if maybe(rng, 0.1):
            begin, end = 0, 1440
        if begin != end:
            found.append(f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}")
    return found


def instant(rng: random.Random, near: datetime) -> int:
    """An instant within four days of another, often a whole quarter of an hour."""
    offset = rng.randrange(8 * DAY_MS) - 4 * DAY_MS
    return to_ms(near) + (offset - offset % 900_000 if maybe(rng, 0.5) else offset)


def made(told: dict[str, Any]) -> Calendar:
    return make_calendar("c", CalendarModel.model_validate(told))


@given(randoms)
def test_open_time_is_what_the_minutes_say(rng: random.Random) -> None:
    told, day = calendar_and_days(rng)
    calendar, oracle = made(told), Hours(told)
    start, end = sorted((instant(rng, day), instant(rng, day)))
    want = oracle.elapsed(from_ms(start), from_ms(end)) // MS
    assert calendar.elapsed(start, end) == want
    for span in (1, want // 2, want):
        if 0 < span <= want:
            due = calendar.after(start, span)
            assert due == to_ms(oracle.after(from_ms(start), span * MS))
            assert (calendar.elapsed(start, due), calendar.elapsed(start, due - 1)) == (span, span - 1)


@given(randoms)
def test_segments_cover_everything_once_and_add_up(rng: random.Random) -> None:
    told, day = calendar_and_days(rng)
    calendar = made(told)
    start, end = sorted((instant(rng, day), instant(rng, day)))
    segments = list(calendar.segments(start, end))
    assert [begin for begin, _, _ in segments] + [end] == [start] + [until for _, until, _ in segments]
    assert all(begin < until for begin, until, _ in segments)
    assert all(one[2] is not next_[2] for one, next_ in pairwise(segments))
    assert sum(until - begin for begin, until, open_ in segments if open_) == calendar.elapsed(start, end)
    for begin, until, open_ in segments:
        assert {calendar.is_open(begin), calendar.is_open(until - 1)} == {open_}


@given(randoms)
def test_open_time_is_additive_and_never_runs_faster_than_time(rng: random.Random) -> None:
    told, day = calendar_and_days(rng)
    calendar = made(told)
    a, b, c = sorted(instant(rng, day) + rng.randrange(-3, 4) * 200 * DAY_MS for _ in range(3))
    assert calendar.elapsed(a, b) + calendar.elapsed(b, c) == calendar.elapsed(a, c)
    assert 0 <= calendar.elapsed(a, b) <= b - a
    span = rng.randrange(1, 400 * DAY_MS)
    assert a + span <= calendar.after(a, span) <= calendar.after(a, span + 1)
    first, second = calendar.after(a, span), calendar.after(b, span)
    assert first <= second
    half = span // 2
    assert calendar.after(calendar.after(a, half), span - half) == first


@given(randoms)
def test_business_days_are_what_the_minutes_say(rng: random.Random) -> None:
    told, day = calendar_and_days(rng)
    # To which day time belongs that is of two is of no consequence, and the oracle chooses differently: where a window
    # over midnight runs into one of the next day, and where the end of a day is repeated after the next has begun.
    told["timezone"] = rng.choice(sorted(CHANGES.keys() - {"America/St_Johns"}))
    told["hours"] = {weekday: [rng.choice(APART)] for weekday in WEEKDAYS if maybe(rng, 0.8)} | {"wed": ["09:00-17:00"]}
    told.pop("open", None)
    told.pop("makeup", None)
    calendar, oracle = made(told), Hours(told)
    start, days = instant(rng, day), rng.randrange(1, 6)
    due = calendar.business_days(start, days)
    assert calendar.elapsed(start, due) == oracle.business_days(from_ms(start), days) // MS
    assert calendar.elapsed(due - 1, due) == 1, "the first such instant"
    assert calendar.business_days(start + 60_000, days) >= due
