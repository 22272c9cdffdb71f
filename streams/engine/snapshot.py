"""The engine's state as packed rows, and back: what a checkpoint writes and a recovery reads.

Rows are opaque bytes under short keys of one source partition. A bucket of cases or a block of slices is written only
when it changed, into a slot that the last manifest does not name; the manifest, written last, names the slots that are
true together with the position they belong to. So a crash at any moment leaves the last manifest whole.

Slots 0 and 1 are used in even epochs, 2 and 3 in odd ones, and a manifest's key carries its epoch: a worker that lost
its partition without noticing can write one more checkpoint without touching a row that its successor relies on.
"""

from collections.abc import Callable, Iterator

import msgspec
from lz4.frame import compress, decompress

from streams.engine.case import Case
from streams.engine.engine import BUCKET_CASES, Chilled, Engine, pack_dims
from streams.engine.facts import Dims, DimValues
from streams.engine.policies import PolicyBook
from streams.engine.slices import Counts

MANIFEST_KEYS = 4
SPARSE = BUCKET_CASES // 4
"""A bucket with fewer cases is poured into the newest one when it would have to be written anyway."""

Row = tuple[str, bytes | None]
"""A key and its new value; None deletes."""

_pack = msgspec.msgpack.Encoder(enc_hook=pack_dims).encode
_unpack_slices = msgspec.msgpack.Decoder(list[tuple[int, DimValues, Counts]]).decode


class Manifest(msgspec.Struct, array_like=True):
    """What is true of a partition's rows. `position` is the last applied offset, -1 before the first.

    `counter` continues versions, `generation` is that of slices, `blocks` holds slot, last touch and generation.
    Nothing is told at a stream time beyond `horizon` before a later manifest.
    """

    epoch: int = 0
    position: int = -1
    counter: int = 0
    generation: int = 0
    now: int = 0
    buckets: dict[int, int] = {}
    blocks: dict[int, tuple[int, int, int]] = {}
    horizon: int = 0


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """A row of cases. Where all are finished, a recovery reads only their ids and leaves them packed."""

    ids: list[str]
    touched: int
    finished: bool
    cases: bytes


_unpack_bucket = msgspec.msgpack.Decoder(Bucket).decode
_unpack_manifest = msgspec.msgpack.Decoder(Manifest).decode


def load(engine: Engine, read: Callable[[str], bytes | None]) -> Manifest:
    """Fills a new engine from rows; returns the newest manifest (a blank one where there is none)."""
    dims_of = engine.table.of

    def unpack_dims(type_: type, values: object) -> Dims:
        assert type_ is Dims
        return dims_of(tuple(values))  # type: ignore[arg-type]

    unpack = msgspec.msgpack.Decoder(list[Case], dec_hook=unpack_dims).decode

    def bucket_row(bucket: int, slot: int) -> Bucket:
        return _unpack_bucket(_row(read, f"b{bucket}.{slot}"))

    engine.thaw = lambda bucket, slot: unpack(decompress(bucket_row(bucket, slot).cases))
    found = [_unpack_manifest(row) for n in range(MANIFEST_KEYS) if (row := read(f"m{n}")) is not None]
    if not found:
        return Manifest()
    manifest = max(found, key=lambda m: (m.epoch, m.counter, m.position))
    for bucket, slot in sorted(manifest.buckets.items()):
        packed = bucket_row(bucket, slot)
        if packed.finished:
            engine.chill_bucket(bucket, Chilled(slot, packed.touched, packed.ids))
        else:
            engine.load(bucket, unpack(decompress(packed.cases)))
    engine.slices.generation = manifest.generation
    for block, (slot, touched, generation) in manifest.blocks.items():
        engine.slices.touched[block], engine.slices.born[block] = touched, generation
        engine.slices.load(_unpack_slices(decompress(_row(read, f"s{block}.{slot}"))), engine.table)
    engine.now = manifest.now
    engine.restored()
    return manifest


def _pack_bucket(cases: list[Case]) -> bytes:
    return _pack(
        Bucket(
            [case.id for case in cases],
            max(case.touched for case in cases),
            all(case.finished for case in cases),
            compress(_pack(cases)),
        )
    )


def _row(read: Callable[[str], bytes | None], key: str) -> bytes:
    row = read(key)
    if row is None:
        raise LookupError(f"checkpoint row {key} is named by the manifest but not there")
    return row


class Checkpoint:
    """One checkpoint: `rows` first, then (durably) `manifest_row`, then `garbage`."""

    def __init__(
        self,
        engine: Engine,
        last: Manifest,
        position: int,
        counter: int,
        horizon: int = 0,
        chill_idle_since: int | None = None,
    ) -> None:
        self._engine = engine
        self._last = last
        self.manifest = Manifest(
            last.epoch,
            position,
            counter,
            engine.slices.generation,
            engine.now,
            dict(last.buckets),
            dict(last.blocks),
            max(last.horizon, horizon),
        )
        self._gone: list[str] = []
        self._chill_idle_since = chill_idle_since

    def rows(self) -> Iterator[Row]:
        """The changed buckets and blocks, each in a slot that the last manifest does not name."""
        engine, manifest = self._engine, self.manifest
        if self._chill_idle_since is not None:
            engine.chill(self._chill_idle_since, self._last.buckets)
        engine.merge_sparse(SPARSE)
        for bucket in sorted(engine.dirty):
            cases = engine.buckets.get(bucket)
            if cases:
                manifest.buckets[bucket] = slot = self._slot(manifest.buckets.get(bucket))
                yield f"b{bucket}.{slot}", _pack_bucket(cases)
            elif manifest.buckets.pop(bucket, None) is not None:
                self._gone.append(f"b{bucket}")
        engine.dirty.clear()
        for block in sorted(engine.slices.blocks):
            before = manifest.blocks.get(block)
            slot = self._slot(before[0] if before else None)
            manifest.blocks[block] = slot, engine.slices.touched[block], engine.slices.born[block]
            yield f"s{block}.{slot}", compress(_pack(engine.slices.dump(block)))
        engine.slices.blocks.clear()
        for block in manifest.blocks.keys() - engine.slices.touched.keys():
            del manifest.blocks[block]
            self._gone.append(f"s{block}")

    def manifest_row(self) -> Row:
        """The row that makes this checkpoint the true one."""
        return f"m{self.manifest.epoch % MANIFEST_KEYS}", _pack(self.manifest)

    def garbage(self) -> Iterator[Row]:
        """Rows that no manifest names any more."""
        for name in self._gone:
            for slot in range(4):
                yield f"{name}.{slot}", None

    def _slot(self, last: int | None) -> int:
        first = self._last.epoch % 2 * 2
        return first + 1 if last == first else first


def new_engine(book: PolicyBook, read: Callable[[str], bytes | None]) -> tuple[Engine, Manifest]:
    """An engine with the state that the rows hold, and their manifest."""
    engine = Engine(book)
    return engine, load(engine, read)
