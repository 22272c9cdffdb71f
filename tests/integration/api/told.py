"""A log of everything a stream told about some clocks, at random, and a slow, plain reading of it.

Rows are dictionaries as the tables take them, with `told_ms` and `ended_ms` beside. Nothing here shares code with the
API: records are sorted and walked through one by one.
"""

import random
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from schemas.rollup import DIMENSIONS
from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS, ended_ms, outcome

Row = dict[str, Any]
VERDICTS = ("met", "breached", "cancelled")
CLOCKS = ("connect", "first_response", "resolution")
EPOCH = 1 << 32


def random_log(rng: random.Random, clocks: int, now_ms: int, minutes: int = 30) -> list[Row]:
    """What was told of so many clock instances up to `now_ms`: in the ordinary course, corrected, withdrawn, brought
    back, repeated by another worker after a crash; much of it within one millisecond."""
    rows: list[Row] = []
    for number in range(clocks):
        rows += _life(rng, number, now_ms, minutes)
    return rows


def _life(rng: random.Random, number: int, now_ms: int, minutes: int) -> list[Row]:
    key = {"case_id": f"case {number % 40}", "clock": rng.choice(CLOCKS), "seq": number}
    at = now_ms - rng.randrange(1, minutes) * MINUTE_MS + rng.choice((0, 0, 1, -1, rng.randrange(MINUTE_MS)))
    lives: list[Row] = []
    version, epoch = rng.randrange(1, 50), rng.randrange(1, 3)
    told = at
    for _ in range(rng.choice((1, 2, 2, 2, 3, 4, 5))):
        told += rng.choice((0, 300, 300, 2_299, 2_300, 2_301, 40_000, 61_000, 200_000))
        said = _said(rng, key, at, lives[-1] if lives and rng.random() < 0.5 else None)
        cause = rng.choice((None, f"e{number}-{len(lives)}"))
        version += rng.choice((1, 3))
        lives.append(_row(said, told, epoch * EPOCH + version, cause))
        if rng.random() < 0.15:
            # Another worker: it repeats what was told last, perhaps with steps before it, under higher versions.
            epoch, version, told = epoch + 1, rng.randrange(1, 50), told + rng.choice((0, 7_000))
            for step in [*lives[-rng.choice((1, 2, 3)) :]]:
                if rng.random() < 0.8:
                    version += 1
                    lives.append(_row(step, told, epoch * EPOCH + version, step["cause"]))
    return [row for row in lives if row["told_ms"] <= now_ms]


def _said(rng: random.Random, key: Row, at: int, before: Row | None) -> Row:
    """Some state of the clock; with `before` mostly a small step on from it."""
    dims = dict.fromkeys(DIMENSIONS) | {
        "channel": rng.choice(("app", "行云", "it's")), "team": rng.choice(("a", "b", None)),
    }  # fmt: skip
    if before is not None:
        dims = {name: before[name] for name in DIMENSIONS} | rng.choice(({}, {}, {"team": rng.choice(("a", "b"))}))
        at = before["at"] + rng.choice((0, 0, 0, 1, 30_000, -MINUTE_MS))
    about = key | dims | {"started_ms": at - 5_000, "withdrawn": int(rng.random() < 0.08)}
    state = rng.choice(("met", "met", "breached", "breached", "cancelled", "running", "paused"))
    if state in ("met", "cancelled"):
        row = outcome(**about, state=state, due_ms=at + 1, stopped_ms=at)
    elif state == "breached":
        row = outcome(
            **about, state=state, due_ms=at, breached_ms=at, stopped_ms=rng.choice((None, at + 1, at + 90_000))
        )
    else:
        row = outcome(**about, state=state, due_ms=at + 700_000 if state == "running" else None)
    return row | {"at": at}


def _row(said: Row, told_ms: int, version: int, cause: str | None) -> Row:
    row = dict(said) | {"told_ms": told_ms, "version": version, "cause": cause, "told_at": from_ms(told_ms)}
    return row | {"ended_ms": ended_ms(row)}


def as_inserted(rows: Iterable[Row]) -> list[Row]:
    """Rows as the table takes them."""
    return [{name: value for name, value in row.items() if name not in ("at", "told_ms", "ended_ms")} for row in rows]


def _key(row: Row) -> tuple[Any, ...]:
    return (row["clock"], row["case_id"], row["seq"])


