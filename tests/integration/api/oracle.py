"""A slow, plain reading of the contract: random clocks, their slices, and what the API must say about them."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.rollup import DIMENSIONS
from schemas.times import from_ms
from tests.e2e.board.world import MINUTE_MS, ended_ms, outcome

Row = dict[str, Any]
ODD = ("app", "it's", 'quo"te', "back\\slash", "tab\tbed", "{x:String}", "行云", None)
"""Values that SQL, URLs or a parameter's text form might trip over."""


def random_outcomes(rng: random.Random, count: int, now_ms: int, minutes: int = 40) -> list[Row]:
    """Clocks around `now_ms`, many exactly on a minute or a millisecond beside one; some in several versions."""
    rows = []
    for number in range(count):
        about: Row = {
            "case_id": f"case {number % (count // 3)}",
            "clock": rng.choice(("connect", "first_response", "resolution")),
            "seq": number,
            "channel": rng.choice(ODD),
            "team": rng.choice(("a", "b", None)),
            "priority": rng.choice(("L1", "L2")),
        }
        for version in range(1, rng.choice((2, 2, 3, 4))):
            rows.append(_one(rng, about | {"version": version}, now_ms, minutes))
        if rng.random() < 0.05:
            rows.append(_one(rng, about | {"version": 9, "withdrawn": 1}, now_ms, minutes))
    rng.shuffle(rows)
    return rows


def _one(rng: random.Random, about: Row, now_ms: int, minutes: int) -> Row:
    minute = now_ms // MINUTE_MS - rng.randrange(minutes)
    at = minute * MINUTE_MS + rng.choice((0, 0, 1, 59_999, rng.randrange(MINUTE_MS)))
    state = rng.choice(("met", "met", "breached", "breached", "cancelled", "running", "paused"))
    if state == "met" or state == "cancelled":
        return outcome(**about, state=state, started_ms=at - 5000, due_ms=at + 1, stopped_ms=at)
    if state == "breached":
        stop = rng.choice((None, at + 1, at + 90_000))
        return outcome(**about, state=state, started_ms=at - 5000, due_ms=at, breached_ms=at, stopped_ms=stop)
    return outcome(**about, state=state, started_ms=at - 5000, due_ms=at + 700_000 if state == "running" else None)


def newest(rows: Iterable[Row]) -> list[Row]:
    """What is true: the highest version of each clock instance, without those withdrawn."""
    best: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (row["case_id"], row["clock"], row["seq"])
        if key not in best or best[key]["version"] < row["version"]:
            best[key] = row
    return [row for row in best.values() if not row["withdrawn"]]


def compliance(rows: Iterable[Row], from_ms: int, to_ms: int, by: Sequence[str] = ()) -> list[Row]:
    """The rows of /v1/sla/compliance."""
    groups: dict[tuple[Any, ...], Counter[str]] = {}
    for row in newest(rows):
        at = ended_ms(row)
        counted = row["state"] in ("running", "paused") if at is None else from_ms <= at < to_ms
        if counted:
            groups.setdefault(tuple(row[name] for name in ("clock", *by)), Counter())[row["state"]] += 1
    return [
        dict(zip(("clock", *by), group, strict=True))
        | {state: counts[state] for state in ("met", "breached", "running", "paused", "cancelled")}
        | {"compliance": _ratio(counts["met"], counts["breached"])}
        for group, counts in groups.items()
    ]


def slices(rng: random.Random, rows: Iterable[Row]) -> list[Row]:
    """clock_slices of these outcomes as two partitions and two generations state them, with stale versions between."""
    cells: dict[tuple[Any, ...], Counter[str]] = {}
    for row in newest(rows):
        at = ended_ms(row)
        if at is not None:
            where = (rng.randrange(2), rng.randrange(2))
            key = (at // MINUTE_MS, row["clock"], *(row[name] for name in DIMENSIONS), *where)
            cells.setdefault(key, Counter())[row["state"]] += 1
    stated = []
    for key, counts in cells.items():
        minute, *values, partition, generation = key
        about = dict(zip(("clock", *DIMENSIONS), values, strict=True))
        about |= {"slice": from_ms(minute * MINUTE_MS), "partition": partition, "generation": generation}
        met, breached, cancelled = counts["met"], counts["breached"], counts["cancelled"]
        stated.append(about | _measures(met, breached, cancelled) | {"version": 5})
        if rng.random() < 0.5:
            stated.append(about | _measures(rng.randrange(9), rng.randrange(9), rng.randrange(9)) | {"version": 4})
    # A slice that was corrected back to nothing says nothing.
    stated.append(stated[0] | {"agent_id": "nobody", "met": 0, "breached": 0, "cancelled": 0})
    return stated


def _measures(met: int, breached: int, cancelled: int) -> Row:
    return {"met": met, "breached": breached, "cancelled": cancelled, "stopped": met, "elapsed_ms": met * 1000}


def _ratio(met: int, breached: int) -> float | None:
    return met / (met + breached) if met + breached else None


def unordered(rows: Iterable[Row]) -> list[Any]:
    """Rows in a form that can be compared whatever their order."""
    return sorted((sorted(row.items(), key=str) for row in rows), key=str)
