"""What a rebuild reads of ClickHouse: the events of the cases that bear on a range, their customers' cases, and what
the slices hold."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client

from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.rollup import CLOCK_COUNTS, DIMENSIONS, CaseRecord
from schemas.routing import partition_of
from services.rebuild.compare import Held, Key
from services.rebuild.fence import EVENT_BEFORE, VERSION_BEFORE, Fence
from services.tiers import MINUTE_KEY
from streams.engine.agents import LONGEST_MS
from streams.partition import FUTURE_DEAD_MS
from streams.rebuild import StoredEvent

PAGE_CASES = 2_000
_SETTINGS = {"max_threads": 1, "max_execution_time": 50}
_IN_RANGE = (
    "slice >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC') AND slice < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
)
# What came after the fence may have moved the end of a clock out of the range, where slices before it still have it.
_BEARS = f"""
SELECT DISTINCT case_id FROM (
    SELECT case_id FROM events WHERE occurred_at >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC') AND type != 'agent.state'
    UNION ALL
    SELECT case_id FROM outcomes WHERE ended_at >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC')
        AND ended_at < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')
    UNION ALL
    SELECT case_id FROM event_arrivals WHERE NOT ({EVENT_BEFORE})
) WHERE case_id > {{after:String}}
"""
_PAGE = f"type != 'agent.state' AND case_id IN ({_BEARS} ORDER BY case_id LIMIT {{cases:UInt32}})"
_CASELESS = f"""
(type = 'agent.state' OR case_id = '')
AND occurred_at >= fromUnixTimestamp64Milli({{begin:Int64}} - {LONGEST_MS}, 'UTC')
AND occurred_at < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')
"""
_ROUTED_BY = "if(type = 'agent.state' OR case_id = '', coalesce(nullIf(agent_id, ''), event_id), case_id)"
"""As `schemas.event.Event.key`."""
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


class Row(NamedTuple):
    """An event as it is read: `key` is what it is routed by, `arrivals` are partition, offset and instant of each time
    it came; none where it came before these were stored."""

    case_id: str
    key: str
    event_id: str
    body: str
    t: int
    received: int
    arrivals: list[tuple[int, int, int]]


class Reader:
    """Reads one range [begin, end), in ms, up to a fence."""

    def __init__(self, client: Client, fence: Fence, begin: int, end: int) -> None:
        self._client = client
        self._fence = fence
        self._parameters: dict[str, Any] = {**fence.parameters, "begin": begin, "end": end}

    def count_cases(self) -> int:
        """How many cases bear on the range, and some more."""
        return int(self._query(f"SELECT count() FROM ({_BEARS})", after="")[0][0])

    def pages(self) -> Iterator[list[StoredEvent]]:
        """The events of those cases, whole cases at a time, in order of case, time and id."""
        after = ""
        while rows := self._rows(_PAGE, after=after, cases=PAGE_CASES):
            yield list(applied(rows, self._fence))
            after = rows[-1].case_id

    def caseless(self) -> list[StoredEvent]:
        """Events of agents."""
        return list(applied(self._rows(_CASELESS), self._fence))

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
        for at, *values in self._query(self._held("contact_slice", columns, DIMENSIONS, sums)):
            dims, values = tuple(values[:7]), values[7:]
            counts = {name: n for name, n in zip(MEASURES, values, strict=False) if n}
            maps = values[len(MEASURES) : len(MEASURES) + len(DURATIONS)]
            durations = {name: {b: n for b, n in of.items() if n} for name, of in zip(DURATIONS, maps, strict=True)}
            held[at, dims] = Held(counts, {name: of for name, of in durations.items() if of}, set(values[-1]))
        return held

    def clocks(self) -> dict[Key, Held]:
        """What clock slices hold."""
        columns, keys = ("clock", *DIMENSIONS, *CLOCK_COUNTS), ("clock", *DIMENSIONS)
        rows = self._query(self._held("clock_slice", columns, keys, [f"sum({name})" for name in CLOCK_COUNTS]))
        return {
            (at, tuple(values[:8])): Held(dict(zip(CLOCK_COUNTS, values[8:], strict=True)), {}, set())
            for at, *values in rows
        }

    def _held(self, kind: str, columns: tuple[str, ...], keys: tuple[str, ...], sums: list[str]) -> str:
        """Newest versions at the fence: the present row where it is one of them, else the last one told before. A row
        that is replaced while this is read may be found both ways, so the newer of the two is taken here too."""
        names = ", ".join(columns)
        said = ", ".join(f"said.{place} AS {name}" for place, name in enumerate(columns, 1))
        key = MINUTE_KEY
        later = f"SELECT {key} FROM {kind}s FINAL WHERE {_IN_RANGE} AND NOT {VERSION_BEFORE}"
        told = f"SELECT {key}, version, tuple({names}) AS told"
        return (
            f"SELECT toUnixTimestamp64Milli(slice), {', '.join(keys)}, {', '.join(sums)} FROM ("
            f"SELECT slice, {said} FROM (SELECT {key}, argMax(told, version) AS said FROM ("
            f"{told} FROM {kind}s FINAL WHERE {_IN_RANGE} AND {VERSION_BEFORE}"
            f" UNION ALL {told} FROM {kind}_history WHERE {_IN_RANGE} AND {VERSION_BEFORE} AND ({key}) IN ({later})"
            f") GROUP BY {key})) GROUP BY slice, {', '.join(keys)}"
        )

    def _rows(self, which: str, **parameters: Any) -> list[Row]:
        """Stored events with when and where each of them came."""
        key = "case_id, occurred_at, event_id"
        sql = f"""
SELECT case_id, {_ROUTED_BY}, event_id, body,
    toUnixTimestamp64Milli(occurred_at), toUnixTimestamp64Milli(received), came
FROM (SELECT {key}, type, agent_id, body, received_at AS received FROM events FINAL WHERE {which}) AS stored
LEFT JOIN (
    SELECT {key}, groupArray((partition, offset, toUnixTimestamp64Milli(received_at))) AS came
    FROM event_arrivals WHERE ({key}) IN (SELECT {key} FROM events WHERE {which}) GROUP BY {key}
) AS arrivals USING ({key})
ORDER BY {key}
"""
        return [Row(*row) for row in self._query(sql, **parameters)]

    def _query(self, sql: str, **parameters: Any) -> list[Any]:
        found = self._client.query(sql, parameters={**self._parameters, **parameters}, settings=_SETTINGS)
        return list(found.result_rows)


def applied(rows: Iterable[Row], fence: Fence) -> Iterator[StoredEvent]:
    """The events that had been applied at the fence, each as it came first where it belongs: a copy in another
    partition is only passed on from there, and one dated ahead waits, or comes too early to be taken."""
    for row in rows:
        home = partition_of(row.key, fence.partitions)
        mark = fence.marks[home]
        came = [(offset, at) for number, offset, at in row.arrivals if number == home and offset <= mark.position]
        if not came and row.arrivals:
            continue
        received = min(came)[1] if came else row.received
        if row.t <= mark.told_at and row.t <= received + FUTURE_DEAD_MS:
            yield StoredEvent(row.case_id, row.event_id, row.body, received, min(came)[0] if came else -1)
