"""The engine's state as packed rows, and back: what a checkpoint writes and a recovery reads.

Rows are opaque bytes under short keys of one source partition. A bucket of cases or a block of slices is written only
when it changed, into a slot that the last manifest does not name; the manifest, written last, names the slots that are
true together with the position they belong to. So a crash at any moment leaves the last manifest whole.

Slots 0 and 1 are used in even epochs, 2 and 3 in odd ones, and a manifest's key carries its epoch: a worker that lost
its partition without noticing can write one more checkpoint without touching a row that its successor relies on.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
from lz4.frame import compress, decompress

from schemas.errors import WorkFailed
from schemas.policy import PolicyFile, parse_policy
from streams.engine.case import Case
from streams.engine.engine import BUCKET_CASES, Chilled, Engine, pack_object
from streams.engine.facts import Dims, DimValues
from streams.engine.policies import ClockSpec, PolicyBook
from streams.engine.slices import Counts

FORM = 2
"""Of the rows; what another version of the product wrote is refused."""
MANIFEST_KEYS = 4
SPARSE = BUCKET_CASES // 4
"""A bucket with fewer cases is poured into the newest one when it would have to be written anyway."""

Row = tuple[str, bytes | None]
"""A key and its new value; None deletes."""

_pack = msgspec.msgpack.Encoder(enc_hook=pack_object).encode
_unpack_slices = msgspec.msgpack.Decoder(list[tuple[int, DimValues, Counts]]).decode


class Manifest(msgspec.Struct, array_like=True):
    """What is true of a partition's rows. `position` is the last applied offset, -1 before the first.

    `counter` continues versions, `generation` is that of slices, `blocks` holds slot, last touch and generation.
    Nothing is told at a stream time beyond `horizon` before a later manifest. `policies` holds the policy files so far:
    from which stream time on, and the digest that names its row. `form` is that of all these rows.
    """

    epoch: int = 0
    position: int = -1
    counter: int = 0
    generation: int = 0
    now: int = 0
    buckets: dict[int, int] = {}
    blocks: dict[int, tuple[int, int, int]] = {}
    horizon: int = 0
    policies: list[tuple[int, str]] = []
    form: int = 1


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """A row of cases. Where all are finished, a recovery reads only their ids and leaves them packed."""

    ids: list[str]
    touched: int
    finished: bool
    cases: bytes


_unpack_bucket = msgspec.msgpack.Decoder(Bucket).decode
_unpack_manifest = msgspec.msgpack.Decoder(Manifest).decode


def _load(engine: Engine, book: PolicyBook, manifest: Manifest, read: Callable[[str], bytes | None]) -> None:
    """Fills a new engine from the rows that a manifest names."""
    dims_of, specs = engine.table.of, book.specs

    def unpack_object(type_: type, value: Any) -> Dims | ClockSpec:
        return specs[value] if type_ is ClockSpec else dims_of(tuple(value))

    unpack = msgspec.msgpack.Decoder(list[Case], dec_hook=unpack_object).decode

    def bucket_row(bucket: int, slot: int) -> Bucket:
        return _unpack_bucket(_row(read, f"b{bucket}.{slot}"))

    engine.thaw = lambda bucket, slot: unpack(decompress(bucket_row(bucket, slot).cases))
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


def _pack_bucket(cases: list[Case]) -> bytes:
    return _pack(
        Bucket(
            [case.id for case in cases],
            max(case.touched for case in cases),
            all(case.finished for case in cases),
            compress(_pack(cases)),
        )
    )


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


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
            [(since, _digest(text)) for since, text in zip((0, *engine.book.since), engine.book.texts, strict=True)],
            FORM,
        )
        self._gone: list[str] = []
        self._chill_idle_since = chill_idle_since

    def policies(self) -> Iterator[Row]:
        """The policy files that the last manifest does not name."""
        for (_, digest), text in zip(self.manifest.policies, self._engine.book.texts, strict=True):
            if digest not in {known for _, known in self._last.policies}:
                yield f"p{digest}", text.encode()

    def rows(self) -> Iterator[Row]:
        """Policies, and the changed buckets and blocks, each in a slot that the last manifest does not name."""
        engine, manifest = self._engine, self.manifest
        yield from self.policies()
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


def new_engine(policy: PolicyFile, read: Callable[[str], bytes | None]) -> tuple[Engine, Manifest]:
    """An engine with the state that the rows hold, and their manifest (a blank one where there is none).

    `policy` is for a partition without state; any other goes on under the files it knows. Raises `WorkFailed` where
    the rows cannot be used.
    """
    found = [_unpack_manifest(row) for n in range(MANIFEST_KEYS) if (row := read(f"m{n}")) is not None]
    if not found:
        return Engine(PolicyBook(policy)), Manifest()
    manifest = max(found, key=lambda m: (m.epoch, m.counter, m.position))
    if manifest.form != FORM:
        raise WorkFailed(f"the checkpoints have form {manifest.form}, this version reads {FORM}: start with new topics")
    book: PolicyBook | None = None
    for since, digest in manifest.policies:
        text = _row(read, f"p{digest}").decode()
        file = policy if text == policy.text else parse_policy(text, "stored policy")
        if book is None:
            book = PolicyBook(file)
        else:
            book.add(file, since)
    assert book is not None
    engine = Engine(book)
    _load(engine, book, manifest, read)
    return engine, manifest
