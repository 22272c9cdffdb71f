"""One source partition: chunks in, records to send out, checkpoints. No Kafka client, no clock of its own.

The agent in `agent.py` feeds it, sends what it gives and writes its checkpoint rows.
"""

from collections.abc import Callable

from schemas.errors import EventRejected, PartitionHalted
from schemas.event import Event, decode_data, decode_envelope
from schemas.outcome import PolicyInForce
from schemas.policy import PolicyFile
from schemas.rollup import Watermark
from schemas.routing import partition_of
from schemas.times import text, to_ms
from schemas.topics import Topic
from streams.engine.checkpoint import Checkpoint
from streams.engine.slices import MINUTE_MS
from streams.engine.snapshot import checkpoint_engine, new_engine
from streams.stage import BAD_WINDOW, Retention, Send, Stage, encode, packed
from streams.transport import Chunk, Record

FUTURE_FLAG_MS = 300_000
FUTURE_DEAD_MS = 3_600_000
"""An event dated ahead waits until the wall clock has come to it; further ahead than the first it is counted, than the
second dead-lettered. None moves stream time."""

BAD_LEAST = 1_000
BAD_SHARE = 0.10
"""A partition halts when, of the last window of events, at least this many and this share were undecodable: that smells
of a bad deployment, and draining it into the dead-letter topic would only hide it."""

LATE_MS = 2_000
"""An event is late when Kafka had it longer than this after its minute had ended: by then that minute had been told as
whole (metric freshness, `late_share`)."""

SETTLE_MS = 5_000
"""Time of agents is booked this often: each time costs a slice for every agent at work."""

AHEAD_MS = 60_000
"""How far stream time may run on before the next checkpoint; many times the time between two."""

CHILL_AFTER_MS = 900_000
CHILL_EVERY_MS = 30_000
"""A finished case is packed away this long after its last event (surveys and audits have mostly come by then). The walk
over the cases in memory that finds them is made this often."""


