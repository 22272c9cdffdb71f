"""From local opening hours to instants: what a year of a calendar is, in milliseconds since 1970."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.calendar import Calendar

DAY_MS = 86_400_000
MINUTE_MS = 60_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MARGIN_DAYS = 3
"""Local days that may reach into a year: offsets are less than a day, and a window runs into the next day."""


class Stretch(NamedTuple):
    """Open time, [begin, end), of the business day `day` (a date's ordinal)."""

    begin: int
    end: int
    day: int


def year_begins(year: int) -> int:
    """The first instant of a year, UTC."""
    return (date(year, 1, 1).toordinal() - _EPOCH_DAY) * DAY_MS


def stretches(model: Calendar, zone: ZoneInfo, year: int) -> Iterator[Stretch]:
    """The open time of a UTC year in order: whenever the clock on the wall shows a time that lies in a window.

    So an hour that the change to summer time leaves out is open to nobody, and of one that the change to winter time
    repeats both count.
    """
    begins, ends = year_begins(year), year_begins(year + 1)
    hours = list(_local_hours(model, begins // DAY_MS - _MARGIN_DAYS, ends // DAY_MS + _MARGIN_DAYS))
    first = latest = 0
    for since, until, ahead in _offsets(zone, begins, ends):
        # Where a change repeats the end of a day after the next has begun, that end is taken as part of the next.
        while first and hours[first - 1].end - ahead > since:
            first -= 1
        for begin, end, day in hours[first:]:
            if begin - ahead >= until:
                break
            first += 1
            begin, end = max(begin - ahead, since), min(end - ahead, until)
            if begin < end:
                latest = max(latest, day)
                yield Stretch(begin, end, latest)


def _local_hours(model: Calendar, first: int, last: int) -> Iterator[Stretch]:
    """The windows of the days `first` to `last` (days since 1970), in order and apart, in local milliseconds since
    1970. Where a window over midnight runs into one of the next day, the time belongs to the day it began on."""
    covered = first * DAY_MS
    for number in range(first, last):
        day = date.fromordinal(number + _EPOCH_DAY)
        for since, until in model.windows_of(day):
            begin, end = max(number * DAY_MS + since * MINUTE_MS, covered), number * DAY_MS + until * MINUTE_MS
            if begin < end:
                yield Stretch(begin, end, day.toordinal())
                covered = end


def _offsets(zone: ZoneInfo, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """[begin, end) cut where the zone changes its offset: since, until, and by how much it is ahead of UTC, in ms."""
    since, ahead = begin, _ahead(zone, begin)
    for t in range(begin + DAY_MS, end + DAY_MS, DAY_MS):
        after = _ahead(zone, t)
        if after != ahead:
            low, high = t - DAY_MS, t
            while high - low > 1000:
                middle = (low + high) // 2000 * 1000
                low, high = (middle, high) if _ahead(zone, middle) == ahead else (low, middle)
            if since < high < end:
                yield since, high, ahead
                since = high
            ahead = after
    yield since, end, ahead


def _ahead(zone: ZoneInfo, t: int) -> int:
    offset = datetime.fromtimestamp(t // 1000, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return (offset.days * 86_400 + offset.seconds) * 1000
