"""A reader of what the engine tells: keeps the newest version of every record, as the stores do."""

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.rollup import DIMENSIONS
from streams.engine.customers import Customers
from streams.engine.engine import Engine
from streams.engine.slices import BLOCK_MINUTES, clock_slices, contact_slice
from tests.oracles.contract import Json
from tests.property.driving import rows_of, view_rows


class Told:
    """The newest outcome a (case, clock, seq), the newest slice a (minute, series, source, generation), the newest
    record a case. `customers` is the second stage over the case records that `take` takes."""

    def __init__(self) -> None:
        self.cases: dict[Any, Json] = {}
        self.customers = Customers()
        self.outcomes: dict[Any, Json] = {}
        self.clocks: dict[Any, Json] = {}
        self.contacts: dict[Any, Json] = {}

    def outcome(self, record: Json) -> None:
        """Takes an outcome record; an older one than known changes nothing."""
        _keep(self.outcomes, (record["case_id"], record["clock"], record["seq"]), record)

    def case(self, record: Json) -> None:
        """Takes what a case tells."""
        _keep(self.cases, record["case_id"], record)

    def slice(self, kind: str, row: Json) -> None:
        """Takes a slice row of kind clock or contact."""
        rows = self.clocks if kind == "clock" else self.contacts
        names = ("slice", "clock", "partition", "generation", *DIMENSIONS)
        _keep(rows, tuple(row.get(name) for name in names), row)

    def take(self, engine: Engine, version: int) -> None:
        """Takes what an engine has to tell."""
        for outcome in engine.take_outcomes(version):
            self.outcome(msgspec.to_builtins(outcome))
        for records in engine.take_cases(0, 2 * version):
            for record in records:
                self.case(msgspec.to_builtins(record))
                self.customers.tell(record, 0)
        for cell in engine.slices.take(engine.arrival):
            about = {"version": version, "generation": engine.slices.born[cell.minute // BLOCK_MINUTES]}
            for row in clock_slices(cell):
                self.slice("clock", msgspec.to_builtins(row) | about)
            self.slice("contact", msgspec.to_builtins(contact_slice(cell)) | about)

    def view(self, now: int) -> Json:
        """As `driving.view` as of `now`, except that a clock still counting has no elapsed time: it was told before."""
        known = [record for record in self.outcomes.values() if not record["withdrawn"]]
        known.sort(key=lambda r: (r["case_id"], r["clock"], r["seq"]))
        clocks, contacts = rows_of(self.customers.slices.cells())
        rows = [*self.clocks.values(), *clocks], [*self.contacts.values(), *contacts]
        return {"outcomes": timeless(known)} | view_rows(*rows, self.cases.values(), now)


def _keep(known: dict[Any, Json], key: Any, record: Json) -> None:
    before = known.get(key)
    if before is None or before["version"] <= record["version"]:
        known[key] = record


def timeless(outcomes: Iterable[Json]) -> list[Json]:
    """Outcomes without what belongs to the telling, and without the elapsed time of clocks still counting."""
    return [
        {
            name: None if name == "elapsed_s" and not record["stopped_at"] else value
            for name, value in record.items()
            if name not in ("version", "withdrawn", "told_at", "cause", "held")
        }
        for record in outcomes
    ]


def without_elapsed(view: Json) -> Json:
    """An oracle's view as `Told.view` has it."""
    return view | {"outcomes": timeless(view["outcomes"])}
