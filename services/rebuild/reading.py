"""What a rebuild reads of ClickHouse: the events of the cases that bear on a range, their customers' cases, and what
the slices hold."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.rollup import CLOCK_COUNTS, DIMENSIONS, CaseRecord
from services.rebuild.fence import EVENT_BEFORE, VERSION_BEFORE, Fence
from services.tiers import MINUTE_KEY
from streams.engine.agents import LONGEST_MS

PAGE_CASES = 2_000
_SETTINGS = {"max_threads": 1, "max_execution_time": 50}
_IN_RANGE = (
    "slice >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC') AND slice < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
)
_BEARS = f"""
SELECT DISTINCT case_id FROM (
    SELECT case_id FROM events WHERE occurred_at >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC') AND type != 'agent.state' AND {EVENT_BEFORE}
    UNION ALL
    SELECT case_id FROM outcomes WHERE ended_at >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC')
        AND ended_at < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')
) WHERE case_id > {{after:String}}
"""
_EVENTS = f"""
SELECT case_id, event_id, body, toUnixTimestamp64Milli(received_at) FROM events FINAL
WHERE case_id IN ({_BEARS} ORDER BY case_id LIMIT {{cases:UInt32}}) AND type != 'agent.state' AND {EVENT_BEFORE}
ORDER BY case_id, occurred_at, event_id
"""
_CASELESS = f"""
SELECT case_id, event_id, body, toUnixTimestamp64Milli(received_at) FROM events FINAL
WHERE (type = 'agent.state' OR case_id = '') AND {EVENT_BEFORE}
AND occurred_at >= fromUnixTimestamp64Milli({{begin:Int64}} - {LONGEST_MS}, 'UTC')
AND occurred_at < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')
"""
_WINDOW = "(SELECT toInt64(1000 * max(repeat_window_s)) FROM cases)"
_RECORDS = f"""
SELECT * FROM cases FINAL
WHERE withdrawn = 0 AND customer_id IN (
    SELECT customer_id FROM cases WHERE customer_id IS NOT NULL
    AND opened_at < fromUnixTimestamp64Milli({{end:Int64}} + {_WINDOW}, 'UTC')
    AND (opened_at >= fromUnixTimestamp64Milli({{begin:Int64}} - {_WINDOW}, 'UTC')
        OR resolved_at >= fromUnixTimestamp64Milli({{begin:Int64}} - {_WINDOW}, 'UTC'))
)
FORMAT JSONEachRow
"""

_decode_lines = msgspec.json.Decoder(CaseRecord).decode_lines

Key = tuple[int, tuple[Any, ...]]
"""Minute (ms) and dimension values, with the clock before them where there is one."""


class Held(NamedTuple):
    """What slices hold of one minute and series: sums by column, histograms by duration, customers."""

    counts: dict[str, int]
    durations: dict[str, dict[int, int]]
    customers: set[int]


class Reader:
    """Reads one range [begin, end), in ms, up to a fence."""

    def __init__(self, client: Client, fence: Fence, begin: int, end: int) -> None:
        self._client = client
        self._parameters: dict[str, Any] = {**fence.parameters, "begin": begin, "end": end}

    def count_cases(self) -> int:
        """How many cases bear on the range."""
        return int(self._rows(f"SELECT count() FROM ({_BEARS})", after="")[0][0])

    def pages(self) -> Iterator[list[tuple[str, str, str, int]]]:
        """The events of those cases, whole cases at a time."""
        after = ""
        while rows := self._rows(_EVENTS, after=after, cases=PAGE_CASES):
            yield rows
            after = rows[-1][0]

    def caseless(self) -> list[tuple[str, str, str, int]]:
        """Events of agents."""
        return self._rows(_CASELESS)

    def records(self) -> list[CaseRecord]:
        """All cases of the customers that bear on the range, as they stand now."""
        settings = {**_SETTINGS, "date_time_output_format": "iso", "output_format_json_quote_64bit_integers": 0}
        answer = self._client.raw_query(_RECORDS, parameters=self._parameters, settings=settings)
        return _decode_lines(answer)

    def contacts(self) -> dict[Key, Held]:
        """What contact slices hold."""
        columns = (*DIMENSIONS, *MEASURES, *DURATIONS, "customers")
        sums = [*(f"sum({name})" for name in MEASURES), *(f"sumMap({name})" for name in DURATIONS),
                "groupUniqArrayArray(customers)"]  # fmt: skip
        held: dict[Key, Held] = {}
        for at, *values in self._rows(self._held("contact_slice", columns, DIMENSIONS, sums)):
            dims, values = tuple(values[:7]), values[7:]
            counts = {name: n for name, n in zip(MEASURES, values, strict=False) if n}
            maps = values[len(MEASURES) : len(MEASURES) + len(DURATIONS)]
            durations = {name: {b: n for b, n in of.items() if n} for name, of in zip(DURATIONS, maps, strict=True)}
            held[at, dims] = Held(counts, {name: of for name, of in durations.items() if of}, set(values[-1]))
        return held

    def clocks(self) -> dict[Key, Held]:
        """What clock slices hold."""
        columns, keys = ("clock", *DIMENSIONS, *CLOCK_COUNTS), ("clock", *DIMENSIONS)
        rows = self._rows(self._held("clock_slice", columns, keys, [f"sum({name})" for name in CLOCK_COUNTS]))
        return {
            (at, tuple(values[:8])): Held(dict(zip(CLOCK_COUNTS, values[8:], strict=True)), {}, set())
            for at, *values in rows
        }

    def _held(self, kind: str, columns: tuple[str, ...], keys: tuple[str, ...], sums: list[str]) -> str:
        """Newest versions at the fence: the present row where it is one of them, else the last one told before."""
        names = ", ".join(columns)
        told = ", ".join(f"said.{place} AS {name}" for place, name in enumerate(columns, 1))
        key = MINUTE_KEY
        later = f"SELECT {key} FROM {kind}s FINAL WHERE {_IN_RANGE} AND NOT ({VERSION_BEFORE})"
        return (
            f"SELECT toUnixTimestamp64Milli(slice), {', '.join(keys)}, {', '.join(sums)} FROM ("
            f"SELECT slice, {names} FROM {kind}s FINAL WHERE {_IN_RANGE} AND {VERSION_BEFORE}"
            f" UNION ALL SELECT slice, {told} FROM (SELECT {key}, argMax(tuple({names}), version) AS said"
            f" FROM {kind}_history WHERE {_IN_RANGE} AND {VERSION_BEFORE} AND ({key}) IN ({later}) GROUP BY {key})"
            f") GROUP BY slice, {', '.join(keys)}"
        )

    def _rows(self, sql: str, **parameters: Any) -> list[Any]:
        found = self._client.query(sql, parameters={**self._parameters, **parameters}, settings=_SETTINGS)
        return list(found.result_rows)
