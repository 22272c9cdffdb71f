"""Facts of stories in a line, for examples of the oracle of metrics.

Facts read `measure n` where n is not 1, in order of their names.
"""

from typing import Any

from tests.oracles.contract import Json, parse
from tests.unit.oracles.stories import at, events, policies

PLAIN = policies("p: resolution: {target: 1h, warn_at: []}")
HOUR = PLAIN | {"metrics": {"repeat_window": "1h"}}


def instant(text: str) -> Any:
    """`02 09:00` as a datetime."""
    return parse(at(*text.split()))


def counted(told: Any, *prefixes: str) -> str:
    """Sums of facts whose measure begins so, in a line."""
    sums: dict[str, int] = {}
    for _, _, measure, amount in told:
        if measure.startswith(prefixes) and amount:
            sums[measure] = sums.get(measure, 0) + amount
    return ", ".join(measure if n == 1 else f"{measure} {n}" for measure, n in sorted(sums.items()))


def booked(told: Any, measure: str) -> list[str]:
    """When a measure was counted, and in which channel."""
    found = sorted((when, dims["channel"]) for when, dims, name, amount in told if name == measure and amount)
    return [f"{when:%d %H:%M} {channel}" for when, channel in found]


def cases(text: str, customer: str | None = "u") -> list[Json]:
    """A case a line, named a, b ... and of one customer as its first event says."""
    told: list[Json] = []
    for name, line in zip("abcdefgh", text.strip().splitlines(), strict=False):
        of_case = events(line, name)
        if customer is not None:
            of_case[0].setdefault("customer_id", customer)
        told += of_case
    return told
