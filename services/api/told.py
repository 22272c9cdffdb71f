"""What the restatement ledgers share: the terms of the told log, which clock instances to look at, and causes."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from schemas import times
from schemas.outcome import ClockState
from services.api.database import Questions, Row
from services.api.dimensions import Where
from services.api.ranges import Range

VERDICTS = tuple(str(state) for state in (ClockState.MET, ClockState.BREACHED, ClockState.CANCELLED))
WITHDRAWN = "withdrawn"
IS_VERDICT = "state IN {verdicts:Array(String)}"
TOLD_IN_RANGE = (
    "told_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')"
    " AND told_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
)

Cause: TypeAlias = tuple[str, str]
"""A case and one of its events."""

_LOOK_UP = 500
"""Events asked for in one query: their ids travel in its URL."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which restatements: told in `range`, of clock instances whose key passes `key` (a condition on clock and case_id)
    and whose dimensions pass `where` before or after."""

    range: Range
    limit: int
    key: Where = field(default_factory=Where)
    where: Where = field(default_factory=Where)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the SQL of this module and of both conditions names."""
        own = {"from_ms": self.range.from_ms, "to_ms": self.range.to_ms, "verdicts": list(VERDICTS)}
        return own | self.key.parameters | self.where.parameters


def corrected(key: str) -> str:
    """SELECT of the instances told about in the range and again after a verdict (or a withdrawal): all restated
    verdicts are among them. An instance is a hash, so a few others may be too."""
    final = f"(withdrawn = 1 OR {IS_VERDICT})"
    return (
        "SELECT instance FROM outcome_history"
        f" WHERE {key} AND instance IN (SELECT instance FROM outcome_history WHERE {TOLD_IN_RANGE} AND {key})"
        f" GROUP BY instance HAVING countIf({final}) > 0 AND minIf(version, {final}) < max(version)"
    )


async def events_behind(database: Questions, causes: Iterable[Cause]) -> dict[Cause, Row]:
    """What is known about events by case and id: `event_id`, and `type` and `occurred_at` where the event is stored."""
    wanted = sorted(set(causes))
    lots = [wanted[at : at + _LOOK_UP] for at in range(0, len(wanted), _LOOK_UP)]
    found: dict[Cause, Row] = {cause: {"event_id": cause[1], "type": None, "occurred_at": None} for cause in wanted}
    for rows in await asyncio.gather(*(_events(database, lot) for lot in lots)):
        for row in rows:
            about = found.get((row["case_id"], row["event_id"]))
            if about is not None:
                about.update(type=row["said"][0], occurred_at=times.text(row["said"][1]))
    return found


async def _events(database: Questions, causes: list[Cause]) -> list[Row]:
    # Cases and ids are looked up apart, which may find an event of one case that is the cause in another; harmless.
    return await database.rows(
        "SELECT case_id, event_id,"
        " argMin((toString(type), toUnixTimestamp64Milli(occurred_at)), (received_at, occurred_at)) AS said FROM events"
        " WHERE case_id IN {cases:Array(String)} AND event_id IN {ids:Array(String)} GROUP BY case_id, event_id",
        {"cases": sorted({case for case, _ in causes}), "ids": sorted({event for _, event in causes})},
    )
