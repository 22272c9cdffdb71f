"""One source partition: chunks in, records to send out, checkpoints. No Kafka client, no clock of its own.

The agent in `app.py` feeds it, sends what it gives and writes its checkpoint rows.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from schemas.errors import EventRejected, PartitionHalted
from schemas.event import Event, decode_envelope
from schemas.outcome import PolicyInForce
from schemas.policy import PolicyFile
from schemas.rollup import VersionedClockSlice, VersionedContactSlice, Watermark
from schemas.routing import partition_of
from schemas.times import text, to_ms
from schemas.topics import Topic
from streams.engine.engine import home_of
from streams.engine.slices import BLOCK_MINUTES, Cell, clock_slices, contact_slice
from streams.engine.snapshot import Checkpoint, new_engine
from streams.transport import Chunk

FUTURE_FLAG_MS = 300_000
FUTURE_DEAD_MS = 3_600_000
"""An event dated further ahead than the first is counted, than the second dead-lettered; neither moves stream time."""

BAD_WINDOW = 10_000
BAD_LEAST = 1_000
BAD_SHARE = 0.10
"""A partition halts when, of the last window of events, at least this many and this share were undecodable: that smells
of a bad deployment, and draining it into the dead-letter topic would only hide it."""

RECORD_BYTES = 900_000
"""Packed records stay below the usual broker limit of 1 MB."""

GENERATION_REST_MS = 600_000
"""Slices are not forgotten sooner after a recovery: what an earlier owner said must have been said again first."""

AHEAD_MS = 60_000
"""How far stream time may run on before the next checkpoint; many times the time between two."""

CHILL_AFTER_MS = 900_000
CHILL_EVERY_MS = 30_000
"""A finished case is packed away this long after its last event (surveys and audits have mostly come by then). The walk
over the cases in memory that finds them is made this often."""

_encode = msgspec.json.Encoder().encode


class Send(NamedTuple):
    """A record to produce."""

    topic: Topic
    partition: int
    key: bytes
    value: bytes
    headers: dict[str, bytes] = {}  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the engine remembers, in ms since the last touch."""

    cases: int
    slices: int = 3_600_000


@dataclass(slots=True)
class Counts:
    """What a partition has seen since it was loaded, for /metrics."""

    events: int = 0
    duplicates: int = 0
    dead: int = 0
    forwarded: int = 0
    future: int = 0
    gaps: int = 0
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=BAD_WINDOW))