def lives(rows: Iterable[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """What was told of each clock instance, in order of version."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["version"]):
        found.setdefault(_key(row), []).append(row)
    return found


def known(rows: Iterable[Row], until_ms: int) -> list[Row]:
    """The newest record of each clock instance among those told up to `until_ms`, without withdrawn ones."""
    newest = [[row for row in life if row["told_ms"] <= until_ms][-1:] for life in lives(rows).values()]
    return [row for last in newest for row in last if not row["withdrawn"]]


def _statement(row: Row) -> tuple[Any, ...]:
    state = "withdrawn" if row["withdrawn"] else row["state"]
    return (state, row["ended_ms"], row["stopped_at"], *(row[name] for name in DIMENSIONS))


def without_repetition(life: list[Row]) -> list[Row]:
    """A life without what workers repeated after a restart."""
    kept: list[Row] = []
    for epoch in sorted({row["version"] // EPOCH for row in life}):
        mine = [row for row in life if row["version"] // EPOCH == epoch]
        before = [row for row in life if row["version"] // EPOCH < epoch]
        if before:
            last = (_statement(before[-1]), before[-1]["cause"])
            same = [place for place, row in enumerate(mine) if (_statement(row), row["cause"]) == last]
            mine = mine[same[0] + 1 :] if same else mine
        kept += mine
    return kept


def restated(rows: Iterable[Row], from_ms_: int, to_ms: int, passes: Callable[[Row], bool]) -> list[Row]:
    """The restated verdicts told in [from, to), in any order."""
    found = []
    for life in lives(rows).values():
        steps: list[Row] = []
        for row in without_repetition(life):
            if not steps or _statement(row) != _statement(steps[-1]):
                steps.append(row)
        for old, new in pairwise(steps):
            kind = _kind(old, new)
            if kind and from_ms_ <= new["told_ms"] < to_ms and (passes(old) or passes(new)):
                found.append(
                    {
                        "told_at": text(new["told_ms"]),
                        "kind": kind,
                        "case_id": new["case_id"],
                        "clock": new["clock"],
                        "seq": new["seq"],
                        "old": _told(old),
                        "new": _told(new),
                        "cause": None
                        if new["cause"] is None
                        else {"event_id": new["cause"], "type": None, "occurred_at": None},
                    }
                )
    return found


def _kind(old: Row, new: Row) -> str | None:
    was, state = _statement(old)[0], _statement(new)[0]
    if was == "withdrawn":
        return "restored" if state in VERDICTS else None
    if was not in VERDICTS:
        return None
    if state == "withdrawn":
        return "withdrawn"
    if state not in VERDICTS:
        return "reopened"
    if state != was:
        return "verdict"
    same_end = old["ended_ms"] == new["ended_ms"]
    if state == "breached" and same_end and old["stopped_at"] is None and new["stopped_at"] is not None:
        return None  # it stopped at last
    return "dimensions" if same_end and old["stopped_at"] == new["stopped_at"] else "time"


def _told(row: Row) -> Row:
    ends = {
        "ended_at": row["ended_ms"],
        "stopped_at": row["stopped_at"] and round(row["stopped_at"].timestamp() * 1000),
    }
    return (
        {"state": _statement(row)[0], "told_at": text(row["told_ms"])}
        | {name: None if ms is None else text(ms) for name, ms in ends.items()}
        | {name: row[name] for name in DIMENSIONS}
    )


def changed_windows(
    rows: list[Row], from_ms_: int, to_ms: int, step_ms: int, publish_ms: int, passes: Callable[[Row], bool]
) -> dict[tuple[str, str], tuple[tuple[int, int], tuple[int, int]]]:
    """By window and clock: met and breached, as first published or known at `from`, and as known at `to`."""
    windows = {row["ended_ms"] // step_ms * step_ms for row in rows if row["ended_ms"] is not None}
    found = {}
    for at in windows:
        published = at + step_ms + publish_ms
        if published >= to_ms:
            continue
        for clock in CLOCKS:
            figures = [
                tuple(
                    sum(
                        row["clock"] == clock and row["state"] == state and passes(row)
                        and row["ended_ms"] // step_ms * step_ms == at
                        for row in known(rows, until - 1) if row["ended_ms"] is not None
                    )
                    for state in ("met", "breached")
                )
                for until in (max(published, from_ms_), to_ms)
            ]  # fmt: skip
            if figures[0] != figures[1]:
                found[text(at), clock] = (figures[0], figures[1])
    return found  # type: ignore[return-value]
