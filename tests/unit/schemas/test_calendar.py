"""Calendars of a policy file: what is read, what is refused, and which windows a day has."""

from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from schemas.calendar import Calendar, merged, parse_window

WEEK = {day: ["09:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
NINE_TO_SIX = ((540, 1080),)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("09:00-18:00", (540, 1080)),
        ("00:00-24:00", (0, 1440)),
        ("22:00-24:00", (1320, 1440)),
        ("22:00-00:00", (1320, 1440)),
        ("22:00-06:00", (1320, 1800)),
        (" 09:00 - 18:00 ", (540, 1080)),
    ],
)
def test_windows(text: str, minutes: tuple[int, int]) -> None:
    assert parse_window(text) == minutes


@pytest.mark.parametrize(
    "text", ["", "9-18", "9:00-18:00", "09:00", "09:60-10:00", "25:00-26:00", "24:00-08:00", 540, None]
)
def test_what_is_no_window(text: object) -> None:
    with pytest.raises(ValueError, match='is no window; write "09:00-18:00", in quotes'):
        parse_window(text)


@pytest.mark.parametrize(
    ("windows", "joined"),
    [
        ([], []),
        ([(600, 720), (0, 60)], [(0, 60), (600, 720)]),
        ([(0, 60), (60, 120)], [(0, 120)]),
        ([(0, 90), (60, 80), (85, 120)], [(0, 120)]),
    ],
)
def test_windows_of_a_day_are_joined(windows: list[tuple[int, int]], joined: list[tuple[int, int]]) -> None:
    assert merged(windows) == joined


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("timezone: Mars/Olympus", "'Mars/Olympus' is no time zone; write one such as Asia/Shanghai"),
        ("timezone: Europe", "'Europe' is no time zone"),
        ("timezone: ''", "'' is no time zone"),
        ("hours: {mon: [9:30]}", '570 is no window; write "09:00-18:00", in quotes'),
        ("hours: {mon: ['08:00-24:01']}", "'08:00-24:01': a day ends at 24:00"),
        ("hours: {mon: ['08:00-08:00']}", "'08:00-08:00' is empty; around the clock is \"00:00-24:00\""),
        ("hours: {}", "a week without an open hour: no clock could ever run on it"),
        ("{hours: {mon: [], sun: []}, holidays: CN}", "a week without an open hour"),
        ("holidays: cn", "'cn': no holidays are known of it; write a country such as CN, or DE-BY"),
        ("holidays: DE-", "'DE-': no holidays are known of it"),
        ("holidays: DE-XX", "'DE-XX': no holidays are known of it"),
        ("holidays: HolidayBase", "'HolidayBase': no holidays are known of it"),
        ("closed: [20261231]", "is no date: write one such as 2026-10-10"),
        ("closed: ['20261231']", "is no date: write one such as 2026-10-10"),
        ("open: {2026-10-10: []}", "at least 1 item"),
        ("makeup: ['09:00-18:00']", "makeup needs holidays: whose make-up workdays?"),
        ("hour: {}", "Extra inputs are not permitted"),
    ],
)
def test_refusals(text: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Calendar.model_validate(yaml.safe_load(text))
    assert says in caught.value.errors()[0]["msg"]


def test_dates_may_be_dates_or_texts() -> None:
    read = yaml.safe_load("{closed: [2026-12-31, '2026-12-30'], open: {2026-10-10: ['09:00-12:00']}}")
    calendar = Calendar.model_validate(read)
    assert calendar.closed == [date(2026, 12, 31), date(2026, 12, 30)]
    assert calendar.open == {date(2026, 10, 10): ["09:00-12:00"]}
    assert Calendar.model_validate_json(calendar.model_dump_json()) == calendar


@pytest.mark.parametrize(
    ("given", "always"),
    [({}, True), ({"timezone": "Asia/Shanghai"}, True), ({"closed": ["2026-01-01"]}, False), ({"hours": WEEK}, False)],
)
def test_around_the_clock(given: dict[str, Any], always: bool) -> None:
    assert Calendar.model_validate(given).always is always


ALL_DAY = ((0, 1440),)
SATURDAY, MONDAY, MAY_DAY, WORKED = "2026-03-07", "2026-03-09", "2026-05-01", "2026-05-09"


@pytest.mark.parametrize(
    ("given", "day", "windows"),
    [
        ({"hours": WEEK}, MONDAY, NINE_TO_SIX),
        ({"hours": WEEK}, SATURDAY, ()),
        ({"hours": {"mon": ["13:00-18:00", "09:00-12:00", "11:00-12:30"]}}, MONDAY, ((540, 750), (780, 1080))),
        ({"hours": WEEK, "closed": [MONDAY]}, MONDAY, ()),
        ({"hours": WEEK, "closed": [MONDAY], "open": {MONDAY: ["10:00-11:00"]}}, MONDAY, ((600, 660),)),
        ({"hours": WEEK, "open": {SATURDAY: ["22:00-02:00"]}}, SATURDAY, ((1320, 1560),)),
        ({"hours": {}, "open": {SATURDAY: ["10:00-11:00"]}}, MONDAY, ()),
        ({"closed": [MONDAY]}, MONDAY, ()),
        ({"closed": [MONDAY]}, SATURDAY, ALL_DAY),
        ({"holidays": "CN"}, MAY_DAY, ()),
        ({"holidays": "CN"}, MONDAY, ALL_DAY),
        ({"hours": WEEK, "holidays": "CN"}, MAY_DAY, ()),
        ({"hours": WEEK, "holidays": "CN", "open": {MAY_DAY: ["10:00-11:00"]}}, MAY_DAY, ((600, 660),)),
        ({"hours": WEEK, "holidays": "CN"}, WORKED, ()),
        ({"hours": WEEK, "holidays": "CN", "makeup": ["09:00-17:00"]}, WORKED, ((540, 1020),)),
        ({"hours": WEEK, "holidays": "CN", "makeup": ["09:00-17:00"], "closed": [WORKED]}, WORKED, ()),
        ({"hours": WEEK, "holidays": "CN", "makeup": ["09:00-17:00"]}, SATURDAY, ()),
        ({"hours": WEEK, "holidays": "CN", "makeup": ["09:00-17:00"]}, "2005-12-31", ((540, 1020),)),
        ({"hours": WEEK, "holidays": "DE-BY"}, "2026-01-06", ()),
        ({"hours": WEEK, "holidays": "DE"}, "2026-01-06", NINE_TO_SIX),
    ],
)  # fmt: skip
def test_windows_of_a_day(given: dict[str, Any], day: str, windows: tuple[tuple[int, int], ...]) -> None:
    assert Calendar.model_validate(given).windows_of(date.fromisoformat(day)) == windows


def test_china_2026_is_as_the_state_council_published_it() -> None:
    """Days off and days worked of the notice of November 2025."""
    off = [("01-01", 3), ("02-15", 9), ("04-04", 3), ("05-01", 5), ("06-19", 3), ("09-25", 3), ("10-01", 7)]
    worked = {date.fromisoformat(f"2026-{day}") for day in ("01-04", "02-14", "02-28", "05-09", "09-20", "10-10")}
    free = {date.fromisoformat(f"2026-{day}") + timedelta(n) for day, length in off for n in range(length)}
    calendar = Calendar.model_validate({"hours": WEEK, "holidays": "CN", "makeup": ["09:00-18:00"]})
    for number in range(365):
        day = date(2026, 1, 1) + timedelta(number)
        open_ = day in worked or (day.weekday() < 5 and day not in free)
        assert bool(calendar.windows_of(day)) is open_, day
