"""What a checkpoint writes: rows of a state that changed since the last one, and the manifest that makes them true.

Rows are opaque bytes under short keys of one partition. A row is written only when what it holds has changed, into a
slot that the last manifest does not name; the manifest, written last, names the slots that are true together with the
position they belong to. So a crash at any moment leaves the last manifest whole.

Each epoch has two slots and a manifest's key of its own, until after `EPOCHS` of them it is the first one's turn again:
a worker that lost its partition without noticing can write one more checkpoint without touching a row that any of its
next successors relies on.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
from lz4.frame import compress, decompress

from schemas.errors import WorkFailed
from streams.engine.engine import pack_object
from streams.engine.facts import DimsTable, DimValues
from streams.engine.slices import Counts, Slices

FORM = 3
"""Of the rows; what another version of the product wrote is refused."""
EPOCHS = 8
"""Every rebalance begins an epoch; a worker that was stopped for seconds can have missed several."""

Read = Callable[[str], bytes | None]
"""Gives a checkpoint row by key."""

Row = tuple[str, bytes | None]
"""A key and its new value; None deletes."""

pack = msgspec.msgpack.Encoder(enc_hook=pack_object).encode
_unpack_slices = msgspec.msgpack.Decoder(list[tuple[int, DimValues, Counts]]).decode
_unpack_days = msgspec.msgpack.Decoder(dict[str, list[str]]).decode


class Manifest(msgspec.Struct, array_like=True):
    """What is true of a partition's rows. `position` is the last applied offset, -1 before the first.

    `counter` continues versions, `generation` is that of slices, `slots` names the true row of each part of the state,
    `blocks` those of slices: slot, last touch and generation. Nothing is told at a stream time beyond `horizon` before
    a later manifest. `policies` holds the policy files so far: from which stream time on, and the digest that names its
    row. `settled` is up to where agents' time is booked. `form` is that of all these rows. `told` is the version up to
    which what was told belongs to this checkpoint: what was told above it is told again, in another epoch, by whoever
    loads it.
    """

    epoch: int = 0
    position: int = -1
    counter: int = 0
    generation: int = 0
    now: int = 0
    slots: dict[str, int] = {}
    blocks: dict[int, tuple[int, int, int]] = {}
    horizon: int = 0
    policies: list[tuple[int, str]] = []
    form: int = FORM
    settled: int = -1
    told: int = 0


_unpack_manifest = msgspec.msgpack.Decoder(Manifest).decode


class Checkpoint:
    """One checkpoint: `rows` first, then (durably) `manifest_row`, then (once the commit was taken) `garbage`.

    `parts` gives, once asked, the parts of the state that changed: name and packed content, None where nothing is left.
    """

    def __init__(
        self,
        last: Manifest,
        manifest: Manifest,
        slices: Slices,
        parts: Callable[[Manifest], Iterator[Row]],
        policies: Iterable[tuple[int, str]] = (),
    ) -> None:
        self._last = last
        self._slices = slices
        self._parts = parts
        self._policies = {digest_of(text): text for _, text in policies}
        self.manifest = manifest
        manifest.epoch, manifest.generation = last.epoch, slices.generation
        manifest.slots, manifest.blocks = dict(last.slots), dict(last.blocks)
        manifest.policies = [(since, digest_of(text)) for since, text in policies]
        self._gone: list[str] = []
        self._outdated: list[str] = []

    def policies(self) -> Iterator[Row]:
        """The policy files that the last manifest does not name."""
        known = {digest for _, digest in self._last.policies}
        for digest, text in self._policies.items():
            if digest not in known:
                yield f"p{digest}", text.encode()

    def rows(self) -> Iterator[Row]:
        """Policies, and what changed, each in a slot that the last manifest does not name."""
        manifest, slices = self.manifest, self._slices
        yield from self.policies()
        for name, content in (*self._parts(self._last), *_guarded(slices)):
            if content is not None:
                manifest.slots[name] = slot = self._slot(name, manifest.slots.get(name))
                yield f"{name}.{slot}", content
            elif manifest.slots.pop(name, None) is not None:
                self._gone.append(name)
        for block in sorted(slices.blocks):
            before = manifest.blocks.get(block)
            slot = self._slot(f"s{block}", before[0] if before else None)
            manifest.blocks[block] = slot, slices.touched[block], slices.born[block]
            yield f"s{block}.{slot}", compress(pack(slices.dump(block)))
        slices.blocks.clear()
        for block in manifest.blocks.keys() - slices.touched.keys():
            del manifest.blocks[block]
            self._gone.append(f"s{block}")

    def manifest_row(self) -> Row:
        """The row that makes this checkpoint the true one."""
        return f"m{self.manifest.epoch % EPOCHS}", pack(self.manifest)

    def garbage(self) -> Iterator[Row]:
        """Rows that no manifest names any more, but for that of a successor not known of here."""
        for name in self._gone:
            for slot in range(2 * EPOCHS):
                yield f"{name}.{slot}", None
        for key in self._outdated:
            yield key, None

    def _slot(self, name: str, last: int | None) -> int:
        first = self._last.epoch % EPOCHS * 2
        if last is not None and last // 2 != first // 2:
            # Of an earlier epoch, or a recovery would read what every epoch left of every part.
            self._outdated += [f"{name}.{last & ~1}", f"{name}.{last | 1}"]
        return first + 1 if last == first else first


def newest_manifest(read: Read) -> Manifest | None:
    """The manifest that is true. Raises `WorkFailed` where another version of the product wrote it."""
    found = [_manifest(row) for n in range(EPOCHS) if (row := read(f"m{n}")) is not None]
    return max(found, key=lambda m: (m.epoch, m.counter, m.position), default=None)


def _manifest(row: bytes) -> Manifest:
    packed: list[Any] = msgspec.msgpack.decode(row)
    form = packed[9] if len(packed) > 9 else 1
    if form != FORM:
        raise WorkFailed(f"the checkpoints have form {form}, this version reads {FORM}: start with new topics")
    return _unpack_manifest(row)


def row_of(read: Read, key: str) -> bytes:
    """A row that a manifest names. Raises `LookupError` where it is not there."""
    row = read(key)
    if row is None:
        raise LookupError(f"checkpoint row {key} is named by the manifest but not there")
    return row


def load_slices(slices: Slices, table: DimsTable, manifest: Manifest, read: Read) -> None:
    """Fills empty slices from the rows that a manifest names."""
    slices.generation = manifest.generation
    for block, (slot, touched, generation) in manifest.blocks.items():
        slices.touched[block], slices.born[block] = touched, generation
        slices.load(_unpack_slices(decompress(row_of(read, f"s{block}.{slot}"))), table)
    if slices.guard is not None:
        for name, slot in manifest.slots.items():
            if name[0] == "g":
                slices.guard.load(int(name[1:]), _unpack_days(row_of(read, f"{name}.{slot}")))


def digest_of(text: str) -> str:
    """What names a policy file's row."""
    return sha256(text.encode()).hexdigest()[:16]


def _guarded(slices: Slices) -> Iterator[Row]:
    guard = slices.guard
    if guard is not None:
        for day in sorted(guard.dirty):
            yield f"g{day}", pack(guard.dump(day)) if day in guard.days else None
        guard.dirty.clear()
