"""The calendars of a policy file: opening hours of a week in a time zone, and the days that differ."""

import re
import warnings
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from schemas.errors import quoted

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[str, ...] = get_args(Weekday)
_WEEKDAY: tuple[Weekday, ...] = get_args(Weekday)
DAY_MINUTES = 1440

_COUNTRY = re.compile(r"([A-Z]{2})(?:-(.+))?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-4]):([0-5]\d)", re.ASCII)

Minutes = tuple[int, int]
"""A window in minutes since its day's midnight; one that runs into the next day ends after 1440."""


def parse_window(text: object) -> Minutes:
    """The minutes of `09:00-18:00`; `22:00-06:00` runs into the next day, `24:00` is midnight. Raises ValueError."""
    match = _WINDOW.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{quoted(text)} is no window; write "09:00-18:00", in quotes')
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if end > DAY_MINUTES:
        raise ValueError(f"{quoted(text)}: a day ends at 24:00")
    if begin == end:
        raise ValueError(f'{quoted(text)} is empty; around the clock is "00:00-24:00"')
    return begin, end if end > begin else end + DAY_MINUTES


def _window(text: object) -> str:
    parse_window(text)
    return str(text)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{quoted(name)} is no time zone; write one such as Asia/Shanghai") from None
    return name


def _country(code: str) -> str:
    try:
        _holidays_of(code, 2026)
    except NotImplementedError:
        raise ValueError(f"{quoted(code)}: no holidays are known of it; write a country such as CN, or DE-BY") from None
    return code


def _day(value: object) -> object:
    # Left to itself pydantic takes 20261231 for seconds since 1970.
    if isinstance(value, date) or (isinstance(value, str) and _DATE.fullmatch(value)):
        return value
    raise ValueError("is no date: write one such as 2026-10-10")


Day = Annotated[date, BeforeValidator(_day)]
Windows = list[
    Annotated[
        str,
        BeforeValidator(_window),
        WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d-\d\d:\d\d$", "examples": ["09:00-18:00"]}),
    ]
]


class Calendar(BaseModel):
    """When a clock runs. Without anything: always.

    `hours` gives the windows of each weekday in local time, a day without an entry is closed; without `hours` it is
    open around the clock but for the days below. `holidays` (a country, CN, or part of one, DE-BY) and `closed` are
    closed days. On the days of `open` these windows hold whatever else is said. `makeup` are the windows of the weekend
    days on which a country works in exchange for days off; without it those are like any weekend.
    Windows of a day may overlap. A window over midnight belongs to the day it begins on: it runs to its end even where
    the next day is closed.

    Holidays and make-up workdays are those of the library `holidays`, public ones in the whole country or part. For CN
    it has the lists that the State Council publishes each November from 2001 to 2026; for other years it knows the
    statutory days but no make-up workdays. A newer version of the library brings a newer list. Weekend days amid a
    holiday week are ordinary weekend days to it: a calendar that is open on those lists them in `closed`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    hours: dict[Weekday, Windows] | None = None
    holidays: Annotated[str, AfterValidator(_country)] | None = None
    closed: list[Day] = []
    open: dict[Day, Annotated[Windows, Field(min_length=1)]] = {}
    makeup: Windows = []

    @model_validator(mode="after")
    def _opens(self) -> "Calendar":
        if self.hours is not None and not any(self.hours.values()) and not self.open:
            raise ValueError("a week without an open hour: no clock could ever run on it")
        if self.makeup and self.holidays is None:
            raise ValueError("makeup needs holidays: whose make-up workdays?")
        return self

    @property
    def always(self) -> bool:
        """Open around the clock, every day."""
        return self.hours is None and self.holidays is None and not self.closed and not self.open

    def windows_of(self, day: date) -> tuple[Minutes, ...]:
        """The windows that begin on a day, sorted and merged."""
        if day in self.open:
            return _parsed(tuple(self.open[day]))
        if day in self.closed:
            return ()
        if self.holidays is not None:
            closed, worked = _holidays_of(self.holidays, day.year)
            if day in worked and self.makeup:
                return _parsed(tuple(self.makeup))
            if day in closed:
                return ()
        if self.hours is None:
            return ((0, DAY_MINUTES),)
        return _parsed(tuple(self.hours.get(_WEEKDAY[day.weekday()], ())))


def merged(windows: Iterable[Minutes]) -> list[Minutes]:
    """Windows in order, overlapping and touching ones joined."""
    joined: list[Minutes] = []
    for begin, end in sorted(windows):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


@lru_cache(maxsize=1024)
def _parsed(windows: tuple[str, ...]) -> tuple[Minutes, ...]:
    return tuple(merged(map(parse_window, windows)))


@lru_cache(maxsize=4096)
def _holidays_of(code: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Days off and make-up workdays of a year in a country or part of one. Raises NotImplementedError where it is
    unknown."""
    match = _COUNTRY.fullmatch(code)
    if match is None:
        raise NotImplementedError(code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some countries' holidays end in 2035, as their calendar is astronomical
        # A day off in January may be worked for in December.
        found = holidays.country_holidays(match[1], subdiv=match[2], years=(year - 1, year, year + 1))
    return frozenset(found), frozenset(found.weekend_workdays)
