"""Two hours of rows as the stream tells them: several partitions and generations, older versions beside newer ones."""

import random
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from schemas import times
from schemas.metrics.histogram import bucket_of
from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.outcome import VersionedOutcome
from schemas.rollup import CUSTOMER_STAGE, DIMENSIONS, CaseRecord, VersionedClockSlice, VersionedContactSlice, Watermark

MINUTE_MS = 60_000
NOW = times.parse("2026-03-02T10:20:30.500Z")
"""The present of the tests: in the middle of a minute."""
FIRST = times.parse("2026-03-02T08:00:00.000Z")

CLOCKS = ("connect", "first_response", "resolution")
_CHANNELS = ("chat", "phone", None)
_TEAMS = ("billing", "售后", "it's", None)
_AGENTS = ("a1", "a2", "b7", None)
_LEVELS = ("L1", "L2", "L3", None)
_PARTITIONS = (0, 1, CUSTOMER_STAGE)
_MEASURED = [name for name in MEASURES if not name.endswith("_ms")]
_STATES = ("met", "breached", "cancelled", "running", "running", "paused")
_SERIES = 14

_Versioned = TypeVar("_Versioned", VersionedClockSlice, VersionedContactSlice, VersionedOutcome, CaseRecord)


@dataclass(frozen=True)
class Traffic:
    """The newest version of everything, and what is inserted into each table: blocks of rows, of which an older version
    never stands in the same block as the newest one, which would replace it there already."""

    outcomes: list[VersionedOutcome]
    tables: dict[str, list[list[Any]]]

    def ndjson(self, table: str) -> list[bytes]:
        """The blocks of a table, as the store inserts them."""
        return [bytes(msgspec.json.Encoder().encode_lines(rows)) for rows in self.tables[table]]


def traffic(seed: int) -> Traffic:
    """The same for the same seed. Some of it lies before FIRST and some after NOW."""
    rng = random.Random(seed)
    series = [_dimensions(rng) for _ in range(_SERIES)]
    minutes = [FIRST + number * MINUTE_MS for number in range(-10, 150)]
    clocks = [_clock_slice(rng, at, own) for at in minutes for own in rng.sample(series, 4)]
    contacts = [_contact_slice(rng, at, own) for at in minutes for own in rng.sample(series, 4)]
    outcomes = [_outcome(rng, number) for number in range(1500)]
    cases = [_case(rng, number) for number in range(600)]
    watermarks = [Watermark(partition, times.text(NOW - 1_000 * (number + 1)), 10, 5, 3, {}, 0, times.text(NOW),
                            times.text(NOW))
                  for number, partition in enumerate(_PARTITIONS)]  # fmt: skip
    tables = {
        "clock_slices": _told(rng, _merged(clocks), "met", "breached"),
        "contact_slices": _told(rng, _merged(contacts), "counts", "durations"),
        "outcomes": _told(rng, outcomes, "state"),
        "cases": _told(rng, cases, "opens"),
        "watermarks": [watermarks],
    }
    return Traffic([row for row in outcomes if not row.withdrawn], tables)


def _dimensions(rng: random.Random) -> dict[str, str | None]:
    values = (_CHANNELS, _TEAMS, _AGENTS, _LEVELS, ("vip", None), ("refund", "other", None), (None,))
    return {name: rng.choice(choice) for name, choice in zip(DIMENSIONS, values, strict=True)}


def _clock_slice(rng: random.Random, at: int, own: dict[str, str | None]) -> VersionedClockSlice:
    counts = {"met": rng.randrange(6), "breached": rng.randrange(4), "cancelled": rng.randrange(2)}
    return VersionedClockSlice(
        slice=times.text(at), clock=rng.choice(CLOCKS), **own, **counts, stopped=counts["met"],
        elapsed_ms=rng.randrange(9_000), **_place(rng),
    )  # fmt: skip


