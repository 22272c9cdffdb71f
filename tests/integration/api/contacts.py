"""Contact slices at random as the stream states them, and what they sum up to, read row by row."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.metrics import Sums
from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.rollup import DIMENSIONS
from schemas.times import from_ms, to_ms
from tests.e2e.board.world import MINUTE_MS

Row = dict[str, Any]
SERIES = (("app", "a"), ("app", None), ("phone", "b"), ("行云", "it's"))
HOUR_MS, DAY_MS = 60 * MINUTE_MS, 24 * 60 * MINUTE_MS


def random_slices(rng: random.Random, minutes: Iterable[int], told_after_ms: int = 61_000) -> list[Row]:
    """Slices of the minutes (ms), by two partitions and generations, several versions of some. A later generation may
    take back a part of what the one before it counted."""
    rows: list[Row] = []
    for minute in minutes:
        for channel, team in SERIES:
            about = dict.fromkeys(DIMENSIONS) | {"channel": channel, "team": team, "slice": from_ms(minute)}
            for partition in rng.sample((0, 1, 32_768), 2):
                first = _facts(rng)
                rows += _versions(rng, about | {"partition": partition, "generation": 0}, first, minute + told_after_ms)
                if rng.random() < 0.3:
                    back = {name: dict.fromkeys(list(h)[:1], -1) for name, h in first["durations"].items()}
                    again = {"counts": dict.fromkeys(list(first["counts"])[:3], -1), "durations": back, "customers": []}
                    rows += _versions(
                        rng, about | {"partition": partition, "generation": 1}, again, minute + 2 * told_after_ms
                    )
    return rows


def _facts(rng: random.Random) -> Row:
    return {
        "counts": {measure: rng.randrange(1, 50) for measure in rng.sample(MEASURES, 30)},
        "durations": {
            name: {
                rng.choice((0, 1, 2, rng.randrange(3, 1200))): rng.randrange(1, 4) for _ in range(rng.randrange(1, 4))
            }
            for name in rng.sample(DURATIONS, 4)
        },
        "customers": [rng.randrange(200) for _ in range(rng.randrange(4))],
    }


def _versions(rng: random.Random, about: Row, last: Row, told_ms: int) -> list[Row]:
    stated = [_facts(rng) for _ in range(rng.choice((0, 0, 1, 2)))] + [last]
    return [
        about | facts | {"version": version, "told_at": from_ms(told_ms + 1_000 * version)}
        for version, facts in enumerate(stated, 1)
    ]


def newest(rows: Iterable[Row], until_ms: int | None = None) -> list[Row]:
    """The highest version of each among those told up to `until_ms`."""
    best: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (row["slice"], *(row[name] for name in DIMENSIONS), row["partition"], row["generation"])
        told = until_ms is None or to_ms(row["told_at"]) <= until_ms
        if told and (key not in best or best[key]["version"] < row["version"]):
            best[key] = row
    return list(best.values())


def by_group(rows: Iterable[Row], by: Sequence[str], from_: int, to: int) -> dict[tuple[Any, ...], Sums]:
    """What the newest rows of [from, to) sum up to."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if from_ <= to_ms(row["slice"]) < to:
            groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return {group: summed(of_group) for group, of_group in groups.items()}


def summed(rows: Iterable[Row]) -> Sums:
    """All counts, histograms and customers together."""
    counts = dict.fromkeys(MEASURES, 0)
    histograms: dict[str, dict[int, int]] = {name: {} for name in DURATIONS}
    customers = set()
    for row in rows:
        for measure, count in row["counts"].items():
            counts[measure] += count
        for name, histogram in row["durations"].items():
            for bucket, count in histogram.items():
                histograms[name][bucket] = histograms[name].get(bucket, 0) + count
        customers.update(row["customers"])
    return Sums(counts, histograms, len(customers))


def rolled(rows: Iterable[Row], width_ms: int) -> list[Row]:
    """Rows of the hours or days table that hold what the newest rows sum up to; without a version yet."""
    cells: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        cells.setdefault((to_ms(row["slice"]) // width_ms * width_ms, *(row[d] for d in DIMENSIONS)), []).append(row)
    found = []
    for (start, *values), of_cell in cells.items():
        sums = summed(of_cell)
        about = dict(zip(DIMENSIONS, values, strict=True)) | {"slice": from_ms(start)}
        customers = sorted({customer for row in of_cell for customer in row["customers"]})
        found.append(
            about | sums.counts | sums.histograms | {"customers": customers, "series": hash(tuple(values)) % 2**63}
        )
    return found
