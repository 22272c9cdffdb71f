"""Drives the engine with histories as dicts and reads it as the oracles write, so that both can be compared."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from schemas.event import Event, decode_event
from schemas.metrics import CATALOGUE
from schemas.outcome import Outcome
from schemas.policy import PolicyFile
from schemas.rollup import DIMENSIONS
from schemas.times import to_ms
from streams.engine.engine import Engine
from streams.engine.policies import PolicyBook
from streams.engine.slices import Cell, clock_slices, contact_slice
from tests.oracles import contacts
from tests.oracles import engine as clocks
from tests.oracles.contract import Json, parse
from tests.oracles.promises import Changes

CLOCK_COUNTS = ("met", "breached", "cancelled", "stopped", "elapsed_ms")
CLOCK_MEASURES = ("clocks_met", "clocks_ended", "first_response_met", "first_response_ended")


def raw(event: Json) -> bytes:
    """The event as bytes."""
    return msgspec.json.encode(event)


def decoded(event: Json) -> Event:
    """The event as the engine takes it."""
    return decode_event(raw(event))


def policy_file(policy: Json) -> PolicyFile:
    """The policy as if loaded from YAML, whose parser would take most of the time. JSON is YAML."""
    file = PolicyFile.model_validate(policy)
    file._text = raw(policy).decode()
    return file


def book(policy: Json) -> PolicyBook:
    """The policy compiled."""
    return PolicyBook(policy_file(policy))


def run(events: Iterable[Json], policy: Json | PolicyBook, now: datetime) -> Engine:
    """An engine that has seen the events in this order and then the stream time."""
    engine = Engine(policy if isinstance(policy, PolicyBook) else book(policy))
    for event in events:
        engine.apply(decoded(event))
    engine.advance(to_ms(now))
    return engine


def record(outcome: Outcome) -> Json:
    """An outcome as a dict, without the waterfall, for which there is a law of its own."""
    fields: Json = msgspec.to_builtins(outcome)
    del fields["held"]
    return fields


def view(*engines: Engine) -> Json:
    """All that engines say: outcomes, slices (empty ones left out) and metrics."""
    outcomes = [record(o) for engine in engines for o in engine.outcomes()]
    outcomes.sort(key=lambda r: (r["case_id"], r["clock"], r["seq"]))
    return {"outcomes": outcomes} | view_cells([cell for engine in engines for cell in engine.slices.cells()])


def view_cells(cells: Iterable[Cell]) -> Json:
    """What cells say, added up."""
    clock_rows: list[Json] = []
    contact_rows: list[Json] = []
    for cell in cells:
        clock_rows += [msgspec.to_builtins(row) for row in clock_slices(cell)]
        contact_rows.append(msgspec.to_builtins(contact_slice(cell)))
    return view_rows(clock_rows, contact_rows)


def view_rows(clock_rows: Iterable[Json], contact_rows: Iterable[Json]) -> Json:
    """Slices as rows, added up by key, and the metrics over them."""
    by_clock: dict[Any, Counter[str]] = {}
    by_contact: dict[Any, Counter[str]] = {}
    totals: Counter[str] = Counter()
    for row in clock_rows:
        key = (row["slice"], row["clock"], *(row[d] for d in DIMENSIONS))
        by_clock.setdefault(key, Counter()).update({name: row[name] for name in CLOCK_COUNTS})
    for row in contact_rows:
        key = (row["slice"], *(row[d] for d in DIMENSIONS))
        totals.update(row["counts"])
        counts = {k: n for k, n in row["counts"].items() if k not in CLOCK_MEASURES}
        by_contact.setdefault(key, Counter()).update(counts)
    return {
        "clock_slices": _without_zeros(by_clock),
        "contact_slices": _without_zeros(by_contact),
        "metrics": {id: metric.compute(totals).value for id, metric in CATALOGUE.items()},
    }


def _without_zeros(cells: dict[Any, Counter[str]]) -> dict[Any, dict[str, int]]:
    plain = {key: {name: n for name, n in cell.items() if n} for key, cell in cells.items()}
    return {key: cell for key, cell in plain.items() if cell}


def expected(events: Iterable[Json], policy: Json, now: datetime, changes: Changes = ()) -> Json:
    """The same of the oracles."""
    listed = list(events)
    records = clocks.outcomes(listed, policy, now, changes)
    facts = list(contacts.facts(listed, policy, changes))
    ended = contacts.clock_slices(records)
    return {
        "outcomes": records,
        "clock_slices": {key: {name: n for name, n in cell.items() if n} for key, cell in ended.items()},
        "contact_slices": contacts.contact_slices(facts),
        "metrics": contacts.metrics(facts, records),
    }


def assert_same(got: Json, want: Json) -> None:
    """Part by part, the smallest first, so that a failure shows what differs."""
    for part in ("outcomes", "clock_slices", "contact_slices"):
        assert got[part] == want[part], part
    for id, value in want["metrics"].items():
        found = got["metrics"][id]
        assert found is None if value is None else found is not None and abs(found - value) < 1e-9, id
    assert got["metrics"].keys() == want["metrics"].keys()


def times(events: Iterable[Json]) -> list[int]:
    """All instants of events in ms, sorted."""
    return sorted({to_ms(parse(event["occurred_at"])) for event in events})
