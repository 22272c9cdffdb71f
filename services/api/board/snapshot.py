"""From rows to what the board shows: tiles, lines, the table, the list. Pure.

Every number on the board is about the last 15 minutes, and every line shows how that same number moved over the last
hour. So the end of a line is the number beside it, and the same number comes from the API with `window=15m`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from schemas.metrics import CATALOGUE, Metric, MetricValue, Sums
from services.api.board.view import LIST_ROWS, SHOWN, TILE_METRICS, TILES, WINDOW, Material, View
from services.api.database import Row
from services.api.sla_queries import compliance


def snapshot(material: Material, view: View, choices: Mapping[str, Sequence[str]], now_ms: int) -> dict[str, Any]:
    """The whole board as JSON can carry it. Instants and ages are milliseconds."""
    minutes = _per_minute(material.contacts, material.steps.count)
    return {
        "as_of_ms": now_ms,
        "stream_time_ms": material.fresh.stream_time,
        "behind_ms": material.fresh.behind_ms(now_ms),
        "window_min": WINDOW,
        "minutes_ms": material.steps.starts[-SHOWN:],
        # The goal of the rate that is a compliance itself serves for all clocks.
        "compliance_goal": CATALOGUE["timely_response_rate"].goal,
        "view": {"team": view.team, "channel": view.channel},
        "choices": choices,
        "tiles": [_tile(main, second, minutes) for main, second in TILES],
        "open": {
            "cases": material.backlog.value,
            "waiting": material.waiting.n,
            "longest_wait_s": material.waiting.value,
            "running": sum(row["running"] for row in material.opens),
            "paused": sum(row["paused"] for row in material.opens),
            "overdue": len(material.overdue),
        },
        "clocks": _lines(material, lambda row: (row["clock"],), ("clock",)),
        "channels": _lines(material, lambda row: (row["channel"],), ("channel",)),
        "cells": _cells(material, lambda row: (row["clock"], row["channel"]), ("clock", "channel")),
        "list_limit": LIST_ROWS,
        "at_risk": [_listed(row) for row in material.due_soon],
        "overdue": [_listed(row) for row in material.overdue],
    }


def _per_minute(rows: Iterable[Row], count: int) -> list[Mapping[str, int]]:
    minutes: list[Mapping[str, int]] = [{} for _ in range(count)]
    for row in rows:
        minutes[row["step"]] = {name: count for name, count in row.items() if name != "step"}
    return minutes


def _tile(main: str, beneath: str, minutes: Sequence[Mapping[str, int]]) -> Row:
    metric, second = TILE_METRICS[main], TILE_METRICS[beneath]
    line = [_computed(metric, window).value for window in _windows(minutes)]
    now = _summed(minutes[-WINDOW:])
    found = _computed(metric, now)
    return {
        **_about(main, metric),
        "value": found.value,
        "n": found.n,
        "hour": _computed(metric, _summed(minutes[-SHOWN:])).value,
        "worse": _worse(metric, found.value),
        "line": line,
        "second": {**_about(beneath, second), "value": _computed(second, now).value},
    }


def _computed(metric: Metric, counts: Mapping[str, int]) -> MetricValue:
    return metric.compute(Sums(counts))


def _about(id: str, metric: Metric) -> Row:
    return {
        "id": id,
        "en": metric.en,
        "zh": metric.zh,
        "unit": metric.unit,
        "goal": metric.goal,
        "direction": metric.direction,
    }


def _worse(metric: Metric, value: float | None) -> bool:
    if metric.goal is None or value is None:
        return False
    return value > metric.goal if metric.direction == "down" else value < metric.goal


def _windows(minutes: Sequence[Mapping[str, int]]) -> Iterable[Counter[str]]:
    """For each shown minute the sums over the window that ends with it. Rolls on instead of adding up anew."""
    rolling = _summed(minutes[: WINDOW - 1])
    for index in range(WINDOW - 1, len(minutes)):
        rolling.update(minutes[index])
        yield rolling
        rolling.subtract(minutes[index - WINDOW + 1])


def _summed(minutes: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in minutes:
        total.update(counts)
    return total


Key = Callable[[Row], tuple[Any, ...]]


def _cells(material: Material, key: Key, names: tuple[str, ...]) -> list[Row]:
    """Counts of the window and open clocks by key."""
    first = material.steps.count - WINDOW
    cells: dict[tuple[Any, ...], Counter[str]] = {}
    for row in material.ends:
        # A group without anything in the window is kept: its line still shows.
        cell = cells.setdefault(key(row), Counter())
        if row["step"] >= first:
            cell.update(met=row["met"], breached=row["breached"])
    for row in material.opens:
        cells.setdefault(key(row), Counter()).update(running=row["running"], paused=row["paused"])
    return [
        dict(zip(names, group, strict=True))
        | {name: counts[name] for name in ("met", "breached", "running", "paused")}
        | {"compliance": compliance(counts["met"], counts["breached"])}
        for group, counts in sorted(cells.items(), key=lambda item: tuple(value or "" for value in item[0]))
    ]


def _lines(material: Material, key: Key, names: tuple[str, ...]) -> list[Row]:
    """As `_cells`, with the compliance of each shown minute's window."""
    minutes: dict[tuple[Any, ...], list[Counter[str]]] = {}
    for row in material.ends:
        of_group = minutes.setdefault(key(row), [Counter() for _ in range(material.steps.count)])
        of_group[row["step"]].update(met=row["met"], breached=row["breached"])
    cells = _cells(material, key, names)
    for cell in cells:
        of_group = minutes.get(tuple(cell[name] for name in names), [])
        cell["line"] = [compliance(sums["met"], sums["breached"]) for sums in _windows(of_group)]
    return cells


def _listed(row: Row) -> Row:
    return {name: row[name] for name in ("case_id", "clock", "seq", "channel", "team", "priority", "due_at")}
