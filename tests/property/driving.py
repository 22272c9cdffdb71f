"""Drives the engine with histories as dicts and reads it as the oracles write, so that both can be compared."""

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from schemas.event import Event, decode_event
from schemas.metrics import CATALOGUE, Source, Sums
from schemas.metrics.histogram import bucket_of
from schemas.outcome import Outcome
from schemas.policy import PolicyFile
from schemas.rollup import DIMENSIONS
from schemas.times import to_ms
from streams.engine.customers import Customers
from streams.engine.engine import Engine
from streams.engine.policies import PolicyBook
from streams.engine.slices import Cell, clock_slices, contact_slice
from tests.oracles import contacts, histories, metric_histories
from tests.oracles.contract import Json, parse
from tests.oracles.metrics import Reading
from tests.oracles.promises import Changes

CLOCK_COUNTS = ("met", "breached", "cancelled", "stopped", "elapsed_ms")


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


def drawn(rng: random.Random) -> tuple[Json, list[Json]]:
    """A policy and a history: of clocks, or of all that metrics count."""
    if rng.randrange(2):
        return histories.policy(rng), histories.history(rng)
    policy = metric_histories.policy(rng)
    window = (policy.get("metrics") or {}).get("repeat_window", "7d")
    return policy, metric_histories.history(rng, window, most=8, cases=4)


def run(events: Iterable[Json], policy: Json | PolicyBook, now: datetime) -> Engine:
    """An engine that has seen the events in this order and then the stream time."""
    engine = Engine(policy if isinstance(policy, PolicyBook) else book(policy))
    for event in events:
        engine.apply(decoded(event))
    engine.advance(to_ms(now))
    engine.settle()
    return engine


def record(outcome: Outcome) -> Json:
    """An outcome as a dict, without the waterfall, for which there is a law of its own."""
    fields: Json = msgspec.to_builtins(outcome)
    del fields["held"]
    return fields


def view(*engines: Engine) -> Json:
    """All that engines say: outcomes, slices (empty ones left out) and metrics, also across customers' cases."""
    outcomes = [record(o) for engine in engines for o in engine.outcomes()]
    outcomes.sort(key=lambda r: (r["case_id"], r["clock"], r["seq"]))
    customers = Customers()
    cases = [one for engine in engines for one in engine.case_records()]
    for one in cases:
        customers.tell(one, 0)
    cells = [cell for engine in engines for cell in engine.slices.cells()] + list(customers.slices.cells())
    now = max(engine.now for engine in engines)
    return {"outcomes": outcomes} | view_rows(*rows_of(cells), [msgspec.to_builtins(one) for one in cases], now)


def rows_of(cells: Iterable[Cell]) -> tuple[list[Json], list[Json]]:
    """The clock and contact slices of cells, as rows."""
    clock_rows: list[Json] = []
    contact_rows: list[Json] = []
    for cell in cells:
        clock_rows += [msgspec.to_builtins(row) for row in clock_slices(cell)]
        contact_rows.append(msgspec.to_builtins(contact_slice(cell)))
    return clock_rows, contact_rows


def view_rows(
    clock_rows: Iterable[Json], contact_rows: Iterable[Json], cases: Iterable[Json] = (), now: int = 0
) -> Json:
    """Slices as rows, added up by key, and the metrics over them and over the cases open now."""
    by_clock: dict[Any, Counter[str]] = {}
    by_contact: dict[Any, Counter[str]] = {}
    histograms: dict[str, Counter[int]] = {}
    customers: set[int] = set()
    totals: Counter[str] = Counter()
    for row in clock_rows:
        key = (row["slice"], row["clock"], *(row[d] for d in DIMENSIONS))
        by_clock.setdefault(key, Counter()).update({name: row[name] for name in CLOCK_COUNTS})
    for row in contact_rows:
        key = (row["slice"], *(row[d] for d in DIMENSIONS))
        totals.update(row["counts"])
        customers.update(row["customers"])
        cell = by_contact.setdefault(key, Counter())
        cell.update(row["counts"])
        for name, buckets in row["durations"].items():
            cell.update({f"{name}~{bucket}": n for bucket, n in buckets.items()})
            histograms.setdefault(name, Counter()).update({int(bucket): n for bucket, n in buckets.items()})
    sums = Sums(totals, {name: {b: n for b, n in buckets.items() if n} for name, buckets in histograms.items()},
                len(customers))  # fmt: skip
    ages, waits = _ages(cases, now)
    metrics = {
        id: metric.of_open(ages, waits) if metric.source is Source.OPEN else metric.compute(sums)
        for id, metric in CATALOGUE.items()
    }
    return {
        "clock_slices": _without_zeros(by_clock),
        "contact_slices": _without_zeros(by_contact),
        "metrics": {id: (value.value, value.n, value.ci) for id, value in metrics.items()},
    }


