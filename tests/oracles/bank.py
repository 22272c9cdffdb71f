"""What a service-level report of the bank's call log must say, straight from its rows.

Written apart from the converter and the engine, from docs/data.md alone, and shares no code with them: rows are read,
judged and counted here in one pass, per service type and under "" for all of them.
"""

import csv
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 20
SHORT_ABANDON_S = 5


@dataclass
class Totals:
    """Counts of one service type; the ratios follow from them. Times in whole seconds."""

    met: int = 0
    breached: int = 0
    cancelled: int = 0
    connected: int = 0
    abandoned: int = 0
    wait_s: int = 0
    connected_in_limit: int = 0
    abandoned_in_limit: int = 0
    abandoned_short: int = 0

    @property
    def compliance(self) -> float | None:
        """connect clocks met / (met + breached)."""
        return _ratio(self.met, self.met + self.breached)

    @property
    def metrics(self) -> dict[str, float | None]:
        """The metrics of the catalogue that the log can tell, by id."""
        everyone = self.connected + self.abandoned
        good = self.connected_in_limit
        return {
            "asa": _ratio(self.wait_s, self.connected),
            "abandonment_rate": _ratio(self.abandoned, everyone),
            "sl_answered": _ratio(good, self.connected),
            "sl_all": _ratio(good, everyone),
            "sl_short_excluded": _ratio(good, everyone - self.abandoned_short),
            "sl_abandon_met": _ratio(good + self.abandoned_in_limit, everyone),
            "sl_abandon_excluded": _ratio(good, everyone - self.abandoned_in_limit),
            "contacts_connected": self.connected,
            "contacts_abandoned": self.abandoned,
        }


def totals(path: Path, target_s: Mapping[str, float], otherwise_s: float) -> dict[str, Totals]:
    """Totals per service type, and under "" over all. `target_s`: the connect target per type, else `otherwise_s`."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return count(csv.DictReader(file, delimiter="\t"), target_s, otherwise_s)


def count(rows: Iterable[Mapping[str, str]], target_s: Mapping[str, float], otherwise_s: float) -> dict[str, Totals]:
    """As `totals`, from rows by column name."""
    by_type: dict[str, Totals] = {"": Totals()}
    calls = set()
    for row in rows:
        wait = _wait(row)
        call = (row["date"], row["vru+line"], row["call_id"])
        if wait is None or call in calls:
            continue
        calls.add(call)
        kind = row["type"]
        target = target_s.get(kind, otherwise_s)
        for one in (by_type[""], by_type.setdefault(kind, Totals())):
            _add(one, wait, target, answered=row["outcome"] == "AGENT")
    return by_type


def _add(one: Totals, wait: int, target: float, answered: bool) -> None:
    if answered:
        one.connected += 1
        one.wait_s += wait
        one.connected_in_limit += wait <= LIMIT_S
        one.met += wait <= target
        one.breached += wait > target
    else:
        one.abandoned += 1
        one.abandoned_in_limit += wait <= LIMIT_S
        one.abandoned_short += wait <= SHORT_ABANDON_S
        # Left at the very instant the promise fell due: it was not "before due", so the breach stays.
        one.cancelled += wait < target
        one.breached += wait >= target


def _wait(row: Mapping[str, str]) -> int | None:
    """Seconds waited; None for a row that is not a call or contradicts itself."""
    if row["outcome"] == "PHANTOM":
        return None
    entry = _clock(row["vru_entry"])
    # Every later time of a call lies within hours of its begin, so one far before it belongs to the next day.
    at = {name: _clock(row[name]) for name in ("vru_exit", "q_start", "q_exit", "ser_start", "ser_exit")}
    queued = at["q_start"] != 0 or at["q_exit"] != 0
    served = at["ser_start"] != 0 or at["ser_exit"] != 0
    at = {name: value if value > entry - 12 * 3600 else value + 24 * 3600 for name, value in at.items()}
    if served != (row["outcome"] == "AGENT"):
        return None
    if at["vru_exit"] - entry != int(row["vru_time"]) or int(row["vru_time"]) < 0:
        return None
    if queued and (at["q_exit"] - at["q_start"] != int(row["q_time"]) or int(row["q_time"]) < 0):
        return None
    if served and (at["ser_exit"] - at["ser_start"] != int(row["ser_time"]) or int(row["ser_time"]) < 0):
        return None
    if not served:
        return at["q_exit"] - at["q_start"] if queued else at["vru_exit"] - entry
    asked, free = (at["q_start"], at["q_exit"]) if queued else (at["vru_exit"], at["vru_exit"])
    if free - at["ser_start"] > 2:
        return None
    return max(0, at["ser_start"] - asked)


def _clock(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def _ratio(top: int, bottom: int) -> float | None:
    return top / bottom if bottom else None
