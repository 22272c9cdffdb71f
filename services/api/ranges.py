"""Time in queries: durations, windows, ranges, steps. All instants and lengths are milliseconds.

A range is half open, [from, to). `window=W` ends at the end of the current minute slice and begins W earlier, so that
it is made of whole slices; the answer states both ends.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus

from schemas import times
from services.web.problems import Problem

MINUTE_MS = 60_000
MAX_STEPS = 11_000
"""A week by the minute is 10,080 steps; the same limit as Prometheus' query_range."""
MAX_RANGE_MS = 3_660 * 86_400_000
"""Ten years and a little."""

_UNITS_MS = {"s": 1_000, "m": MINUTE_MS, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([1-9][0-9]{0,9})([smhd])")
_OFFSET_LOST_ITS_PLUS = re.compile(r"^(.+) (\d\d:\d\d)$")
_LATEST_MS = times.parse("2299-01-01T00:00:00Z")


def refused(parameter: str, detail: str) -> Problem:
    """The problem for a query parameter that cannot be used; names it and says what is allowed."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{parameter}: {detail}", parameter=parameter)


@dataclass(frozen=True, slots=True)
class Range:
    """[from_ms, to_ms)."""

    from_ms: int
    to_ms: int

    @property
    def whole_minutes(self) -> bool:
        """True where both ends lie on a minute, so that slices hold the exact answer."""
        return self.from_ms % MINUTE_MS == 0 and self.to_ms % MINUTE_MS == 0

    def stated(self) -> dict[str, str]:
        """Both ends as the answer carries them."""
        return {"from": times.text(self.from_ms), "to": times.text(self.to_ms)}


@dataclass(frozen=True, slots=True)
class Steps:
    """A range cut into steps of `step_ms` from its beginning; the last one ends with the range and may be shorter."""

    range: Range
    step_ms: int

    @property
    def count(self) -> int:
        """How many steps there are."""
        return -(-(self.range.to_ms - self.range.from_ms) // self.step_ms)

    @property
    def starts(self) -> list[int]:
        """Where each step begins."""
        return list(range(self.range.from_ms, self.range.to_ms, self.step_ms))

    @property
    def whole_minutes(self) -> bool:
        """True where every step is made of whole slices."""
        return self.range.whole_minutes and self.step_ms % MINUTE_MS == 0

    def index_of(self, ms: int) -> int | None:
        """The step that holds an instant; None where the range does not."""
        inside = self.range.from_ms <= ms < self.range.to_ms
        return (ms - self.range.from_ms) // self.step_ms if inside else None


def duration(parameter: str, text: str) -> int:
    """The length of `15s`, `5m`, `2h` or `7d`. Raises Problem 422 naming the parameter."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise refused(parameter, f"{text!r} is not a duration; write a whole number and s, m, h or d, like 15m.")
    return int(match[1]) * _UNITS_MS[match[2]]


def instant(parameter: str, text: str) -> int:
    """The instant of an RFC 3339 text. Raises Problem 422 naming the parameter.

    A `+` that was not percent-encoded arrives as a space; it is put back.
    """
    try:
        ms = times.parse(_OFFSET_LOST_ITS_PLUS.sub(r"\1+\2", text))
    except (ValueError, OverflowError):
        raise refused(parameter, f"{text!r} is not an RFC 3339 time with offset, like 2026-01-31T09:00:00Z.") from None
    if not 0 <= ms < _LATEST_MS:
        raise refused(parameter, "the year must lie between 1970 and 2298, as ClickHouse can hold.")
    return ms


def to_range(window: str | None, from_: str | None, to: str | None, *, now_ms: int, default: str = "15m") -> Range:
    """The range asked for by `window`, or by `from` and `to`; `default` is the window where none is given."""
    if from_ is None and to is None:
        length = duration("window", window or default)
        if length % MINUTE_MS:
            raise refused("window", "windows are whole minutes; for any other range use from and to.")
        if length > MAX_RANGE_MS:
            raise refused("window", f"at most {MAX_RANGE_MS // 86_400_000}d, which are ten years, are answered.")
        end = (now_ms // MINUTE_MS + 1) * MINUTE_MS
        if length > end:
            raise refused("window", "reaches back before 1970.")
        return Range(end - length, end)
    if window is not None:
        raise refused("window", "give either window, or from and to.")
    if from_ is None or to is None:
        raise refused("from" if from_ is None else "to", "from and to are needed together.")
    found = Range(instant("from", from_), instant("to", to))
    if found.from_ms >= found.to_ms:
        raise refused("to", "must be later than from.")
    if found.to_ms - found.from_ms > MAX_RANGE_MS:
        raise refused("to", "lies more than ten years after from; ask for a shorter range.")
    return found


def to_steps(range_: Range, step: str) -> Steps:
    """The range cut into steps. Raises Problem 422 where they are more than MAX_STEPS."""
    steps = Steps(range_, duration("step", step))
    if steps.count > MAX_STEPS:
        raise refused("step", f"gives {steps.count:,} steps; at most {MAX_STEPS:,} are answered. Take a longer step.")
    return steps
