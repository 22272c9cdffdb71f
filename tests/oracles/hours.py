"""Open hours the slow way: every minute of a day is asked whether it is open, by its local date and time of day.

Calendars are the dicts of a policy file. Shares no code with the product.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import groupby
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from tests.oracles.contract import MS, ZERO

DAY, MINUTE, MIDNIGHT = timedelta(1), timedelta(minutes=1), 24 * 60
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FAR = datetime(2100, 1, 1, tzinfo=UTC)
SEARCH_DAYS = 1000
"""Histories ask for instants a few weeks away."""

Span = tuple[datetime, datetime, date]
"""Open from, to, and the business day that the time belongs to."""


class Hours:
    """One calendar of a policy file; {} is open all the time."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = json.dumps(told, sort_keys=True, default=str)
        self.always = not told

    def open(self, since: datetime) -> Iterator[Span]:
        """The open time from `since` on, piece by piece."""
        if self.always:
            yield since, FAR, since.date()
            return
        for number in range(SEARCH_DAYS):
            for a, b, day in _spans(self.told, (since + number * DAY).date()):
                if b > since:
                    yield max(a, since), b, day

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """The open time in [start, end)."""
        total = ZERO
        for a, b, _ in self.open(start):
            if a >= end:
                break
            total += min(b, end) - a
        return total

    def after(self, start: datetime, span: timedelta) -> datetime:
        """The first instant from `start` on at which `span` has been open: a closing instant, not the next opening."""
        if span <= ZERO:
            return start
        for a, b, _ in self.open(start):
            if b - a >= span:
                return a + span
            span -= b - a
        raise AssertionError("no such open time in sight")

    def business_days(self, start: datetime, days: int) -> timedelta:
        """The open time from `start` to the same share of the business day `days` business days later, in whole ms."""
        if self.always:
            return days * DAY
        total: dict[date, timedelta] = {}  # open time by business day, from some days before the start
        gone: dict[date, timedelta] = {}  # and what of it lies before the start
        for a, b, day in self.open(start - 4 * DAY):
            total[day] = total.get(day, ZERO) + (b - a)
            gone[day] = gone.get(day, ZERO) + max(ZERO, min(b, start) - a)
            ahead = [d for d in total if gone[d] < total[d]]  # from the day of the start on
            if len(ahead) == days + 2:
                break
        first, *between, last = ahead[: days + 1]
        share = Fraction(gone[first] // MS, total[first] // MS)
        rest = total[first] - gone[first] + sum((total[d] for d in between), ZERO)
        return rest + ceil(share * (total[last] // MS)) * MS


@cache
def _spans(told: str, day: date) -> tuple[Span, ...]:
    """The open pieces of a UTC day."""
    begin = datetime.combine(day, time(), UTC)
    zone = ZoneInfo(json.loads(told).get("timezone", "UTC"))
    pieces = []
    for belongs, group in groupby((begin + n * MINUTE for n in range(MIDNIGHT)), lambda at: _open(told, zone, at)):
        run = list(group)
        if belongs is not None:
            pieces.append((run[0], run[-1] + MINUTE, belongs))
    return tuple(pieces)


def _open(told: str, zone: ZoneInfo, at: datetime) -> date | None:
    """The business day to which this minute belongs; None where it is closed."""
    local = at.astimezone(zone)
    return _local_minutes(told, local.date())[local.hour * 60 + local.minute]


@cache
def _local_minutes(told: str, day: date) -> list[date | None]:
    """The same for each minute of a local day: what yesterday left over and the windows of today."""
    minutes: list[date | None] = [None] * MIDNIGHT
    for began, before in ((day - DAY, MIDNIGHT), (day, 0)):
        for since, until in _windows(told, began):
            for minute in range(max(0, since - before), min(MIDNIGHT, until - before)):
                minutes[minute] = began
    return minutes


@cache
def _windows(told: str, day: date) -> tuple[tuple[int, int], ...]:
    """The windows that begin on a local day, in minutes; one over midnight ends beyond `MIDNIGHT`."""
    calendar = json.loads(told)
    texts: list[str] = calendar["hours"].get(WEEK[day.weekday()], []) if "hours" in calendar else ["00:00-24:00"]
    free = _holidays(calendar["holidays"]) if "holidays" in calendar else None
    if str(day) in calendar.get("open", {}):
        texts = calendar["open"][str(day)]
    elif str(day) in calendar.get("closed", ()):
        texts = []
    elif free is not None and "makeup" in calendar and day in free.weekend_workdays:
        texts = calendar["makeup"]
    elif free is not None and day in free:
        texts = []
    edges = [[int(t[:2]) * 60 + int(t[3:]) for t in text.split("-")] for text in texts]
    return tuple((since, until if until > since else until + MIDNIGHT) for since, until in edges)


@cache
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country, years=range(2025, 2030))
