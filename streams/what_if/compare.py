"""Two policies over the same cases: how clocks end under each, and which of them end differently."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from schemas.policy import PolicyFile
from schemas.rollup import DIMENSIONS
from schemas.times import text
from streams.engine.case import BREACHED, MET, STATE_NAMES, Case, Clock
from streams.engine.facts import DimsTable
from streams.what_if.history import Histories, History, StoredTuple
from streams.what_if.judge import Judge
from streams.what_if.policies import Pair

GROUPS = ("policy", *DIMENSIONS)
"""What clocks can be grouped by: the policy that promises them, and their dimensions at the verdict."""


class Counted(msgspec.Struct):
    """Clocks by state. `compliance` is met / (met + breached), null without any."""

    met: int
    breached: int
    cancelled: int
    running: int
    paused: int
    compliance: float | None


class Row(msgspec.Struct):
    """One clock, or one group of it, under both policies. `group` holds the values grouped by, in their order.

    `points` is the difference of compliance in percentage points. `to_breached` and `to_met` count clocks that end so
    under the new policy and did not under the base; they stand where the base has the clock. `added` and `removed` are
    clocks that only one policy starts.
    """

    clock: str
    group: tuple[str | None, ...]
    before: Counted
    after: Counted
    points: float | None
    to_breached: int
    to_met: int
    added: int
    removed: int


class Flip(msgspec.Struct):
    """One clock that the policies judge differently. Instants RFC 3339 UTC, targets in s, `ended_*` null while it runs.

    A clock ends at its due instant where it is breached, else at its stop. Dimensions are those under the new policy.
    """

    case_id: str
    clock: str
    seq: int
    before: str
    after: str
    started_at: str
    ended_before: str | None
    ended_after: str | None
    policy_before: str
    policy_after: str
    target_before_s: float
    target_after_s: float
    channel: str | None
    team: str | None
    agent_id: str | None
    priority: str | None
    customer_tier: str | None
    category: str | None
    queue: str | None


class _Cell:
    """The counts of a group: by state, of clocks that need no second look and of each policy's others."""

    __slots__ = ("added", "after", "before", "both", "removed", "to_breached", "to_met")

    def __init__(self) -> None:
        self.both, self.before, self.after = ([0] * len(STATE_NAMES) for _ in range(3))
        self.to_breached = self.to_met = self.added = self.removed = 0


