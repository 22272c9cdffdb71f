"""One partition of the second stage: what cases tell of their customers in, slices out.

It needs no policy and sets no timers: its answers depend on the records alone.
"""

from collections.abc import Callable

import msgspec

from schemas.errors import PartitionHalted
from schemas.policy import PolicyFile
from schemas.rollup import CUSTOMER_STAGE, CaseRecord, Watermark
from schemas.times import parse, text
from schemas.topics import Topic
from streams.engine.checkpoint import Checkpoint
from streams.engine.snapshot import checkpoint_customers, new_customers
from streams.stage import Retention, Send, Stage, encode
from streams.transport import Chunk

_decode_lines = msgspec.json.Decoder(CaseRecord).decode_lines


class CustomerPartition(Stage):
    """The customers of one partition and all that must be durable about them."""

    def __init__(
        self, number: int, partitions: int, retention: Retention, read: Callable[[str], bytes | None], now: int
    ) -> None:
        self.customers, manifest = new_customers(read, guarded=True)
        super().__init__(number, partitions, manifest, self.customers.slices, retention, now)
        self.told_as = CUSTOMER_STAGE + number
        self._now = 0

    def feed(self, chunk: Chunk, wall: int) -> list[Send]:
        """Applies a chunk's records beyond the position. Halts at one that no worker of this version can have told."""
        self._arrival = wall
        for record in chunk.records:
            if record.offset <= self.position:
                continue
            try:
                told = _decode_lines(record.value or b"")
            except msgspec.MsgspecError as error:
                self.halted = PartitionHalted(
                    f"{Topic.CUSTOMERS} partition {self.number} halted at offset {record.offset}: {error}; "
                    f"do all workers have the same version?"
                )
                break
            for case in told:
                if self.customers.tell(case, wall):
                    self.counts.events += 1
                else:
                    self.counts.duplicates += 1
                self._latest = max(self._latest, parse(case.told_at))
            self.position = record.offset
        return []

    def advance(self, wall: int, lateness: int, end: int) -> None:
        """Stream time of this stage: how far what it was told reaches."""
        self._now = max(self._now, self._reached(wall, lateness, end))

    def change_policy(self, policy: PolicyFile) -> bool:
        """Each record brings the limits that hold for it."""
        return False

    def outcomes(self) -> list[Send]:
        """Nothing but slices."""
        return []

    def policies(self) -> list[Send]:
        """None."""
        return []

    def watermark(self) -> Send:
        """How far this partition is."""
        at = text(self._now)
        mark = Watermark(
            self.told_as, at, self.position, 0, self._version(), self.folded, self.resumed_from, text(self._arrival), at
        )
        return Send(Topic.WATERMARKS, self.number, b"%d" % self.told_as, encode(mark))

    def checkpoint(self, wall: int, end: int) -> Checkpoint:
        """Forgets customers of whom nothing can come that their cases have not outlived, and begins a checkpoint."""
        self.customers.forget(wall - self._retention.cases - self.customers.longest_window)
        self._forget_slices(wall, end)
        return checkpoint_customers(self.customers, self.manifest, self.position, self._counter, self._told())

    @property
    def unsaved(self) -> bool:
        """Something happened since the last checkpoint."""
        return super().unsaved or bool(self.customers.dirty)