class SourcePartition:
    """The engine of one source partition and all that must be durable about it.

    `read` gives a checkpoint row by key. Loading raises the epoch: `checkpoint` must be written once before anything is
    sent, so that versions rise across owners.
    """

    def __init__(
        self,
        number: int,
        partitions: int,
        policy: PolicyFile,
        retention: Retention,
        read: Callable[[str], bytes | None],
        now: int,
        lateness: int = 0,
        drain_undecodable: bool = False,
    ) -> None:
        self.number = number
        self.engine, self.manifest = new_engine(policy, read)
        self.manifest.epoch += 1
        self.position = self.manifest.position
        self.counts = Counts()
        self.halted: PartitionHalted | None = None
        self._partitions = partitions
        self._retention = retention
        self._counter = self.manifest.counter
        self._loaded_at = now
        self._latest = -1
        self._bad = 0
        self._chilled_at = now
        self._drain = drain_undecodable
        self.engine.arrival = now
        self._wanted = self._resume_at = min(self.manifest.horizon, now - lateness)
        if self.manifest.epoch == 1:
            self.manifest.horizon = now + AHEAD_MS

    # In

    def accepts(self, chunk: Chunk) -> bool:
        """False where records before this chunk or tick are missing: it must be refused and read again."""
        first = chunk.records[0].offset if chunk.records else chunk.next
        if first <= self.position + 1:
            return True
        return chunk.rewound_to == self.position + 1

    def feed(self, chunk: Chunk, wall: int) -> list[Send]:
        """Applies a chunk's records beyond the position. `wall` is the wall clock in ms.

        Where too much is undecodable it sets `halted` and stops after that record: what it gave so far must be sent
        and checkpointed, then the partition left alone.
        """
        sends: list[Send] = []
        self.engine.arrival = wall
        self._resume()
        for offset, value in chunk.records:
            if offset <= self.position:
                continue
            if value:
                self._feed_record(offset, value, wall, sends)
            self.position = offset
            if self.halted is not None:
                break
        return sends

    def _resume(self) -> None:
        """Takes a loaded engine to where its earlier owner can have been, before anything else happens to it.

        What that owner judged after its last checkpoint must be judged again, under the policy of then, or what it told
        and late events have changed since would stand uncorrected.
        """
        if self._resume_at:
            self.engine.advance(self._resume_at)
            self._resume_at = 0

    def _feed_record(self, offset: int, value: bytes, wall: int, sends: list[Send]) -> None:
        if b"\n" not in value:
            self._feed_event(value, f"{offset}", wall, sends)
            return
        lines = value.split(b"\n")
        if _is_one_event(lines[0], value):
            self._feed_event(value, f"{offset}", wall, sends)
            return
        for number, line in enumerate(lines):
            if line.strip():
                self._feed_event(line, f"{offset}-{number}", wall, sends)

    def _feed_event(self, line: bytes, place: str, wall: int, sends: list[Send]) -> None:
        counts = self.counts
        try:
            event = decode_envelope(line)
            t = to_ms(event.occurred_at)
            if t > wall + FUTURE_FLAG_MS:
                if t > wall + FUTURE_DEAD_MS:
                    raise EventRejected("more than an hour in the future", "occurred_at", event.event_id)
                counts.future += 1
            elif self._latest < t <= wall:
                self._latest = t
            elsewhere = self._elsewhere(event)
            if elsewhere is not None:
                counts.forwarded += 1
                sends.append(Send(Topic.EVENTS, elsewhere, event.key.encode(), line))
            elif self.engine.apply(event):
                counts.events += 1
            else:
                counts.duplicates += 1
            self._note(False)
        except EventRejected as error:
            self._note(True)
            counts.dead += 1
            origin = f"{Topic.EVENTS}-{self.number}-{place}".encode()
            headers = {"reason": error.reason.encode(), "field": error.field.encode(), "origin": origin}
            sends.append(Send(Topic.DEAD, self.number, origin, line, headers))

    def _elsewhere(self, event: Event) -> int | None:
        """The partition an event belongs to, where that is not this one. Hashing in Python costs as much as applying
        an event, so it is done only when a case is first seen."""
        if self.engine.knows(event.case_id or home_of(event)):
            return None
        home = partition_of(event.key, self._partitions)
        return None if home == self.number else home

    def _note(self, bad: bool) -> None:
        recent = self.counts.recent
        if len(recent) == BAD_WINDOW:
            self._bad -= recent[0]
        recent.append(bad)
        self._bad += bad
        if bad and not self._drain and self._bad >= BAD_LEAST and self._bad > BAD_SHARE * len(recent):
            self.halted = PartitionHalted(
                f"{Topic.EVENTS} partition {self.number} halted near offset {self.position + 1}: {self._bad} of the "
                f"last {len(recent)} events were undecodable; see {Topic.DEAD}, mend the producer, restart the worker "
                f"(with CONTACTPULSE_DRAIN_UNDECODABLE=true to get past what is already there)"
            )

    # Time

    def change_policy(self, policy: PolicyFile) -> bool:
        """Puts another policy file in force; False where this one is already."""
        if policy.text == self.engine.book.texts[-1]:
            return False
        self._resume()
        self.engine.change_policy(policy)
        return True

    def advance(self, wall: int, lateness: int, end: int) -> None:
        """Moves stream time: with the wall clock when all there is has been read, else with the events read so far, so
        that catching up after a pause breaches nothing that was answered in time."""
        caught_up = self.position + 1 >= end
        self._wanted = max(self._wanted, wall - lateness if caught_up else min(self._latest, wall - lateness))
        self.engine.advance(min(self._wanted, self.manifest.horizon))

    # Out

    def outcomes(self) -> list[Send]:
        """Clock records changed since last asked."""
        if not self.engine.changed and not self.engine.withdrawn:
            return []
        told = self.engine.take_outcomes(self._version())
        key = b"%d" % self.number
        return [
            Send(Topic.OUTCOMES, self.number, key, record) for record in _packed([_encode(outcome) for outcome in told])
        ]

    def slices(self) -> list[Send]:
        """Slices changed since last asked; every series goes to one partition, whatever its source."""
        cells = self.engine.slices.take(self.engine.arrival)
        if not cells:
            return []
        version = self._version()
        born = self.engine.slices.born
        clocks: dict[int, list[bytes]] = {}
        contacts: dict[int, list[bytes]] = {}
        for cell in cells:
            target = self._series_partition(cell)
            tail: tuple[int, ...] = self.number, born[cell.minute // BLOCK_MINUTES], version
            for row in clock_slices(cell):
                clocks.setdefault(target, []).append(_encode(VersionedClockSlice(*msgspec.structs.astuple(row), *tail)))
            contacts.setdefault(target, []).append(
                _encode(VersionedContactSlice(*msgspec.structs.astuple(contact_slice(cell)), *tail))
            )
        return [
            Send(Topic.ROLLUPS, target, kind, record)
            for kind, by_target in ((b"clock", clocks), (b"contact", contacts))
            for target, lines in by_target.items()
            for record in _packed(lines)
        ]

    def watermark(self) -> Send:
        """How far this partition is."""
        engine = self.engine
        mark = Watermark(self.number, text(max(0, engine.now)), self.position, engine.open_cases, self._version())
        return Send(Topic.WATERMARKS, self.number, b"%d" % self.number, _encode(mark))

    def policies(self) -> list[Send]:
        """The policy files that this partition judges by, since when."""
        book = self.engine.book
        key = b"%d" % self.number
        return [
            Send(Topic.POLICIES, self.number, key, _encode(PolicyInForce(self.number, text(t), file, self._version())))
            for t, file in zip((0, *book.since), book.texts, strict=True)
        ]

    def checkpoint(self, wall: int, end: int) -> Checkpoint:
        """Forgets what is old and begins a checkpoint. Everything told so far must be durable before its manifest."""
        engine = self.engine
        engine.forget(wall - self._retention.cases)
        # See `schemas.rollup`: a generation may end only when all that an earlier owner of this partition said in it
        # has been said again.
        settled = self.position + 1 >= end and wall - self._loaded_at > GENERATION_REST_MS
        if settled and not engine.slices.changed:
            engine.slices.forget(wall - self._retention.slices)
        engine.sweep()
        idle_since = None
        if wall - self._chilled_at >= CHILL_EVERY_MS:
            self._chilled_at = wall
            idle_since = wall - CHILL_AFTER_MS
        return Checkpoint(engine, self.manifest, self.position, self._counter, self._wanted + AHEAD_MS, idle_since)

    @property
    def unsaved(self) -> bool:
        """Something happened since the last checkpoint, or time will soon need one to go on."""
        if self.position > self.manifest.position or self.engine.dirty or self.engine.slices.blocks:
            return True
        return self._wanted > self.manifest.horizon - AHEAD_MS // 2

    def _version(self) -> int:
        self._counter += 1
        return self.manifest.epoch << 32 | self._counter & 0xFFFFFFFF

    def _series_partition(self, cell: Cell) -> int:
        return cell.dims.hash % self._partitions


def _is_one_event(first_line: bytes, value: bytes) -> bool:
    """A record with line breaks holds one event, written over several lines, or several events, one a line."""
    try:
        decode_envelope(first_line)
        return False
    except EventRejected:
        pass
    try:
        decode_envelope(value)
        return True
    except EventRejected:
        return False


def _packed(lines: Iterable[bytes]) -> list[bytes]:
    """Lines joined into records of bounded size."""
    records: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(line) > RECORD_BYTES:
            records.append(b"\n".join(batch))
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        records.append(b"\n".join(batch))
    return records
