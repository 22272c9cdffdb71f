"""What the partitions of both stages have in common: a position that never jumps, versions that rise, slices that are
told by series, checkpoints. The agent knows partitions as this."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from schemas.errors import PartitionHalted
from schemas.policy import PolicyFile
from schemas.rollup import VersionedClockSlice, VersionedContactSlice
from schemas.times import text
from schemas.topics import Topic
from streams.engine.checkpoint import Checkpoint, Manifest
from streams.engine.slices import BLOCK_MINUTES, Slices, clock_slices, contact_slice
from streams.transport import Chunk

BAD_WINDOW = 10_000

RECORD_BYTES = 900_000
"""Packed records stay below the usual broker limit of 1 MB."""

GENERATION_REST_MS = 600_000
"""Slices are not forgotten sooner after a recovery: what an earlier owner said must have been said again first."""

encode = msgspec.json.Encoder().encode


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


class Stage(ABC):
    """A partition of a stage. Loading raises the epoch: `checkpoint` must be written once before anything is sent, so
    that versions rise across owners. `told_as` is the partition number that its slices and watermarks carry.
    `resumed_from` is the version up to which what earlier owners told stands; what they told above it is told again."""

    def __init__(
        self, number: int, partitions: int, manifest: Manifest, slices: Slices, retention: Retention, now: int
    ) -> None:
        self.number = self.told_as = number
        self.manifest = manifest
        self.resumed_from = manifest.told or manifest.epoch << 32 | manifest.counter
        manifest.epoch += 1
        self.position = manifest.position
        self.counts = Counts()
        self.halted: PartitionHalted | None = None
        self._partitions = partitions
        self._slices = slices
        self._retention = retention
        self._counter = self._loaded_counter = manifest.counter
        self._loaded_at = now
        self._arrival = now
        self._latest = -1
        """The latest instant that anything read so far is of, in ms."""

    def accepts(self, chunk: Chunk) -> bool:
        """False where records before this chunk or tick are missing: it must be refused and read again."""
        first = chunk.records[0].offset if chunk.records else chunk.next
        if first <= self.position + 1:
            return True
        return chunk.rewound_to == self.position + 1

    @abstractmethod
    def feed(self, chunk: Chunk, wall: int) -> list[Send]:
        """Applies a chunk's records beyond the position. `wall` is the wall clock in ms."""

    @abstractmethod
    def advance(self, wall: int, lateness: int, end: int) -> None:
        """Moves stream time. `end` is the offset after the last record there is."""

    @abstractmethod
    def change_policy(self, policy: PolicyFile) -> bool:
        """Puts another policy file in force; False where this one is already."""

    @abstractmethod
    def outcomes(self) -> list[Send]:
        """Records changed since last asked, but for slices."""

    @abstractmethod
    def policies(self) -> list[Send]:
        """The policy files that this partition judges by, since when."""

    @abstractmethod
    def watermark(self) -> Send:
        """How far this partition is. All slices changed up to here must have been told before."""

    @abstractmethod
    def checkpoint(self, wall: int, end: int) -> Checkpoint:
        """Forgets what is old and begins a checkpoint. Everything told so far must be durable before its manifest."""

    @property
    def unsaved(self) -> bool:
        """Something happened since the last checkpoint."""
        return self.position > self.manifest.position or bool(self._slices.blocks)

    @property
    def folded(self) -> dict[str, int]:
        """What was booked under "other" since it was loaded, by dimension."""
        return dict(self._slices.guard.folded) if self._slices.guard else {}

    def slices(self) -> list[Send]:
        """Slices changed since last asked; every series goes to one partition, whatever its source."""
        cells = self._slices.take(self._arrival)
        if not cells:
            return []
        version, at = self._version(), text(self._arrival)
        born = self._slices.born
        clocks: dict[int, list[bytes]] = {}
        contacts: dict[int, list[bytes]] = {}
        for cell in cells:
            target = cell.dims.hash % self._partitions
            tail = self.told_as, born[cell.minute // BLOCK_MINUTES], version, at
            for row in clock_slices(cell):
                fields = (*msgspec.structs.astuple(row), *tail)
                clocks.setdefault(target, []).append(encode(VersionedClockSlice(*fields)))
            fields = (*msgspec.structs.astuple(contact_slice(cell)), *tail)
            contacts.setdefault(target, []).append(encode(VersionedContactSlice(*fields)))
        return [
            Send(Topic.ROLLUPS, target, kind, record)
            for kind, by_target in ((b"clock", clocks), (b"contact", contacts))
            for target, lines in by_target.items()
            for record in packed(lines)
        ]

    def _reached(self, wall: int, lateness: int, end: int) -> int:
        """Where stream time may be: the wall clock when all there is has been read, else no further than what was read,
        so that catching up after a pause leaps over nothing that is still to be read."""
        present = wall - lateness
        return present if self.position + 1 >= end else min(self._latest, present)

    def _forget_slices(self, wall: int, end: int) -> None:
        # See `schemas.rollup`: a generation may end only when all that an earlier owner of this partition said in it
        # has been said again.
        settled = self.position + 1 >= end and wall - self._loaded_at > GENERATION_REST_MS
        if settled and not self._slices.changed:
            self._slices.forget(wall - self._retention.slices)

    def _told(self) -> int:
        """The version up to which all that was ever told and stands is in a checkpoint made now."""
        if self._counter == self._loaded_counter:
            return self.resumed_from
        return self.manifest.epoch << 32 | self._counter & 0xFFFFFFFF

    def _version(self) -> int:
        self._counter += 1
        return self.manifest.epoch << 32 | self._counter & 0xFFFFFFFF


def packed(lines: Iterable[bytes]) -> list[bytes]:
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
