"""When things happen: the shape of the day and the week in Asia/Shanghai, and incidents. Pure functions of time."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random
from zoneinfo import ZoneInfo

from services.demo.world import CHANNELS, TEAM_SIZES

ZONE = ZoneInfo("Asia/Shanghai")
_QUARTERS = 96
_QUARTER_MS = 900_000
_DAY_MS = 86_400_000
_OFFSET_MS = 8 * 3_600_000  # Shanghai has had no daylight saving since 1991.
_LOW, _HIGH = 0.68, 1.33
_WEEKDAY_PEAKS = ((10.3, 1.6, 1.0), (15.3, 1.9, 0.95), (20.3, 1.6, 0.6))
_WEEKEND_PEAKS = ((11.3, 2.0, 0.7), (15.5, 2.5, 0.75), (20.6, 1.9, 0.95))
_BLOCK_MS = 40 * 60_000
_INCIDENT_CHANCE = 0.8


def is_weekend(at_ms: int) -> bool:
    """Whether it is Saturday or Sunday in Shanghai."""
    return ((at_ms + _OFFSET_MS) // _DAY_MS + 3) % 7 >= 5


def is_month_end(at_ms: int) -> bool:
    """Whether bills are due: from the 27th to the 2nd."""
    day = datetime.fromtimestamp(at_ms / 1000, ZONE).day
    return day >= 27 or day <= 2


class DayShape:
    """The traffic at an instant relative to the daily mean: two peaks on a business day, evenings at weekends.

    Kept within 0.68 to 1.33 of the mean, so that a board is lively at night too.
    """

    def __init__(self) -> None:
        self._weekday = _curve(_WEEKDAY_PEAKS, 1.0)
        self._weekend = _curve(_WEEKEND_PEAKS, 0.92)

    def at(self, at_ms: int) -> float:
        """The factor at an instant, linear between quarters of an hour."""
        curve = self._weekend if is_weekend(at_ms) else self._weekday
        quarter, rest = divmod((at_ms + _OFFSET_MS) % _DAY_MS, _QUARTER_MS)
        here, there = curve[quarter], curve[(quarter + 1) % _QUARTERS]
        return here + (there - here) * rest / _QUARTER_MS


def _curve(peaks: tuple[tuple[float, float, float], ...], level: float) -> list[float]:
    raw = []
    for quarter in range(_QUARTERS):
        hour = quarter / 4
        # A peak in the evening still shows after midnight, so distance is measured round the clock.
        raw.append(sum(h * math.exp(-(((hour - at + 12) % 24 - 12) ** 2) / (2 * w * w)) for at, w, h in peaks))
    low, high = min(raw), max(raw)
    return [level * (_LOW + (_HIGH - _LOW) * (value - low) / (high - low)) for value in raw]


class Trouble(StrEnum):
    """What can go wrong for a while."""

    SHORT_STAFFED = "short_staffed"
    COMPLAINTS = "complaints"
    SURGE = "surge"
    BOT_LOST = "bot_lost"
    FEED_LATE = "feed_late"


@dataclass(frozen=True, slots=True)
class Incident:
    """Trouble of a team or a channel (`where`; "" for the bot) in [start_ms, end_ms)."""

    trouble: Trouble
    where: str
    start_ms: int
    end_ms: int


_KINDS = (
    (Trouble.SHORT_STAFFED,) * 4 + (Trouble.COMPLAINTS,) * 3 + (Trouble.SURGE,) * 2
    + (Trouble.BOT_LOST, Trouble.FEED_LATE)
)  # fmt: skip


class Incidents:
    """At most one incident in each block of 40 minutes, the same for the same seed and time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def at(self, at_ms: int) -> Incident | None:
        """The incident under way at an instant."""
        incident = self.of_block(at_ms // _BLOCK_MS)
        return incident if incident and incident.start_ms <= at_ms < incident.end_ms else None

    def of_block(self, block: int) -> Incident | None:
        """The incident of a block of time, if it has one."""
        rng = Random(self._seed * 1_000_003 + block)
        if rng.random() >= _INCIDENT_CHANCE:
            return None
        trouble = rng.choice(_KINDS)
        where = ""
        if trouble in (Trouble.SHORT_STAFFED, Trouble.COMPLAINTS):
            where = rng.choice(list(TEAM_SIZES)[:10])
        elif trouble in (Trouble.SURGE, Trouble.FEED_LATE):
            where = rng.choice([channel.name for channel in CHANNELS])
        length = rng.randrange(10, 21) * 60_000
        start = block * _BLOCK_MS + rng.randrange(0, _BLOCK_MS - length)
        return Incident(trouble, where, start, start + length)
