"""One clock instance of the naive reading: how long it has counted, when it is due, when it warned.

Nothing is kept up to date: every answer is summed up again from the clock's start and the case's whole pause history.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.oracles.contract import MS, ZERO, Json, show
from tests.oracles.hours import Hours

Reasons = frozenset[str]
SECOND = timedelta(seconds=1)
DEFAULT_WARN_AT = (0.8,)


@dataclass
class Clock:
    """One clock instance. `promise` is what its policy says of it, `pauses` the case's history of waiting reasons,
    `pausing` tells from when on which of them pause this clock; `carried` is what an earlier clock had counted."""

    name: str
    seq: int
    policy: str
    calendar: str
    hours: Hours
    target: timedelta
    promise: Json
    started: datetime
    pauses: list[tuple[datetime, Reasons]]
    pausing: list[tuple[datetime, Reasons]]
    carried: timedelta = ZERO
    ref: str | None = None
    stopped: datetime | None = None
    breached: datetime | None = None
    cancelled: bool = False
    dims: Json = field(default_factory=dict)

    def stretches(self, until: datetime) -> Iterable[tuple[datetime, datetime, bool]]:
        """The time from the start to `until` in pieces (from, to, paused)."""
        cuts = {at for at, _ in self.pauses + self.pausing if self.started < at < until}
        edges = [self.started, *sorted(cuts), until]
        for a, b in pairwise(edges):
            yield a, b, self.paused(a)

    def paused(self, at: datetime) -> bool:
        """Whether a reason that pauses this clock holds just after `at`."""
        return bool(_valid(self.pauses, at, frozenset()) & _valid(self.pausing, at, self.pausing[0][1]))

    def elapsed(self, until: datetime) -> timedelta:
        """Counted time up to `until`: open hours without pauses."""
        return self.carried + sum((self.hours.elapsed(a, b) for a, b, p in self.stretches(until) if not p), ZERO)

    def reached(self, level: timedelta, until: datetime) -> datetime | None:
        """The first instant up to `until` at which so much had been counted. Neither a pause nor a closing time that
        begins at that very instant puts it off."""
        left = level - self.carried
        if left <= ZERO:
            return self.started
        for a, b, paused in self.stretches(until):
            if not paused:
                counted = self.hours.elapsed(a, b)
                if counted >= left:
                    return self.hours.after(a, left)
                left -= counted
        return None

    def notice(self, now: datetime, dims: Json) -> None:
        """Breaches it where it was due before `now`, or has counted too much already."""
        if not self.stopped and not self.breached:
            due = self.reached(self.target, now)
            if due is not None and (due < now or self.elapsed(now) > self.target):
                self.breached, self.dims = due, dict(dims)

    def stop(self, at: datetime, dims: Json, cancel: bool = False) -> None:
        """Stops it where it has not stopped; one already breached stays breached."""
        if not self.stopped:
            self.stopped, self.dims, self.cancelled = at, dict(dims), cancel

    def warned(self, end: datetime) -> tuple[datetime | None, float | None]:
        """The latest warning before `end` and its share of the target; of a breached clock the last of all."""
        shares = self.promise.get("warn_at", DEFAULT_WARN_AT)
        given = [(self.reached(round(share * (self.target // MS)) * MS, end), share) for share in shares]
        before = [(at, share) for at, share in given if at is not None and (at < end or self.breached)]
        return max(before, default=(None, None))

    def record(self, case_id: str, now: datetime, dims: Json) -> Json:
        """Its outcome record as of `now`; `dims` are the case's present dimensions."""
        now = max(now, self.started)  # one that an event ahead of stream time started has counted nothing yet
        end = self.stopped or now
        elapsed = self.elapsed(end)
        due: datetime | None
        if self.breached:
            state, due = "breached", self.breached
        elif not self.stopped and self.paused(now) and self.reached(self.target, now) is None:
            state, due = "paused", None
        else:
            state = "running" if not self.stopped else "cancelled" if self.cancelled else "met"
            due = self.hours.after(end, self.target - elapsed)
        warned_at, warned = self.warned(end)
        return {
            "case_id": case_id, "clock": self.name, "seq": self.seq, "policy": self.policy, "calendar": self.calendar,
            "state": state, "target_s": self.target / SECOND, "elapsed_s": elapsed / SECOND,
            "started_at": show(self.started), "due_at": show(due), "stopped_at": show(self.stopped),
            "breached_at": show(self.breached), **(self.dims if self.stopped or self.breached else dims),
            "ref": self.ref, "warned_at": show(warned_at), "warned": warned,
        }  # fmt: skip


def _valid(timeline: Sequence[tuple[datetime, Any]], at: datetime, before: Any) -> Any:
    """The value of a step function just after `at`; `before` where it has not begun."""
    return next((value for since, value in reversed(timeline) if since <= at), before)
