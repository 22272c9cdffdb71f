"""What a store makes of the records of a `Cluster`: every version of slices, the newest watermarks, each event with all
its arrivals. And a rebuild over it, in the parts that need no database."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.errors import EventRejected
from schemas.event import decode_event
from schemas.metrics.measures import DURATIONS
from schemas.policy import PolicyFile
from schemas.rollup import CLOCK_COUNTS, DIMENSIONS, CaseRecord
from schemas.times import parse, to_ms
from schemas.topics import Topic
from services.rebuild.compare import (
    OF_CUSTOMERS,
    Held,
    Key,
    arrivals_aside,
    clocks_of,
    contacts_of,
    differences,
    only,
    without,
)
from services.rebuild.fence import Fence, Mark, standing_of
from services.rebuild.moving import cells_of, moving
from services.rebuild.reading import Row, applied
from streams.engine.policies import PolicyBook
from streams.engine.slices import MINUTE_MS
from streams.rebuild import Rebuild
from streams.stage import Send
from tests.oracles.contract import Json
from tests.property.cluster import PARTITIONS, Cluster, Line

Versions = defaultdict[Any, dict[int, Json]]


NEVER_LATE = 0
"""When the broker had a record, in ms, for all it matters here."""


class Shelf(Cluster):
    """A cluster with a store behind it that keeps what ClickHouse keeps."""

    def __init__(self, policy: PolicyFile, wall: int) -> None:
        self.rows: dict[str, Versions] = {"clock": defaultdict(dict), "contact": defaultdict(dict)}
        self.marks: dict[int, Mark] = {}
        self.epochs: set[tuple[int, int, int]] = set()
        self._books = [PolicyBook(policy)] * PARTITIONS
        super().__init__(policy, wall)

    def mark(self, line: Line) -> None:
        """The slices told and then a watermark, as the agent does."""
        self.send([*line.owner.outcomes(), *line.owner.slices()])
        self.send([line.owner.watermark()])

    def send(self, sends: list[Send]) -> None:
        """Keeps slices and watermarks besides what readers see."""
        for send in sends:
            if send.topic is Topic.WATERMARKS:
                self._marked(msgspec.json.decode(send.value))
                continue
            if send.topic is Topic.EVENTS:
                self.cases[send.partition].append(send.value, NEVER_LATE)
                continue
            if send.topic is Topic.ROLLUPS:
                for row in map(msgspec.json.decode, send.value.split(b"\n")):
                    names = ("slice", "clock", *DIMENSIONS, "partition", "generation")
                    self.rows[send.key.decode()][tuple(row.get(name) for name in names)][row["version"]] = row
            super().send([send])

    def _marked(self, row: Json) -> None:
        number, version = row["partition"], row["version"]
        if number not in self.marks or self.marks[number].version < version:
            instants = (parse(row[name]) for name in ("stream_time", "told_at", "settled"))
            self.marks[number] = Mark(row["position"], version, *instants)
        if row["resumed_from"]:
            self.epochs.add((number, version >> 32, row["resumed_from"]))

    @property
    def fence(self) -> Fence:
        """The newest watermarks."""
        return Fence(dict(self.marks), standing_of(self.marks, self.epochs))

    def wrong(self, begin: int) -> tuple[dict[Key, Held], dict[Key, Held]]:
        """What a rebuild from `begin` (ms) to as late as can be would add to contact and clock slices."""
        fence = self.fence
        said = self._blank(fence, begin)
        cases: dict[str, list[Row]] = defaultdict(list)
        for row in self._events():
            cases["" if row.key != row.case_id else row.case_id].append(row)
        said.add_caseless(applied(cases.pop("", []), fence))
        for rows in cases.values():
            said.add_cases(applied(rows, fence))
        contacts, clocks = contacts_of(said.cells()), clocks_of(said.cells())
        held = without(self._held("contact", fence, begin), OF_CUSTOMERS)
        return arrivals_aside(differences(contacts, held)), differences(clocks, self._held("clock", fence, begin))

    def wrong_of_customers(self, before: list[CaseRecord], begin: int) -> dict[Key, Held]:
        """What it would add to those of customers. `before`: the cases as they were when the customers' partitions had
        not yet come to where they are."""
        fence = self.fence
        said = self._blank(fence, begin)
        said.add_records(before)
        found = differences(contacts_of(said.customer_cells()), only(self._held("contact", fence, begin), OF_CUSTOMERS))
        busy = cells_of(moving(before, self.records()))
        return {key: held for key, held in found.items() if key not in busy}

    def records(self) -> list[CaseRecord]:
        """The cases of customers as they stand now."""
        rows = [msgspec.convert(row, CaseRecord) for row in self.told.cases.values()]
        return [row for row in rows if row.customer_id is not None and not row.withdrawn]

    def _blank(self, fence: Fence, begin: int) -> Rebuild:
        settled = [fence.marks[number].settled for number in range(PARTITIONS)]
        end = fence.stream_time // MINUTE_MS * MINUTE_MS
        return Rebuild(self._books, settled, begin, max(begin, end), fence.stream_time)

    def _events(self) -> Iterable[Row]:
        """The stored events by case."""
        found: dict[tuple[str, int, str], Row] = {}
        for number, line in enumerate(self.cases):
            for offset, record in enumerate(line.log):
                for text in _events_of(record.value or b""):
                    event = decode_event(text)
                    key = (event.case_id or "", to_ms(event.occurred_at), event.event_id)
                    known = found.get(key)
                    arrivals = [*(known.arrivals if known else []), (number, offset, key[1])]
                    found[key] = Row(key[0], event.key, key[2], text.decode(), key[1], key[1], arrivals)
        return sorted(found.values())

    def _held(self, kind: str, fence: Fence, begin: int) -> dict[Key, Held]:
        """Newest versions at the fence, added up over partitions and generations."""
        held: dict[Key, Held] = {}
        names = ("clock", *DIMENSIONS) if kind == "clock" else DIMENSIONS
        for versions in self.rows[kind].values():
            standing = {v: row for v, row in versions.items() if fence.holds(row["partition"], v)}
            if not standing:
                continue
            row = standing[max(standing)]
            at = parse(row["slice"])
            if not begin <= at < fence.stream_time // MINUTE_MS * MINUTE_MS:
                continue
            one = held.setdefault((at, tuple(row[name] for name in names)), Held({}, {}, set()))
            counts = {name: row[name] for name in CLOCK_COUNTS} if kind == "clock" else row["counts"]
            for name, n in counts.items():
                one.counts[name] = one.counts.get(name, 0) + n
            for name in DURATIONS if kind == "contact" else ():
                for bucket, n in row["durations"].get(name, {}).items():
                    buckets = one.durations.setdefault(name, {})
                    buckets[int(bucket)] = buckets.get(int(bucket), 0) + n
            one.customers.update(row.get("customers", ()))
        return held


def _events_of(value: bytes) -> list[bytes]:
    """The valid events of a record: one over several lines, or several, one a line."""
    lines = [line for line in value.split(b"\n") if line.strip()]
    for texts in ([value], lines):
        found = []
        for text in texts:
            try:
                decode_event(text)
            except EventRejected:
                continue
            found.append(text)
        if found:
            return found
    return []
