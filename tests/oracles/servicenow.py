"""What a replay of the incident log must say about resolution, straight from the csv.

Written apart from the converter and the engine, from docs/incidents.md and the clock rules of the contract alone, and
shares no code with them. Times are whole minutes since the epoch, as the log has no finer ones.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

LEVEL = {"1 - Critical": "L1", "2 - High": "L1", "3 - Moderate": "L2", "4 - Low": "L3"}
ON_CUSTOMER = {"Awaiting User Info"}
ON_OTHERS = {"Awaiting Problem", "Awaiting Vendor", "Awaiting Evidence"}
AT_WORK = {"New", "Active"} | ON_CUSTOMER | ON_OTHERS
DONE = {"Resolved", "Closed"}
EPOCH = date(1970, 1, 1)

Row = Mapping[str, str]


@dataclass(frozen=True)
class Promise:
    """Target in minutes, counted around the clock, or from Monday to Friday between two hours of the day."""

    minutes: int
    hours: tuple[int, int] | None = None

    def open(self, start: int, end: int) -> int:
        """Minutes between two instants that count."""
        if self.hours is None:
            return end - start
        total = 0
        for day in range(start // 1440, end // 1440 + 1):
            if (EPOCH + timedelta(days=day)).weekday() < 5:
                opening, closing = (day * 1440 + hour * 60 for hour in self.hours)
                total += max(0, min(end, closing) - max(start, opening))
        return total

    def reached(self, start: int, minutes: int) -> int:
        """The first instant by which so many minutes have counted since `start`."""
        low, high = start, start + max(minutes, 1)
        while self.open(start, high) < minutes:
            high += high - start
        while low < high:
            middle = (low + high) // 2
            if self.open(start, middle) >= minutes:
                high = middle
            else:
                low = middle + 1
        return low


@dataclass
class Resolution:
    """One resolution clock of an incident; `breached` is the instant at which it fell due, where it was passed."""

    number: str
    seq: int
    promise: Promise
    started: int
    carried: int
    stretches: list[tuple[int, int]] = field(default_factory=list)
    since: int | None = None
    breached: int | None = None
    stopped: int | None = None

    @property
    def elapsed(self) -> int:
        """Minutes that counted, of the stretches that ended."""
        return self.carried + sum(self.promise.open(*stretch) for stretch in self.stretches)

    def judge(self, now: int) -> None:
        """Notices that its budget was used up before `now`."""
        if self.breached is not None:
            return
        left = self.promise.minutes - self.carried
        if left < 0:
            self.breached = self.started
        for begin, end in [*self.stretches, *([] if self.since is None else [(self.since, now)])]:
            used_up = self.promise.reached(begin, left)
            if self.breached is None and used_up < end:
                self.breached = used_up
            left -= self.promise.open(begin, end)

    def hold(self, now: int) -> None:
        if self.since is not None:
            self.stretches.append((self.since, now))
            self.since = None


@dataclass
class Log:
    """The incidents by number, each with its rows in order of their updates, and how many rows were left out why."""

    incidents: dict[str, list[Row]]
    left_out: Counter[str]


def read(path: Path) -> Log:
    """The log without the rows that contradict themselves."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return tidy(csv.DictReader(file))


def tidy(rows: Iterable[Row]) -> Log:
    """As `read`, from rows by column name."""
    log = Log({}, Counter())
    for row in rows:
        if minute(row["sys_updated_at"]) < minute(row["opened_at"]):
            log.left_out["updated before it was opened"] += 1
        else:
            log.incidents.setdefault(row["number"], []).append(row)
    for number, unordered in log.incidents.items():
        kept: list[Row] = []
        for row in sorted(unordered, key=lambda row: (minute(row["sys_updated_at"]), int(row["sys_mod_count"]))):
            was_done = bool(kept) and kept[-1]["incident_state"] in DONE
            if was_done and row["incident_state"] in AT_WORK and row["reopen_count"] == kept[-1]["reopen_count"]:
                log.left_out["open again but not counted as reopened"] += 1
            else:
                kept.append(row)
        log.incidents[number] = kept
    return log


def resolutions(log: Log, promises: Mapping[str, Promise]) -> list[Resolution]:
    """The resolution clocks under a promise a level, reopened incidents going on with what they had used."""
    return [clock for number, rows in log.incidents.items() for clock in _clocks(number, rows, promises)]


def _clocks(number: str, rows: list[Row], promises: Mapping[str, Promise]) -> list[Resolution]:
    start = minute(rows[0]["opened_at"])
    clock = Resolution(number, 0, promises[LEVEL[rows[0]["priority"]]], start, 0, since=start)
    clocks = [clock]
    for row in rows:
        now, state = minute(row["sys_updated_at"]), row["incident_state"]
        if clock.stopped is not None:
            if state in DONE:
                continue
            promise = promises[LEVEL[row["priority"]]]
            clock = Resolution(number, len(clocks), promise, now, clock.elapsed, since=now)
            clocks.append(clock)
        clock.judge(now)
        if clock.breached is None:
            clock.promise = promises[LEVEL[row["priority"]]]
            clock.judge(now)
        if state in DONE:
            clock.hold(now)
            clock.stopped = now
        elif state in ON_CUSTOMER | ON_OTHERS:
            clock.hold(now)
        elif clock.since is None:
            clock.since = now
    return clocks


def event_counts(log: Log) -> Counter[str]:
    """How many events of each type the rows amount to."""
    counts: Counter[str] = Counter()
    for rows in log.incidents.values():
        counts["contact.opened"] += 1
        counts["contact.connected"] += any(row["incident_state"] in AT_WORK - {"New"} for row in rows)
        for row in rows[:1]:
            counts["contact.pending"] += row["incident_state"] in ON_CUSTOMER | ON_OTHERS
            counts.update(f"contact.{state.lower()}" for state in DONE & {row["incident_state"]})
        worked_on = rows[0]["incident_state"] in AT_WORK - {"New"}
        for old, new in pairwise(rows):
            was, now = old["incident_state"], new["incident_state"]
            types = set()
            for awaiting in (ON_CUSTOMER, ON_OTHERS):
                types |= {"contact.pending"} if now in awaiting and was not in awaiting else set()
                types |= {"contact.resumed"} if was in awaiting and now not in awaiting else set()
            if was != now and now in DONE:
                types.add(f"contact.{now.lower()}")
            if was in DONE and now in AT_WORK:
                types.add("contact.reopened")
            if new["reassignment_count"] != old["reassignment_count"]:
                types.add("contact.transferred")
            if LEVEL[old["priority"]] != LEVEL[new["priority"]] or _news(old, new, "category"):
                types.add("contact.updated")
            first_work = now in AT_WORK - {"New"} and not worked_on
            worked_on = worked_on or first_work
            if not types and not first_work and (_news(old, new, "assignment_group") or _news(old, new, "assigned_to")):
                types.add("contact.updated")
            counts.update(types)
    return counts


def made_sla(log: Log) -> dict[str, bool]:
    """The log's own flag as each incident's last row has it."""
    return {number: rows[-1]["made_sla"].upper() == "TRUE" for number, rows in log.incidents.items()}


def minute(text: str) -> int:
    """Minutes since the epoch of a time such as 29-02-2016 01:16."""
    moment = datetime.strptime(text.replace("/", "-"), "%d-%m-%Y %H:%M").replace(tzinfo=UTC)
    return int(moment.timestamp()) // 60


def _news(old: Row, new: Row, column: str) -> bool:
    return new[column] not in ("?", old[column])
