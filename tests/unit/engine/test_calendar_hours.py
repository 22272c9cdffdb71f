"""Open time by worked examples: changes of offset, nights, breaks, days that differ, closings, business days."""

from typing import Any

import pytest

from schemas.calendar import Calendar as CalendarModel
from schemas.times import parse
from streams.engine.calendar import NEVER, BusinessCalendar, make_calendar

HOUR = 3_600_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
DAYS = (*WEEKDAYS, "sat", "sun")


def every(days: tuple[str, ...], *windows: str) -> dict[str, list[str]]:
    return {day: list(windows) for day in days}


BERLIN: dict[str, Any] = {"timezone": "Europe/Berlin"}
CALENDARS: dict[str, dict[str, Any]] = {
    "office": {"hours": every(WEEKDAYS, "09:00-17:00")},
    "lunch": {"hours": every(WEEKDAYS, "09:00-12:00", "13:00-18:00")},
    "overlapping": {"hours": every(WEEKDAYS, "09:00-12:00", "11:00-15:00", "15:00-17:00")},
    "uneven": {"hours": {"mon": ["09:00-17:00"], "tue": ["09:00-13:00"], "wed": ["09:00-11:00", "15:00-17:00"]}},
    "night": {"hours": every(WEEKDAYS, "22:00-06:00")},
    "night and day": {"hours": {"mon": ["22:00-06:00"], "tue": ["05:00-09:00"]}},
    "berlin office": BERLIN | {"hours": every(WEEKDAYS, "09:00-17:00")},
    "berlin day": BERLIN | {"hours": every(DAYS, "00:00-24:00")},
    "berlin night": BERLIN | {"hours": every(DAYS, "22:00-06:00")},
    "berlin two to three": BERLIN | {"hours": every(DAYS, "02:00-03:00")},
    "berlin until half past two": BERLIN | {"hours": every(DAYS, "00:00-02:30")},
    "berlin from half past two": BERLIN | {"hours": every(DAYS, "02:30-10:00")},
    "new york night": {"timezone": "America/New_York", "hours": every(DAYS, "22:00-06:00")},
    "lord howe": {"timezone": "Australia/Lord_Howe", "hours": every(DAYS, "00:00-06:00")},
    "apia": {"timezone": "Pacific/Apia", "hours": every(DAYS, "09:00-17:00")},
    "st john's": {"timezone": "America/St_Johns", "hours": {"sat": ["00:00-24:00"]}},
    "china": {
        "timezone": "Asia/Shanghai",
        "hours": every(WEEKDAYS, "09:00-18:00"),
        "holidays": "CN",
        "makeup": ["09:00-17:00"],
    },
    "holidays": {
        "hours": every(WEEKDAYS, "09:00-17:00"),
        "closed": ["2026-03-10", "2026-03-11"],
        "open": {"2026-03-11": ["12:00-13:00"], "2026-03-14": ["10:00-12:00"]},
    },
    "night into a closed day": {"hours": every(WEEKDAYS, "22:00-06:00"), "closed": ["2026-03-10"]},
    "last days": {"hours": {}, "open": {"2026-03-09": ["09:00-17:00"], "2026-03-10": ["09:00-17:00"]}},
}
MADE = {name: make_calendar(name, CalendarModel.model_validate(told)) for name, told in CALENDARS.items()}


def at(text: str) -> int:
    """`2026-03-09 09:00+01:00`; without an offset it is UTC."""
    return parse(text if "+" in text or "-" in text[10:] else text + "Z")