class Comparison:
    """Judges cases under two policy files as of stream time `now` and counts.

    Only cases opened in [`opened_from`, `opened_to`) count, all in ms. `on_flip` hears of each clock that is judged
    differently, in order of the cases. `twice` counts cases that needed both folds. Raises ValueError for a group that
    is none of `GROUPS`.
    """

    def __init__(
        self,
        base: PolicyFile,
        new: PolicyFile,
        opened_from: int,
        opened_to: int,
        now: int,
        by: Sequence[str] = (),
        on_flip: Callable[[Flip], None] = lambda flip: None,
    ) -> None:
        self._pair = Pair(base, new)
        self._table = DimsTable()
        self._histories = Histories(self._pair, self._table)
        self._before = Judge(self._pair.base, self._table, now)
        self._after = Judge(self._pair.new, self._table, now)
        self._from, self._to = opened_from, opened_to
        self._by = [GROUPS.index(name) for name in by]
        self._on_flip = on_flip
        self._cells: dict[Any, _Cell] = {}
        self.cases = self.twice = self.events = self.flips = 0

    @property
    def rejected(self) -> int:
        """Stored events that are none."""
        return self._histories.rejected

    @property
    def groups(self) -> int:
        """How many rows there are so far."""
        return len(self._cells)

    def add_all(self, rows: Iterable[StoredTuple]) -> None:
        """Takes the cases of `Stored` rows along; rows as `Histories.of` wants them."""
        for history in self._histories.of(rows):
            self._add(history)
        if self._table.sweep(lambda: ()):  # nothing outlives its case
            self._pair.base.forget()
            self._pair.new.forget()

    def _add(self, history: History) -> None:
        base = self._pair.base
        base.agrees = True
        before = self._before.judge(history.case_id, history.facts)
        if not self._from <= before.opened < self._to:
            return
        self.cases += 1
        self.events += history.events
        if base.agrees:
            for clock in before.clocks:
                self._cell(before, clock).both[clock.state] += 1
            return
        self.twice += 1
        after = self._after.judge(history.case_id, history.facts)
        if self._by or not self._end_alike(before, after):
            self._compare(before, after)

    def rows(self) -> list[Row]:
        """The counts by clock and group, "has none" first."""
        found = [(key if self._by else (key,), cell) for key, cell in self._cells.items()]
        found.sort(key=lambda item: tuple((value is not None, value or "") for value in item[0]))
        return [_row(key[0], tuple(key[1:]), cell) for key, cell in found]

    def total(self) -> Row:
        """All clocks together, under the name "all"."""
        whole = _Cell()
        for cell in self._cells.values():
            for name in ("both", "before", "after"):
                setattr(whole, name, [a + b for a, b in zip(getattr(whole, name), getattr(cell, name), strict=True)])
            for name in ("to_breached", "to_met", "added", "removed"):
                setattr(whole, name, getattr(whole, name) + getattr(cell, name))
        return _row("all", (), whole)

    def _end_alike(self, before: Case, after: Case) -> bool:
        """Counts a case whose clocks end the same, one by one; False, and nothing counted, for any other."""
        clocks, others = before.clocks, after.clocks
        if len(clocks) != len(others):
            return False
        for clock, other in zip(clocks, others, strict=True):
            if clock.state != other.state or clock.started != other.started or clock.name != other.name:
                return False
        for clock in clocks:
            self._cell(before, clock).both[clock.state] += 1
        return True

    def _compare(self, before: Case, after: Case) -> None:
        """Pairs the clocks of two folds. A clock is the same where name, start and promise are, in order of number:
        numbers alone differ where one policy has a clock for only a part of the case's life."""
        was: dict[tuple[str, int, str | None], list[Clock]] = {}
        for clock in before.clocks:
            was.setdefault((clock.name, clock.started, clock.ref), []).append(clock)
            self._cell(before, clock).before[clock.state] += 1
        for now in sorted(after.clocks, key=_number):
            cell = self._cell(after, now)
            cell.after[now.state] += 1
            same = was.get((now.name, now.started, now.ref))
            if not same:
                cell.added += 1
                continue
            clock = min(same, key=_number)
            same.remove(clock)
            if clock.state != now.state:
                self._flipped(before, clock, after, now)
        for left in was.values():
            for clock in left:
                self._cell(before, clock).removed += 1

    def _flipped(self, before: Case, was: Clock, after: Case, now: Clock) -> None:
        self.flips += 1
        cell = self._cell(before, was)
        cell.to_breached += now.state == BREACHED
        cell.to_met += now.state == MET
        self._on_flip(
            Flip(
                after.id,
                was.name,
                was.seq,
                STATE_NAMES[was.state],
                STATE_NAMES[now.state],
                text(was.started),
                _ended(was),
                _ended(now),
                was.spec.policy,
                now.spec.policy,
                was.target / 1000,
                now.target / 1000,
                *(now.dims or after.dims).values,
            )
        )

    def _cell(self, case: Case, clock: Clock) -> _Cell:
        by = self._by
        key = (clock.name, *_group(case, clock, by)) if by else clock.name
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
        return cell


def _number(clock: Clock) -> int:
    return clock.seq


def _group(case: Case, clock: Clock, by: Sequence[int]) -> Iterator[str | None]:
    values = (clock.spec.policy, *(clock.dims or case.dims).values)
    return (values[place] for place in by)


def _ended(clock: Clock) -> str | None:
    if clock.state == BREACHED:
        return text(clock.due)
    return text(clock.stopped) if clock.stopped >= 0 else None


def _row(clock: str, group: tuple[str | None, ...], cell: _Cell) -> Row:
    before, after = (
        _counted([a + b for a, b in zip(cell.both, one, strict=True)]) for one in (cell.before, cell.after)
    )
    points = None
    if before.compliance is not None and after.compliance is not None:
        points = 100 * (after.compliance - before.compliance)
    return Row(clock, group, before, after, points, cell.to_breached, cell.to_met, cell.added, cell.removed)


def _counted(states: list[int]) -> Counted:
    count = dict(zip(STATE_NAMES, states, strict=True))
    ended = count["met"] + count["breached"]
    return Counted(
        count["met"], count["breached"], count["cancelled"], count["running"], count["paused"],
        count["met"] / ended if ended else None,
    )  # fmt: skip
