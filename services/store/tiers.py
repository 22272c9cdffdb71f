"""Rolls the one-minute slices up into hours and days, behind the store's back: a thread with a connection of its own.

What it has not rolled up yet is read from the minutes (`services.tiers`), so it may take its time, and may fail. Rows
are absolute, and their version is the number of touches they were read after: two stores may do the same hour at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from threading import Event, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from schemas.settings import Settings
from services.provision import DERIVED_RETENTION_MS
from services.store.clickhouse import connect, one_line
from services.store.metrics import StoreMetrics
from services.store.tier_sql import DUE_DAYS, DUE_HOURS, LEVEL, NOW, roll_sql
from services.tiers import DAY_MS, HOUR_MS

log = structlog.get_logger()

EVERY_S: Final = 2.0
"""Between two looks at what is due."""
QUIET_MS: Final = 10_000
PATIENCE_MS: Final = 60_000
"""An hour that was touched within the first waits for more, but not longer than the second."""
PASS_S: Final = 5.0
"""So long a pass works on what it found before it looks again: a newer hour goes first."""
MOST: Final = 5_000
"""Hours or days taken into a pass."""
MOST_DAYS: Final = 400
"""More than these are not asked for by name."""
ALL_S: Final = 600.0
"""A pass looks at hours touched lately and at days of hours rolled up. So often, and at the start, one looks at all,
which takes a quarter of a second for ten years: another store may have died in the middle, or a clock been put back."""
_LONGEST_WAIT_S: Final = 60.0
_PROGRESS_S: Final = 10.0
_NEVER_MS: Final = 2**60

_SETTINGS: Final[dict[str, int | str]] = {
    # Beside inserts and questions, which come first.
    "max_threads": 1,
    # A series never leaves its partition: minutes go by month, and the month is part of the key.
    "do_not_merge_across_partitions_select_final": 1,
    # A batch of days may lie in as many years.
    "max_partitions_per_insert_block": 0,
    "max_bytes_before_external_group_by": 512 * 2**20,
}


class Due(NamedTuple):
    """An hour or day to roll up: `sealed` where the minutes it was made of may be gone."""

    kind: str
    start_ms: int
    touches: int
    sealed: bool


@dataclass(slots=True)
class _Batch:
    """How many to roll up in one statement: more while it is quick, fewer when it takes long."""

    size: int
    most: int

    def took(self, count: int, seconds: float) -> None:
        """Learn from what `count` at once took."""
        if seconds < 0.5 and count >= self.size:
            self.size = min(2 * self.size, self.most)
        elif seconds > 2.0:
            self.size = max(self.size // 2, 1)


class Roller:
    """Keeps hours and days level, newest first."""

    def __init__(self, settings: Settings, metrics: StoreMetrics, stopping: Event) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._client: Client | None = None
        self._thread = Thread(target=self._run, name="roller", daemon=True)
        self._batches = {"hour": _Batch(8, 168), "day": _Batch(2, 31)}
        self._all_looked_at = -inf
        self._since_ms = self._since_hour_ms = 0
        """Hours that begin before the second and were last touched before the first are known to be level."""
        self._days: set[int] | None = None
        """Days whose hours were rolled up since they were last looked at; None: any may be."""
        self._told_at = monotonic()
        kept_ms = settings.slices_retention_days * DAY_MS
        # The stream tells a slice before the store writes it, at most so long as Kafka keeps it in between.
        self._sealed_ms = kept_ms - DERIVED_RETENTION_MS - DAY_MS if kept_ms else _NEVER_MS

    def start(self) -> None:
        """Begin, in a thread that ends soon after `stopping` is set."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end. One that ClickHouse keeps waiting is left behind: it dies with the process."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        failing, pause_s = False, EVERY_S
        while not self._stopping.is_set():
            started = monotonic()
            try:
                left = self.roll()
            except Exception as error:
                self._metrics.roll_failures.inc()
                self._all_looked_at = -inf  # What was done before it failed is not written down.
                if not failing and not self._stopping.is_set():
                    said = one_line(error) if isinstance(error, Error) else None
                    log.warning("cannot roll up; trying again", error=said or repr(error), exc_info=said is None)
                failing, pause_s = True, min(2 * pause_s, _LONGEST_WAIT_S)
            else:
                if failing:
                    log.info("rolling up again")
                # At most half of the time: the machine may be small.
                failing, pause_s = False, max(monotonic() - started, 0.05 if left else EVERY_S)
            self._stopping.wait(pause_s)
        if self._client is not None:
            self._client.close()

    def roll(self) -> bool:
        """One pass; returns whether more is left to do at once. Raises clickhouse-connect's `Error`."""
        if self._client is None:
            self._client = connect(self._settings)
        if monotonic() - self._all_looked_at > ALL_S:
            self._all_looked_at, self._since_ms, self._since_hour_ms, self._days = monotonic(), 0, 0, None
        left = self._roll_hours()
        self._roll_days()
        return left > 0

    def _roll_hours(self) -> int:
        """Roll up hours; returns how many are left."""
        now_ms = self._ask(NOW)[0][0]
        found = self._ask(
            DUE_HOURS,
            since_ms=self._since_ms,
            since_hour_ms=self._since_hour_ms,
            quiet_ms=QUIET_MS,
            patience_ms=PATIENCE_MS,
            sealed_ms=self._sealed_ms,
            most=MOST,
        )
        due, count = _read(found)
        self._metrics.to_roll.set(count)
        rolled = self._roll_all("hour", due)
        self._metrics.to_roll.set(count - rolled)
        if self._days is not None:
            self._days.update(piece.start_ms // DAY_MS * DAY_MS for piece in due[:rolled])
        if rolled == count:
            # What is not level now is waiting for quiet, or is the present hour.
            self._since_ms, self._since_hour_ms = now_ms - PATIENCE_MS, now_ms // HOUR_MS * HOUR_MS
        elif monotonic() - self._told_at > _PROGRESS_S:
            self._told_at = monotonic()
            log.info("rolling up", hours_left=count - rolled)
        return count - rolled

    def _roll_days(self) -> None:
        """Roll up the days whose hours have been."""
        if self._days is not None and not self._days:
            return
        due, count = _read(self._ask(DUE_DAYS, days=sorted(self._days or ())[-MOST_DAYS:], most=MOST))
        if self._roll_all("day", due) < count or (self._days is not None and len(self._days) > MOST_DAYS):
            self._days = None
        else:
            self._days = set()

    def _ask(self, sql: str, **parameters: int | list[int]) -> Sequence[Sequence[Any]]:
        assert self._client is not None
        rows: Sequence[Sequence[Any]] = self._client.query(sql, parameters=parameters).result_rows
        return rows

    def _roll_all(self, tier: str, due: Sequence[Due]) -> int:
        """Roll up as much of what is due as one pass may; returns how many."""
        done, deadline, batch = 0, monotonic() + PASS_S, self._batches[tier]
        while done < len(due) and monotonic() < deadline and not self._stopping.is_set():
            part = due[done : done + batch.size]
            started = monotonic()
            for kind, some in groupby(sorted(part), key=lambda piece: piece.kind):
                self._roll(kind, tier, list(some))
            seconds = monotonic() - started
            self._metrics.roll_seconds.labels(tier).observe(seconds)
            self._metrics.rolled.labels(tier).inc(len(part))
            batch.took(len(part), seconds)
            done += len(part)
        return done

    def _roll(self, kind: str, tier: str, due: Sequence[Due]) -> None:
        """Roll up hours or days of one kind, then state that they are level."""
        assert self._client is not None
        sealed = [piece for piece in due if piece.sealed]
        if sealed:
            log.warning(
                "slices came for hours whose minutes are no longer kept; left out", kind=kind, hours=len(sealed)
            )
        fresh = [piece for piece in due if not piece.sealed]
        if fresh:
            starts = [piece.start_ms for piece in fresh]
            parameters = {"starts": starts, "touches": [piece.touches for piece in fresh]}
            self._client.command(roll_sql(kind, tier, starts), parameters=parameters, settings=_SETTINGS)
        self._client.command(
            LEVEL,
            parameters={
                "kind": kind,
                "tier": tier,
                "starts": [piece.start_ms for piece in due],
                "touches": [piece.touches for piece in due],
            },
        )


def _read(rows: Sequence[Sequence[Any]]) -> tuple[list[Due], int]:
    """What is due, and how much is in all."""
    due = [Due(kind, ms, touches, bool(sealed)) for kind, ms, touches, sealed, _ in rows]
    return due, int(rows[0][4]) if rows else 0