class SourcePartition(Stage):
    """The engine of one source partition and all that must be durable about it (first stage)."""

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
        self.engine, manifest = new_engine(policy, read, guarded=True)
        super().__init__(number, partitions, manifest, self.engine.slices, retention, now)
        self._bad = 0
        self._chilled_at = now
        self._settled_at = now
        self._drain = drain_undecodable
        self.engine.arrival = now
        self._wanted = self._resume_at = min(self.manifest.horizon, now - lateness)
        if self.manifest.epoch == 1:
            self.manifest.horizon = now + AHEAD_MS

    # In

    def feed(self, chunk: Chunk, wall: int) -> list[Send]:
        """Applies a chunk's records beyond the position. `wall` is the wall clock in ms.

        Where too much is undecodable it sets `halted` and stops after that record: what it gave so far must be sent
        and checkpointed, then the partition left alone.
        """
        sends: list[Send] = []
        self.engine.arrival = self._arrival = wall
        self._resume()
        self._apply_waiting(wall)
        for record in chunk.records:
            if record.offset <= self.position:
                continue
            if record.value:
                self._feed_record(record, record.value, wall, sends)
            self.position = record.offset
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
            self.engine.settle()
            self._resume_at = 0

    def _feed_record(self, record: Record, value: bytes, wall: int, sends: list[Send]) -> None:
        offset, appended = record.offset, record.appended
        if b"\n" not in value:
            self._feed_event(value, f"{offset}", wall, appended, sends)
            return
        lines = value.split(b"\n")
        if _is_one_event(lines[0], value):
            self._feed_event(value, f"{offset}", wall, appended, sends)
            return
        for number, line in enumerate(lines):
            if line.strip():
                self._feed_event(line, f"{offset}-{number}", wall, appended, sends)

    def _feed_event(self, line: bytes, place: str, wall: int, appended: int, sends: list[Send]) -> None:
        counts = self.counts
        try:
            event = decode_envelope(line)
            t = to_ms(event.occurred_at)
            if t > wall + FUTURE_FLAG_MS:
                if t > wall + FUTURE_DEAD_MS:
                    raise EventRejected("more than an hour in the future", "occurred_at", event.event_id)
                counts.future += 1
            elif t <= wall:
                # What was dated ahead when it came is that no more when it is read late: what came with it is older.
                self._latest = max(self._latest, min(t, appended) if appended > 0 else t)
            elsewhere = self._elsewhere(event)
            if elsewhere is not None:
                counts.forwarded += 1
                sends.append(Send(Topic.EVENTS, elsewhere, event.key.encode(), line))
            elif t > wall:
                decode_data(event)  # what is wrong with it is said now
                self.engine.ahead.add(t, line, appended)
            else:
                self._apply(event, t, appended)
            self._note(False)
        except EventRejected as error:
            self._note(True)
            counts.dead += 1
            origin = f"{Topic.EVENTS}-{self.number}-{place}".encode()
            headers = {"reason": error.reason.encode(), "field": error.field.encode(), "origin": origin}
            sends.append(Send(Topic.DEAD, self.number, origin, line, headers))

    def _apply(self, event: Event, t: int, appended: int) -> None:
        if self.engine.apply(event):
            self.counts.events += 1
            self.engine.arrived(event, t, is_late(t, appended))
        else:
            self.counts.duplicates += 1

    def _apply_waiting(self, wall: int) -> None:
        """Applies what was dated ahead and is so no more. What came with it may be unread, so it moves no time."""
        for t, line, appended in self.engine.ahead.due(wall):
            self._apply(decode_envelope(line), t, appended)

    def _elsewhere(self, event: Event) -> int | None:
        """The partition an event belongs to, where that is not this one. Hashing in Python costs as much as applying
        an event, so it is done only when a case is first seen."""
        if self.engine.is_home_of(event):
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
        """Moves stream time and judges up to it. What was answered in time is not breached while catching up."""
        self._wanted = max(self._wanted, self._reached(wall, lateness, end))
        self.engine.advance(min(self._wanted, self.manifest.horizon))
        if wall - self._settled_at >= SETTLE_MS:
            self._settled_at = wall
            self.engine.settle()

    # Out

    def outcomes(self) -> list[Send]:
        """Clock records, and what cases tell of themselves, changed since last asked."""
        engine, key = self.engine, b"%d" % self.number
        if not engine.changed and not engine.withdrawn:
            return []
        told = engine.take_outcomes(self._version())
        sends = [Send(Topic.OUTCOMES, self.number, key, record) for record in packed([encode(one) for one in told])]
        version = self._version()
        self._version()
        cases: dict[int, list[bytes]] = {}
        for records in engine.take_cases(self.number, version):
            for record in records:
                target = partition_of(record.customer_id or record.case_id, self._partitions)
                cases.setdefault(target, []).append(encode(record))
        return sends + [
            Send(Topic.CUSTOMERS, target, key, record) for target, lines in cases.items() for record in packed(lines)
        ]

    def watermark(self) -> Send:
        """How far this partition is."""
        engine = self.engine
        mark = Watermark(
            self.number,
            text(max(0, engine.now)),
            self.position,
            engine.open_cases,
            self._version(),
            self.folded,
            self.resumed_from,
            text(self._arrival),
            text(max(0, engine.agents.settled)),
        )
        return Send(Topic.WATERMARKS, self.number, b"%d" % self.number, encode(mark))

    def policies(self) -> list[Send]:
        """The policy files that this partition judges by, since when."""
        book = self.engine.book
        key = b"%d" % self.number
        return [
            Send(Topic.POLICIES, self.number, key, encode(PolicyInForce(self.number, text(t), file, self._version())))
            for t, file in zip((0, *book.since), book.texts, strict=True)
        ]

    def checkpoint(self, wall: int, end: int) -> Checkpoint:
        """Forgets what is old and begins a checkpoint. Everything told so far must be durable before its manifest."""
        engine = self.engine
        engine.forget(wall - self._retention.cases)
        engine.agents.forget(wall - self._retention.cases, self._retention.cases)
        self._forget_slices(wall, end)
        engine.sweep()
        idle_since = None
        if wall - self._chilled_at >= CHILL_EVERY_MS:
            self._chilled_at = wall
            idle_since = wall - CHILL_AFTER_MS
        return checkpoint_engine(
            engine, self.manifest, self.position, self._counter, self._wanted + AHEAD_MS, idle_since, self._told()
        )

    @property
    def unsaved(self) -> bool:
        """Something happened since the last checkpoint, or time will soon need one to go on."""
        if super().unsaved or self.engine.dirty or self.engine.agents.dirty or self.engine.ahead.dirty:
            return True
        return self._wanted > self.manifest.horizon - AHEAD_MS // 2


def is_late(t: int, appended: int) -> bool:
    """Whether an event of instant t came after its minute had been told as whole."""
    return appended > (t // MINUTE_MS + 1) * MINUTE_MS + LATE_MS


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