@pytest.mark.parametrize(
    ("calendar", "start", "end", "hours"),
    [
        # Monday 9 March 2026
        ("office", "2026-03-09 00:00", "2026-03-16 00:00", 40),
        ("office", "2026-03-09 16:00", "2026-03-10 10:00", 2),
        ("office", "2026-03-09 17:00", "2026-03-10 09:00", 0),
        ("office", "2026-03-09 10:00", "2026-03-09 10:00", 0),
        ("office", "2026-03-09 12:00", "2026-03-09 10:00", 0),
        ("lunch", "2026-03-09 11:30", "2026-03-09 13:30", 1),
        ("overlapping", "2026-03-09 00:00", "2026-03-10 00:00", 8),
        ("night", "2026-03-09 00:00", "2026-03-09 23:00", 1),  # Sunday night is closed
        ("night", "2026-03-13 00:00", "2026-03-15 00:00", 6 + 8),  # Friday's runs into Saturday
        ("night and day", "2026-03-10 00:00", "2026-03-11 00:00", 9),
        # Summer time in Berlin begins on 29 March 2026 at 01:00Z and ends on 25 October
        ("berlin office", "2026-03-27 16:00+01:00", "2026-03-30 10:00+02:00", 2),
        ("berlin office", "2026-10-23 16:00+02:00", "2026-10-26 10:00+01:00", 2),
        ("berlin day", "2026-03-29 00:00+01:00", "2026-03-30 00:00+02:00", 23),
        ("berlin day", "2026-10-25 00:00+02:00", "2026-10-26 00:00+01:00", 25),
        ("berlin night", "2026-03-28 12:00+01:00", "2026-03-29 12:00+02:00", 7),
        ("berlin night", "2026-10-24 12:00+02:00", "2026-10-25 12:00+01:00", 9),
        ("berlin two to three", "2026-03-29 00:00+01:00", "2026-03-30 00:00+02:00", 0),
        ("berlin two to three", "2026-10-25 00:00+02:00", "2026-10-26 00:00+01:00", 2),
        ("berlin until half past two", "2026-03-29 00:00+01:00", "2026-03-30 00:00+02:00", 2),
        ("berlin until half past two", "2026-10-25 00:00+02:00", "2026-10-26 00:00+01:00", 3),
        ("berlin from half past two", "2026-03-29 00:00+01:00", "2026-03-30 00:00+02:00", 7),
        ("berlin from half past two", "2026-10-25 00:00+02:00", "2026-10-26 00:00+01:00", 8),
        ("new york night", "2026-03-07 12:00-05:00", "2026-03-08 12:00-04:00", 7),
        ("new york night", "2026-10-31 12:00-04:00", "2026-11-01 12:00-05:00", 9),
        ("lord howe", "2026-04-05 00:00+11:00", "2026-04-05 12:00+10:30", 6.5),
        ("lord howe", "2026-10-04 00:00+10:30", "2026-10-04 12:00+11:00", 5.5),
        ("apia", "2011-12-29 00:00-10:00", "2012-01-01 00:00+14:00", 16),  # there was no 30 December
        # At one minute past midnight the clock went back to 23:01 of Saturday
        ("st john's", "2010-11-06 00:00-02:30", "2010-11-08 00:00-03:30", 24 + 59 / 60),
        # Ninth of May is a Saturday worked for a day off on the fifth
        ("china", "2026-05-01 00:00+08:00", "2026-05-06 00:00+08:00", 0),
        ("china", "2026-05-08 17:00+08:00", "2026-05-11 10:00+08:00", 1 + 8 + 1),
        ("china", "2026-02-13 17:00+08:00", "2026-02-24 10:00+08:00", 1 + 8 + 1),  # Spring Festival
        ("china", "2026-10-10 00:00+08:00", "2026-10-11 00:00+08:00", 8),
        ("holidays", "2026-03-09 00:00", "2026-03-16 00:00", 8 + 0 + 1 + 8 + 8 + 2),
        ("night into a closed day", "2026-03-09 20:00", "2026-03-11 20:00", 8),
        ("last days", "2026-03-09 10:00", "2027-01-01 00:00", 15),
        # Years outside those that are worked out
        ("office", "1960-01-04 00:00", "1970-01-01 10:00", 1),
        ("berlin office", "9999-01-04 00:00", "9999-12-31 00:00", 0),
    ],
)  # fmt: skip
def test_elapsed(calendar: str, start: str, end: str, hours: float) -> None:
    assert MADE[calendar].elapsed(at(start), at(end)) == round(hours * HOUR)


