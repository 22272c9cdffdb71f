"""Sets a replay's verdicts beside the incident log's own `made_sla`: python made_sla.py LOG.csv[.gz] OUTCOMES.ndjson

Prints a table of incidents by priority, and how well times alone tell the flag. Python's standard library is enough.
"""

import csv
import gzip
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

GROUPS = {"1 and 2": "12", "3 and 4": "34"}
ENDS = {"Resolved": "to the first Resolved row", "Closed": "to the first Closed row"}


def main(log: Path, outcomes: Path) -> None:
    """Prints both tables as Markdown."""
    incidents: dict[str, list[dict[str, str]]] = {}
    with gzip.open(log, "rt") if log.suffix == ".gz" else log.open() as file:
        for row in csv.DictReader(file):
            incidents.setdefault(row["number"], []).append(row)
    breached: dict[str, bool] = {}
    with outcomes.open() as file:
        for record in map(json.loads, file):
            if record["clock"] == "resolution" and record["state"] in ("met", "breached"):
                number = record["case_id"]
                breached[number] = breached.get(number, False) or record["state"] == "breached"
    print_verdicts(incidents, breached)
    print()
    print_limits(incidents)


def print_verdicts(incidents: dict[str, list[dict[str, str]]], breached: dict[str, bool]) -> None:
    """Incidents by last priority: our verdict (breached once is breached) and the flag of the last row."""
    print("| priority | met, true | met, false | breached, true | breached, false | the same |")
    print("|---|---|---|---|---|---|")
    priorities = sorted({rows[-1]["priority"] for rows in incidents.values()})
    for priority in [*priorities, "all"]:
        cells = [0, 0, 0, 0]
        for number, rows in incidents.items():
            if number in breached and priority in ("all", rows[-1]["priority"]):
                cells[2 * breached[number] + (not kept(rows))] += 1
        same = f"{(cells[0] + cells[3]) / sum(cells):.1%}"
        print("|", " | ".join(map(str, [priority, *cells, same])), "|")


def print_limits(incidents: dict[str, list[dict[str, str]]]) -> None:
    """For the time to two ends: the one limit that tells the flag best, and how many incidents it still gets wrong."""
    print("| priority | hours from opened_at | best limit between | wrong side |")
    print("|---|---|---|---|")
    for group, digits in GROUPS.items():
        chosen = [rows for rows in incidents.values() if rows[-1]["priority"][0] in digits]
        for end, words in ENDS.items():
            timed = [(hours(rows, end), kept(rows)) for rows in chosen if any(r["incident_state"] == end for r in rows)]
            wrong, low, high = best_limit(timed)
            print(f"| {group} | {words} | {low:.1f} and {high:.1f} h | {wrong} of {len(timed)} |")


def best_limit(timed: Iterable[tuple[float, bool]]) -> tuple[int, float, float]:
    """Fewest incidents on the wrong side of a limit, and the two neighbouring times between which it lies."""
    ordered = sorted(timed)
    wrong = best = sum(made for _, made in ordered)
    at = -1
    for n, (time, made) in enumerate(ordered):
        wrong += -1 if made else 1
        if wrong < best and (n + 1 == len(ordered) or ordered[n + 1][0] > time):
            best, at = wrong, n
    low = ordered[at][0] if at >= 0 else 0.0
    return best, low, ordered[at + 1][0] if at + 1 < len(ordered) else float("inf")


def hours(rows: list[dict[str, str]], end: str) -> float:
    """Wall-clock hours from the opening to the first row in a state."""
    reached = min(instant(row["sys_updated_at"]) for row in rows if row["incident_state"] == end)
    return (reached - instant(rows[0]["opened_at"])).total_seconds() / 3600


def kept(rows: list[dict[str, str]]) -> bool:
    """The flag as the last row has it."""
    return rows[-1]["made_sla"].lower() == "true"


def instant(text: str) -> datetime:
    """A time of the log, day first."""
    return datetime.strptime(text.replace("/", "-"), "%d-%m-%Y %H:%M")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