def _ages(cases: Iterable[Json], now: int) -> tuple[list[int], list[int]]:
    """Of the cases open now: since when, and how long those have waited that no human took."""
    ages, waits = [], []

    def passed(instant: str | None) -> bool:
        return instant is not None and to_ms(parse(instant)) <= now

    for case in cases:
        if sum(map(passed, case["opens"])) > sum(map(passed, case["ends"])):
            ages.append(now - to_ms(parse(case["opened_at"])))
            if not passed(case["connected_at"]) and not passed(case["answered_at"]):
                since = case["queued_at"] if passed(case["queued_at"]) else case["opened_at"]
                waits.append(now - to_ms(parse(since)))
    return ages, waits


def _without_zeros(cells: dict[Any, Counter[str]]) -> dict[Any, dict[str, int]]:
    plain = {key: {name: n for name, n in cell.items() if n} for key, cell in cells.items()}
    return {key: cell for key, cell in plain.items() if cell}


def expected(
    events: Iterable[Json],
    policy: Json,
    now: datetime,
    changes: Changes = (),
    came: Iterable[contacts.Fact] = (),
) -> Json:
    """The same of the oracles. `came` are the facts of how events came, which a history does not say."""
    reading = Reading(events, policy, now, changes)
    ended = contacts.clock_slices(reading.records)
    cells = contacts.contact_slices([*reading.facts, *came])
    for key, durations in contacts.duration_slices(reading.facts).items():
        for name, values in durations.items():
            cells.setdefault(key, {}).update(Counter(f"{name}~{bucket_of(value)}" for value in values))
    return {
        "outcomes": reading.records,
        "clock_slices": {key: {name: n for name, n in cell.items() if n} for key, cell in ended.items()},
        "contact_slices": cells,
        "metrics": {id: (a[()].value, a[()].n, a[()].ci) for id, a in reading.metrics().items()},
    }


def assert_same(got: Json, want: Json) -> None:
    """Part by part, the smallest first, so that a failure shows what differs. Quantiles, and the intervals of means of
    durations, are as exact as histograms."""
    for part in ("outcomes", "clock_slices", "contact_slices"):
        assert got[part] == want[part], part
    assert got["metrics"].keys() == want["metrics"].keys()
    for id, (value, n, ci) in want["metrics"].items():
        found, found_n, found_ci = got["metrics"][id]
        metric = CATALOGUE[id]
        near = 0.0101 if metric.quantile is not None and metric.source is Source.SLICES else 1e-9
        assert found_n == n, id
        assert (found is None) == (value is None), id
        assert value is None or abs(found - value) <= near * max(1, abs(value)), (id, found, value)
        assert (found_ci is None) == (ci is None), id
        if ci is not None:
            width = 1e-9 + (0.05 * abs(ci[1]) if metric.durations else 0)
            assert all(abs(a - b) <= width for a, b in zip(found_ci, ci, strict=True)), (id, found_ci, ci)


def times(events: Iterable[Json]) -> list[int]:
    """All instants of events in ms, sorted."""
    return sorted({to_ms(parse(event["occurred_at"])) for event in events})
