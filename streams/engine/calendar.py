"""Open time. A clock counts only while its calendar is open; all instants and spans are integer milliseconds.

A business calendar is a sorted list of open stretches with the open time before each, so that every question is a
bisection. An instant is open where its local wall time lies in a window: of an hour that a change to winter time
repeats, both count, and one that a change to summer time leaves out does not exist.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from schemas.calendar import Calendar as CalendarModel
from schemas.errors import WorkFailed

DAY_MS = 86_400_000
MINUTE_MS = 60_000
LOOK_AHEAD_YEARS = 50
_EPOCH = date(1970, 1, 1)


class Calendar(Protocol):
    """When time counts."""

    name: str

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end); start <= end."""
        ...

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`: a closing rather than the
        opening after it."""
        ...

    def business_days(self, start: int, days: int) -> int:
        """The instant that many business days after `start`: at the same share of that day's open time."""
        ...

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """[start, end) cut where it opens and closes, in order: begin, end, whether open."""
        ...


class AlwaysOpen:
    """24x7: elapsed time is the difference, a business day has 24 hours."""

    def __init__(self, name: str = "always") -> None:
        self.name = name

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end)."""
        return end - start

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`."""
        return start + span

    def business_days(self, start: int, days: int) -> int:
        """So many times 24 hours later."""
        return start + days * DAY_MS

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """One open stretch."""
        if start < end:
            yield start, end, True


class BusinessCalendar:
    """Opening hours in a time zone, with holidays and days that differ.

    Years are worked out when they are first asked for. Raises `WorkFailed` where nothing opens for fifty years.
    """

    def __init__(self, name: str, model: CalendarModel) -> None:
        self.name = name
        self._model = model
        self._zone = ZoneInfo(model.timezone)
        self._years: tuple[int, int] | None = None
        self._from = self._to = 0
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._before: list[int] = []
        self._until: list[int] = []
        self._days: list[int] = []

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end); 0 where start is not before end."""
        if start >= end:
            return 0
        self._cover(start, end)
        return self._open_before(end) - self._open_before(start)

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`."""
        if span <= 0:
            return start
        self._cover(start, start)
        goal = self._open_before(start) + span
        if self._until[-1:] < [goal]:
            goal = self._reach(start, lambda: self._until[-1:] >= [self._open_before(start) + span], span)
        return self._at(goal)

    def business_days(self, start: int, days: int) -> int:
        """The instant that many business days after `start`.

        How far `start` is into its business day is a share of that day's open time; the answer is at the same share of
        the day so many business days on, rounded up to a millisecond. A start in closed time is one at the next
        opening. Nothing of a day is the closing of the one before.
        """
        self._cover(start, start)
        first = self._day_of(start)
        if first + days + 1 >= len(self._days):
            self._reach(start, lambda: self._day_of(start) + days + 1 < len(self._days))
            first = self._day_of(start)
        gone, length = self._open_before(start) - self._days[first], self._days[first + 1] - self._days[first]
        target = first + days
        share = -(-gone * (self._days[target + 1] - self._days[target]) // length)
        return self._at(self._days[target] + share)

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """[start, end) cut where it opens and closes, in order: begin, end, whether open."""
        if start >= end:
            return
        self._cover(start, end)
        at, i = start, bisect_right(self._ends, start)
        while at < end and i < len(self._begins) and self._begins[i] < end:
            if at < self._begins[i]:
                yield at, self._begins[i], False
                at = self._begins[i]
            until = min(end, self._ends[i])
            yield at, until, True
            at, i = until, i + 1
        if at < end:
            yield at, end, False

    def _open_before(self, t: int) -> int:
        """Open time from the beginning of what is worked out until t."""
        i = bisect_right(self._begins, t) - 1
        if i < 0:
            return 0
        end = self._ends[i]
        return self._before[i] + (t if t < end else end) - self._begins[i]

    def _at(self, open_time: int) -> int:
        """The first instant with that much open time before it."""
        i = bisect_left(self._until, open_time)
        return self._begins[i] + open_time - self._before[i]

    def _day_of(self, t: int) -> int:
        """The number of the business day that t lies in, or that comes next."""
        return bisect_right(self._days, self._open_before(t)) - 1

    # Working years out

    def _cover(self, start: int, end: int) -> None:
        if self._years is None or start < self._from or end > self._to:
            first, last = _year(start) - 1, _year(end) + 1
            if self._years is not None:
                first, last = min(first, self._years[0]), max(last, self._years[1])
            self._work_out(first, last)

    def _reach(self, start: int, enough: Callable[[], bool], span: int = 0) -> int:
        """Works out years to come until there is enough; returns the goal of `after`."""
        assert self._years is not None
        for years in (2, 4, 8, 16, LOOK_AHEAD_YEARS):
            self._work_out(self._years[0], max(self._years[1], _year(start) + years))
            if enough():
                return self._open_before(start) + span
        raise WorkFailed(f"calendar {self.name!r} does not open for long enough within {LOOK_AHEAD_YEARS} years")

    def _work_out(self, first: int, last: int) -> None:
        self._years = first, last
        day, end = date(first, 1, 1), date(last + 1, 1, 1)
        offsets = _offsets(self._zone, day, end)
        self._from, self._to = _midnight(day) + DAY_MS, _midnight(end) - DAY_MS
        stretches = sorted(
            (*stretch, midnight)
            for midnight in range(_midnight(day), _midnight(end), DAY_MS)
            for a, b in self._model.windows_of(_EPOCH + timedelta(midnight // DAY_MS))
            for stretch in _instants(offsets, midnight + a * MINUTE_MS, midnight + b * MINUTE_MS)
        )
        begins, ends, before, until, days = list[int](), list[int](), list[int](), list[int](), list[int]()
        total, last_end, last_day = 0, -1 << 62, -1 << 62
        for begin, stop, midnight in stretches:
            begin = max(begin, last_end)
            if begin >= stop:
                continue
            # An hour that comes twice can mix the end of one day's windows with the next day's: the later day has it.
            if midnight > last_day:
                days.append(total)
                last_day = midnight
            if begin == last_end:
                ends[-1] = stop
            else:
                begins.append(begin)
                ends.append(stop)
                before.append(total)
                until.append(total)
            total += stop - begin
            until[-1], last_end = total, stop
        days.append(total)
        self._begins, self._ends, self._before, self._until, self._days = begins, ends, before, until, days


Offsets = list[tuple[int, int]]
"""From which instant on local time is ahead of UTC by how much, in ms, in order."""


def _instants(offsets: Offsets, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The instants whose local wall time lies in [begin, end), given in local ms since 1970."""
    i = max(0, bisect_right(offsets, (begin - DAY_MS, 1 << 62)) - 1)
    while i < len(offsets) and offsets[i][0] <= end + DAY_MS:
        since, ahead = offsets[i]
        until = offsets[i + 1][0] if i + 1 < len(offsets) else 1 << 62
        a, b = max(begin - ahead, since), min(end - ahead, until)
        if a < b:
            yield a, b
        i += 1


def _offsets(zone: ZoneInfo, first: date, last: date) -> Offsets:
    """The offsets of a zone from a day before `first` to a day after `last`."""
    t, end = _midnight(first) - 2 * DAY_MS, _midnight(last) + 2 * DAY_MS
    offsets = [(-1 << 62, _ahead(zone, t))]
    while t < end:
        after = t + DAY_MS
        ahead = _ahead(zone, after)
        if ahead != offsets[-1][1]:
            low, high = t, after
            while high - low > 1000:
                middle = (low + high) // 2000 * 1000
                low, high = (middle, high) if _ahead(zone, middle) == offsets[-1][1] else (low, middle)
            offsets.append((high, ahead))
        t = after
    return offsets


def _ahead(zone: ZoneInfo, t: int) -> int:
    offset = datetime.fromtimestamp(t // 1000, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) * 1000


def _midnight(day: date) -> int:
    return (day - _EPOCH).days * DAY_MS


def _year(t: int) -> int:
    return (_EPOCH + timedelta(t // DAY_MS)).year


def make_calendar(name: str, model: CalendarModel) -> Calendar:
    """The calendar of a policy file, ready for use."""
    return AlwaysOpen(name) if model.always else BusinessCalendar(name, model)