@pytest.mark.parametrize(
    ("calendar", "start", "hours", "due"),
    [
        ("office", "2026-03-09 10:00", 2, "2026-03-09 12:00"),
        ("office", "2026-03-09 20:00", 0, "2026-03-09 20:00"),
        ("office", "2026-03-13 16:00", 2, "2026-03-16 10:00"),
        ("office", "2026-03-09 15:00", 2, "2026-03-09 17:00"),  # used up at closing: due at closing
        ("office", "2026-03-13 16:00", 1, "2026-03-13 17:00"),
        ("office", "2026-03-09 15:00", 2 + 1 / HOUR, "2026-03-10 09:00:00.001"),
        ("office", "2026-03-07 12:00", 8, "2026-03-09 17:00"),  # starts in closed time
        ("office", "2026-03-09 17:00", 1, "2026-03-10 10:00"),
        ("office", "2026-03-09 08:00", 40, "2026-03-13 17:00"),
        ("lunch", "2026-03-09 11:00", 1, "2026-03-09 12:00"),
        ("lunch", "2026-03-09 11:00", 2, "2026-03-09 14:00"),
        ("night", "2026-03-09 23:00", 7, "2026-03-10 06:00"),
        ("night", "2026-03-09 23:00", 8, "2026-03-10 23:00"),
        ("night", "2026-03-14 05:00", 2, "2026-03-16 23:00"),
        ("berlin office", "2026-03-27 16:00+01:00", 2, "2026-03-30 10:00+02:00"),
        ("berlin day", "2026-03-29 01:30+01:00", 1, "2026-03-29 03:30+02:00"),
        ("berlin day", "2026-10-25 02:30+02:00", 1, "2026-10-25 02:30+01:00"),
        ("berlin night", "2026-03-28 22:00+01:00", 7, "2026-03-29 06:00+02:00"),
        ("berlin night", "2026-10-24 22:00+02:00", 9, "2026-10-25 06:00+01:00"),
        ("china", "2026-05-08 17:00+08:00", 9, "2026-05-09 17:00+08:00"),
        ("china", "2026-09-30 17:00+08:00", 2, "2026-10-08 10:00+08:00"),
        ("holidays", "2026-03-09 16:00", 2, "2026-03-11 13:00"),
        ("office", "2026-03-09 09:00", 8 * 261, "2027-03-08 17:00"),
        ("last days", "2026-03-01 00:00", 16, "2026-03-10 17:00"),
    ],
)  # fmt: skip
def test_after(calendar: str, start: str, hours: float, due: str) -> None:
    assert MADE[calendar].after(at(start), round(hours * HOUR)) == at(due)


@pytest.mark.parametrize(
    ("calendar", "start", "days", "due"),
    [
        ("office", "2026-03-09 11:00", 1, "2026-03-10 11:00"),
        ("office", "2026-03-09 11:00", 5, "2026-03-16 11:00"),
        ("office", "2026-03-09 09:00", 1, "2026-03-09 17:00"),  # a whole day is used up at its closing
        ("office", "2026-03-07 12:00", 5, "2026-03-13 17:00"),
        ("office", "2026-03-09 17:00", 1, "2026-03-10 17:00"),
        ("office", "2026-03-09 23:00", 2, "2026-03-11 17:00"),
        ("office", "2026-03-09 23:00", 0, "2026-03-09 23:00"),
        ("lunch", "2026-03-09 12:30", 1, "2026-03-10 12:00"),  # 3 of 8 hours
        ("uneven", "2026-03-09 13:00", 1, "2026-03-10 11:00"),  # half of Monday, half of Tuesday
        ("uneven", "2026-03-09 15:00", 2, "2026-03-11 16:00"),  # three quarters
        ("uneven", "2026-03-10 10:00", 3, "2026-03-17 10:00"),
        ("uneven", "2026-03-10 10:00", 2, "2026-03-16 11:00"),
        ("uneven", "2026-03-09 09:00:00.001", 1, "2026-03-10 09:00:00.001"),  # half a millisecond is rounded up
        ("holidays", "2026-03-09 13:00", 1, "2026-03-11 12:30"),
        ("holidays", "2026-03-09 13:00", 4, "2026-03-14 11:00"),
        ("holidays", "2026-03-10 13:00", 1, "2026-03-11 13:00"),
        ("night", "2026-03-09 23:00", 1, "2026-03-10 23:00"),
        ("night", "2026-03-10 02:00", 4, "2026-03-14 02:00"),  # still Monday's night
        ("night and day", "2026-03-10 07:30", 1, "2026-03-17 02:00"),  # Tuesday's begins when Monday's has ended
        ("berlin day", "2026-03-28 12:00+01:00", 1, "2026-03-29 12:30+02:00"),  # half of 23 hours
        ("berlin day", "2026-10-25 12:30+01:00", 1, "2026-10-26 12:57:36+01:00"),
        ("china", "2026-05-08 13:30+08:00", 1, "2026-05-09 13:00+08:00"),
        ("china", "2026-04-30 13:30+08:00", 5, "2026-05-11 13:30+08:00"),
    ],
)  # fmt: skip
def test_business_days(calendar: str, start: str, days: int, due: str) -> None:
    assert MADE[calendar].business_days(at(start), days) == at(due)