def _contact_slice(rng: random.Random, at: int, own: dict[str, str | None]) -> VersionedContactSlice:
    counts = {name: rng.randrange(1, 7) for name in rng.sample(_MEASURED, 40)}
    counts |= {name: rng.randrange(60_000) for name in MEASURES if name.startswith("agent_")}
    durations: dict[str, dict[int, int]] = {}
    for name in rng.sample(DURATIONS, 5):
        taken = [rng.randrange(1, 900_000) for _ in range(rng.randrange(1, 6))]
        counts[f"{name}_ms"] = sum(taken)
        durations[name] = {}
        for ms in taken:
            bucket = bucket_of(ms)
            durations[name][bucket] = durations[name].get(bucket, 0) + 1
    return VersionedContactSlice(
        slice=times.text(at), **own, counts=counts, durations=durations,
        customers=[rng.randrange(1, 400) for _ in range(counts.get("opened", 0))], **_place(rng),
    )  # fmt: skip


def _place(rng: random.Random) -> dict[str, Any]:
    return {
        "partition": rng.choice(_PARTITIONS), "generation": rng.randrange(2), "version": 0, "told_at": times.text(NOW),
    }  # fmt: skip


def _merged(slices: list[Any]) -> list[Any]:
    """One slice a key: what a second one says of the same would replace the first."""
    keys = ("slice", *DIMENSIONS, "partition", "generation")
    return [*{(tuple(getattr(row, key) for key in keys), getattr(row, "clock", "")): row for row in slices}.values()]


def _outcome(rng: random.Random, number: int) -> VersionedOutcome:
    state = rng.choice(_STATES)
    started = NOW - rng.randrange(1, 10_000_000)
    due = NOW + rng.randrange(-3_000_000, 3_000_000) if state == "running" else started + rng.randrange(1, 3_000_000)
    stopped = {"met": due - 1, "cancelled": due - 1, "breached": rng.choice((None, due + 60_000))}.get(state)
    return VersionedOutcome(
        case_id=f"案件 {number // 3}/x", clock=rng.choice(CLOCKS), seq=number, policy="default", calendar="always",
        state=state, target_s=(due - started) / 1000, elapsed_s=1.5, started_at=times.text(started),
        due_at=None if state == "paused" else times.text(due),
        stopped_at=None if stopped is None else times.text(stopped),
        breached_at=times.text(due) if state == "breached" else None, **_dimensions(rng), ref=None, warned_at=None,
        warned=None, held={} if stopped is None else {"queue": rng.randrange(90), "agent:a1": rng.randrange(90)},
        version=0, withdrawn=int(number % 40 == 7), told_at=times.text(NOW), cause=None,
    )  # fmt: skip


def _case(rng: random.Random, number: int) -> CaseRecord:
    opened = NOW - rng.randrange(1, 9_000_000)
    instants = sorted(rng.randrange(opened, NOW + 300_000) for _ in range(rng.choice((0, 1, 2, 3))))
    later = [times.text(rng.randrange(opened, NOW + 200_000)) if rng.random() < 0.4 else None for _ in range(3)]
    return CaseRecord(
        case_id=f"c-{number}", customer_id=None, **_dimensions(rng), opened_at=times.text(opened), queued_at=later[0],
        connected_at=later[1], answered_at=later[2], resolved_at=None, complained_at=None, complaint_category=None,
        reopened=0, opens=[times.text(opened), *(times.text(at) for at in instants[1::2])],
        ends=[times.text(at) for at in instants[0::2]], opened_as=[None] * 7, resolved_as=[None] * 7,
        repeat_window_s=604_800.0, partition=number % 2, version=0, withdrawn=int(number % 50 == 9),
        told_at=times.text(NOW),
    )  # fmt: skip


def _told(rng: random.Random, rows: list[_Versioned], *changed: str) -> list[list[_Versioned]]:
    """Every row with its final version in one of two blocks; in the other, of some, an older one that said else."""
    blocks: list[list[_Versioned]] = [[], []]
    for version, row in enumerate(rows, start=10):
        final = msgspec.structs.replace(row, version=version)
        one, other = rng.sample(blocks, 2)
        one.append(final)
        if rng.random() < 0.3:
            said = {name: getattr(rng.choice(rows), name) for name in changed}
            other.append(msgspec.structs.replace(final, version=version - 5, **said))
    return blocks
