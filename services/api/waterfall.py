"""GET /v1/waterfall: who had the cases while the clocks ran, second by second."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.rollup import DIMENSIONS
from services.api.answers import group_order, json_answer
from services.api.context import ContextDependency
from services.api.database import Questions, Row
from services.api.dimensions import Where, check_groups, grouping, row_limit
from services.api.parameters import ClockFilters, PeriodParameters
from services.api.ranges import Range, to_range

router = APIRouter(prefix="/v1", tags=["SLA"])

HOLDER = "holder"
OTHERS, UNKNOWN = "others", "unknown"
"""Holders beyond the `top`; seconds of which no holder was told (records from before holders were kept)."""

_GROUPS = ("clock", *DIMENSIONS, HOLDER)
_WHOLE = ""
"""Stands for the holder in rows about a whole group."""
_IN_RANGE = (
    "ended_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')"
    " AND ended_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
)


class WaterfallParameters(ClockFilters, PeriodParameters):
    """Parameters of /v1/waterfall."""

    by: str | None = Field(
        default=None,
        examples=["team,clock"],
        description="clock and dimensions, comma separated; `holder` names agents and teams one by one.",
    )
    top: int = Field(
        default=20, ge=1, le=1000, description="With `holder`, so many holders a group; the rest counts as `others`."
    )


class WaterfallRow(BaseModel):
    """One group. Carries what was asked for with `by` besides."""

    model_config = ConfigDict(extra="allow")

    n: int = Field(description="Clocks that have stopped.")
    still_running: int = Field(description="Breached clocks that have not stopped; none of their time is in the rest.")
    total_s: float = Field(description="Stop minus start, summed over the n.")
    held: dict[str, float] = Field(
        description="Seconds by holder, largest first; they add up to `total_s`. queue, bot, agent, team, customer,"
        " third_party, closed (by the clock's calendar); unknown where it was not kept."
    )


class WaterfallAnswer(BaseModel):
    """Waterfalls of a range."""

    from_: str = Field(alias="from")
    to: str
    rows: list[WaterfallRow]


@router.get("/waterfall", responses={200: {"model": WaterfallAnswer}})
async def get_waterfall(asked: Annotated[WaterfallParameters, Query()], context: ContextDependency) -> Response:
    """Where the time of clocks that ended in [from, to) went. Without a range: the last 15 minutes.

    The range takes clocks as /v1/sla/compliance does: a met or cancelled one at its stop, a breached one at its due
    instant. Every second between start and stop belongs to one holder.
    """
    range_ = to_range(asked.window, asked.from_, asked.to, now_ms=context.now())
    names = grouping(asked.by, _GROUPS)
    by, one_by_one = tuple(name for name in names if name != HOLDER), HOLDER in names
    found = await _read(context.database, by, asked.where(), range_, one_by_one, asked.top)
    groups = {_group(by, row): row for row in found if row["holder"] == _WHOLE}
    check_groups(len(groups))
    held: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in found:
        if row["holder"] != _WHOLE:
            held.setdefault(_group(by, row), {})[row["holder"]] = row["ms"]
    rows = [
        dict(zip(by, group, strict=True)) | _stated(groups[group], held.get(group, {})) for group in group_order(groups)
    ]
    return json_answer(range_.stated() | {"rows": rows})


def _group(by: Iterable[str], row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in by)


def _stated(whole: Row, held: dict[str, int]) -> Row:
    untold = whole["ms"] - sum(held.values())
    if untold:
        held = held | {UNKNOWN: untold}
    largest_first = sorted(held.items(), key=lambda part: (part[0] == OTHERS, -part[1], part[0]))
    return {
        "n": whole["stopped"],
        "still_running": whole["clocks"] - whole["stopped"],
        "total_s": whole["ms"] / 1000,
        "held": {holder: ms / 1000 for holder, ms in largest_first},
    }


async def _read(
    database: Questions, by: tuple[str, ...], where: Where, range_: Range, one_by_one: bool, top: int
) -> list[Row]:
    """Rows of `by`, holder, ms, clocks, stopped: one a holder, and one a group that is about all of it."""
    keys = "".join(f"{name}, " for name in by)
    holder = "name" if one_by_one else "if(match(name, '^(agent|team):'), splitByChar(':', name)[1], name)"
    length = "toUnixTimestamp64Milli(assumeNotNull(stopped_at)) - toUnixTimestamp64Milli(started_at)"
    # The whole of a clock is listed with its parts, so that both come from one reading. Parts are rounded one by one:
    # sums of whole milliseconds are exact in any order.
    ended = (
        f"SELECT {keys}stopped_at IS NOT NULL AS has_stopped, if(has_stopped, {length}, 0) AS whole_ms,"
        f" arrayPushBack(mapKeys(held), '{_WHOLE}') AS names,"
        " arrayPushBack(arrayMap(s -> toInt64(round(s * 1000)), mapValues(held)), whole_ms) AS parts"
        f" FROM outcomes FINAL WHERE {_IN_RANGE} AND {where.sql}"
    )
    sums = (
        f"SELECT {keys}{holder} AS holder, sum(part) AS ms, count() AS clocks, countIf(has_stopped) AS stopped"
        f" FROM ({ended}) ARRAY JOIN names AS name, parts AS part GROUP BY {keys}holder"
    )
    if one_by_one:
        place = f"row_number() OVER (PARTITION BY {keys}holder = '{_WHOLE}' ORDER BY ms DESC, holder)"
        shown = f"if({place} > {{top:UInt32}} AND holder != '{_WHOLE}', '{OTHERS}', holder)"
        listed = f"SELECT *, {shown} AS shown FROM ({sums})"
        sums = (
            f"SELECT {keys}shown AS holder, sum(ms) AS ms, sum(clocks) AS clocks, sum(stopped) AS stopped"
            f" FROM ({listed}) GROUP BY {keys}shown"
        )
    parameters = {**where.parameters, "from_ms": range_.from_ms, "to_ms": range_.to_ms, "top": top}
    return await database.rows(f"{sums} LIMIT {row_limit(True)}", parameters)
