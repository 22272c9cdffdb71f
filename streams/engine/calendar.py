"""Open time. A clock counts only while its calendar is open; all instants and spans are integer milliseconds.

A business calendar is a sorted list of open stretches with the open time before each, so that every question is a
bisection. It is open whenever the local wall clock shows a time that lies in a window: of an hour that a change to
winter time repeats, both count, and one that a change to summer time leaves out does not exist.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from schemas.calendar import Calendar as CalendarModel
from streams.engine.opening import DAY_MS, Stretch, stretches, year_begins

NEVER = 1 << 62
"""Later than any instant, longer than any time."""
FIRST_YEAR, LAST_YEAR = 1970, 2149
"""Business calendars are closed in all other years, so that one absurd date cannot make them work out millennia."""
_BEYOND_A_DAY = 4 * DAY_MS
"""A business day ends less than three days after it begins, whatever its windows and the changes of offset."""


class Calendar(Protocol):
    """When time counts."""

    name: str

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end); start <= end. All the time until `NEVER` is `NEVER`."""
        ...

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`: a closing rather than the
        opening after it. `NEVER` where it does not open that long any more."""
        ...

    def business_days(self, start: int, days: int) -> int:
        """The instant that many business days after `start`: at the same share of that day's open time. `NEVER` where
        so many days do not come."""
        ...

    def is_open(self, t: int) -> bool:
        """Whether time counts at t."""
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

    def is_open(self, t: int) -> bool:
        """Always."""
        return True

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """One open stretch."""
        if start < end:
            yield start, end, True


class BusinessCalendar:
    """Opening hours in a time zone, with holidays and days that differ. Years are worked out when first asked for."""

    def __init__(self, name: str, model: CalendarModel) -> None:
        self.name = name
        self._model = model
        self._zone = ZoneInfo(model.timezone)
        self._stretches: list[Stretch] = []
        self._years = range(0)
        # Worked out is [low, high). By open stretch, after one of no length before all time: where it begins, what to
        # add to an instant in it for the open time until then, and the open time until its end.
        self._low, self._high = 1, 0  # nothing: no instant is both
        self._begins, self._shifts, self._untils = [-NEVER], [NEVER], [0]
        self._days: list[int] = []  # the open time before each business day

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end); 0 where start is not before end."""
        if end >= NEVER:
            return NEVER
        if start >= end:
            return 0
        if start < self._low or end > self._high:
            self._cover(start, end)
        # As `_open_until` twice, without its calls: this is asked for every event.
        begins, shifts, untils = self._begins, self._shifts, self._untils
        i, j = bisect_right(begins, start) - 1, bisect_right(begins, end) - 1
        before, until = start + shifts[i], end + shifts[j]
        return (until if until < untils[j] else untils[j]) - (before if before < untils[i] else untils[i])

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`; `start` itself for none."""
        if span <= 0:
            return start
        if start < self._low or start > self._high:
            self._cover(start, start)
        return self._instant(self._open_until(start) + span)

    def business_days(self, start: int, days: int) -> int:
        """The instant that many business days after `start`.

        How far `start` is into its business day is a share of that day's open time; the answer is at the same share of
        the day so many business days on, rounded up to a millisecond. A start in closed time is one at the next
        opening. Nothing of a day is the closing of the one before.
        """
        if days <= 0:
            return start
        self._cover(start - _BEYOND_A_DAY, start)
        passed = self._open_until(start)
        while (first := bisect_right(self._days, passed) - 1) + days + 1 >= len(self._days):
            if not self._further():
                return NEVER
        opened, closed = self._days[first : first + 2]
        begins, ends = self._days[first + days : first + days + 2]
        return self._instant(begins - (opened - passed) * (ends - begins) // (closed - opened))

    def is_open(self, t: int) -> bool:
        """Whether time counts at t."""
        self._cover(t, t + 1)
        i = bisect_right(self._begins, t) - 1
        return t + self._shifts[i] < self._untils[i]

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """[start, end) cut where it opens and closes, in order: begin, end, whether open."""
        self._cover(start, end)
        at, opened = start, start
        for i in range(max(1, bisect_right(self._begins, start) - 1), bisect_left(self._begins, end)):
            begin, closing = max(self._begins[i], start), min(self._untils[i] - self._shifts[i], end)
            if begin >= closing:
                continue
            if begin > at:
                if opened < at:
                    yield opened, at, True
                yield at, begin, False
                opened = begin
            at = closing
        if opened < at:
            yield opened, at, True
        if at < end:
            yield at, end, False

    def _open_until(self, t: int) -> int:
        """The open time before t of all that is worked out."""
        i = bisect_right(self._begins, t) - 1
        passed = t + self._shifts[i]
        return passed if passed < self._untils[i] else self._untils[i]

    def _instant(self, passed: int) -> int:
        """The first instant with that much open time before it, which is some."""
        while passed > self._untils[-1]:
            if not self._further():
                return NEVER
        return passed - self._shifts[bisect_left(self._untils, passed)]

    # Working years out

    def _cover(self, start: int, end: int) -> None:
        """Sees to it that the years from start to end are worked out."""
        if start < self._low or end > self._high:
            known = self._years or range(_year(start), _year(start))
            self._work_out(range(min(known.start, _year(start)), max(known.stop, _year(end) + 1)))

    def _further(self) -> bool:
        """Works out as many years again as there are; whether there were any to come."""
        known = self._years
        if known.stop > LAST_YEAR:
            return False
        self._work_out(range(known.start, min(known.stop + len(known), LAST_YEAR + 1)))
        return True

    def _work_out(self, years: range) -> None:
        known = self._years or range(years.stop, years.stop)
        earlier, later = range(years.start, known.start), range(known.stop, years.stop)
        self._stretches = [*self._year_by_year(earlier), *self._stretches, *self._year_by_year(later)]
        self._years = years
        self._low = year_begins(years.start) if years.start > FIRST_YEAR else -NEVER
        self._high = year_begins(years.stop) if years.stop <= LAST_YEAR else NEVER
        begins, shifts, untils, days = [-NEVER], [NEVER], [0], list[int]()
        passed = latest = 0
        for begin, end, day in self._stretches:
            if day != latest:
                latest = day
                days.append(passed)
            begins.append(begin)
            shifts.append(passed - begin)
            passed += end - begin
            untils.append(passed)
        self._begins, self._shifts, self._untils, self._days = begins, shifts, untils, days

    def _year_by_year(self, years: range) -> Iterator[Stretch]:
        for year in years:
            yield from stretches(self._model, self._zone, year)


def _year(t: int) -> int:
    """The year of an instant, or the one nearest to it for which there are business calendars."""
    first, last = year_begins(FIRST_YEAR), year_begins(LAST_YEAR)
    return datetime.fromtimestamp(min(max(t, first), last) // 1000, UTC).year


def make_calendar(name: str, model: CalendarModel) -> Calendar:
    """The calendar of a policy file, ready for use."""
    return AlwaysOpen(name) if model.always else BusinessCalendar(name, model)