def test_what_a_fold_repeats_is_closed_again_in_between() -> None:
    calendar, start, end = (
        MADE["berlin until half past two"],
        at("2026-10-25 00:00+02:00"),
        at("2026-10-25 06:00+01:00"),
    )
    assert [(begin - start, until - start, open_) for begin, until, open_ in calendar.segments(start, end)] == [
        (0, 2.5 * HOUR, True),
        (2.5 * HOUR, 3 * HOUR, False),
        (3 * HOUR, 3.5 * HOUR, True),
        (3.5 * HOUR, 7 * HOUR, False),
    ]


def test_segments_join_what_touches() -> None:
    start, end = at("2026-03-28 00:00"), at("2026-03-31 12:00")
    assert list(MADE["berlin day"].segments(start, end)) == [(start, end, True)]
    assert list(MADE["berlin day"].segments(end, start)) == []


def test_is_open_from_the_opening_until_before_the_closing() -> None:
    office = MADE["office"]
    opening, closing = at("2026-03-09 09:00"), at("2026-03-09 17:00")
    told = [office.is_open(t) for t in (opening - 1, opening, closing - 1, closing, at("2026-03-14 12:00"))]
    assert told == [False, True, True, False, False]


def test_what_never_comes() -> None:
    """An end of all opening hours, and targets of centuries, stop no stream: the clock is not due."""
    last, office = MADE["last days"], MADE["office"]
    start = at("2026-03-09 13:00")
    assert last.after(start, 12 * HOUR) == at("2026-03-10 17:00")
    assert last.after(start, 12 * HOUR + 1) == NEVER
    assert last.business_days(start, 5) == NEVER
    assert last.elapsed(start, NEVER) == NEVER
    assert last.after(start, NEVER) == NEVER
    assert office.after(start, 1_000_000 * HOUR) == NEVER
    assert office.after(at("9998-01-01 00:00"), 1) == NEVER
    assert office.elapsed(start, at("9999-12-31 00:00")) == office.elapsed(start, at("2150-01-01 00:00"))


def test_years_come_in_any_order() -> None:
    model = CalendarModel.model_validate(CALENDARS["berlin night"])
    instants = [at(f"{year}-12-31 23:30+01:00") for year in (2026, 2031, 1999, 2040, 2012)]
    forwards, backwards = BusinessCalendar("f", model), BusinessCalendar("b", model)
    for t in instants:
        assert forwards.elapsed(t - HOUR, t + 8 * HOUR) == 7.5 * HOUR
    assert forwards.elapsed(instants[2], instants[3]) == backwards.elapsed(instants[2], instants[3])
    for t in reversed(instants):
        assert backwards.after(t, 100 * HOUR) == forwards.after(t, 100 * HOUR)
        assert backwards.business_days(t, 9) == forwards.business_days(t, 9)


def test_without_anything_it_is_always_open() -> None:
    always = make_calendar("round", CalendarModel(timezone="Europe/Berlin"))
    start = at("2026-03-28 12:00")
    assert always.name == "round"
    assert always.elapsed(start, start + 5) == 5
    assert always.after(start, 5) == start + 5
    assert always.business_days(start, 2) == start + 48 * HOUR
    assert always.is_open(start)
    assert list(always.segments(start, start + 1)) == [(start, start + 1, True)]
    assert list(always.segments(start, start)) == []


def test_the_first_question_may_be_of_the_instant_0() -> None:
    new = BusinessCalendar("office", CalendarModel(**CALENDARS["office"]))
    assert new.after(0, HOUR) == parse("1970-01-01T10:00:00Z")
