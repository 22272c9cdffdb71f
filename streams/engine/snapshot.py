"""The state of both stages as parts of a checkpoint, and back: buckets of cases, of agents, of customers."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from lz4.frame import compress, decompress

from schemas.policy import PolicyFile, parse_policy
from streams.engine.agents import PackedSpell
from streams.engine.ahead import Waiting
from streams.engine.case import Case
from streams.engine.checkpoint import (
    Checkpoint,
    Manifest,
    Read,
    Row,
    digest_of,
    load_slices,
    newest_manifest,
    pack,
    row_of,
)
from streams.engine.customers import Customer, Customers
from streams.engine.engine import BUCKET_CASES, Chilled, Engine
from streams.engine.facts import Dims
from streams.engine.policies import ClockSpec, PolicyBook

SPARSE = BUCKET_CASES // 4
"""A bucket with fewer cases is poured into the newest one when it would have to be written anyway."""


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """A row of cases. Where all are finished, a recovery reads only their ids and leaves them packed."""

    ids: list[str]
    touched: int
    finished: bool
    cases: bytes


_unpack_bucket = msgspec.msgpack.Decoder(Bucket).decode
_unpack_waiting = msgspec.msgpack.Decoder(list[Waiting]).decode
_unpack_agents = msgspec.msgpack.Decoder(list[tuple[str, int, int, list[PackedSpell]]]).decode


def checkpoint_engine(
    engine: Engine,
    last: Manifest,
    position: int,
    counter: int,
    horizon: int = 0,
    chill_idle_since: int | None = None,
    told: int = 0,
) -> Checkpoint:
    """A checkpoint of the first stage. `chill_idle_since`: finished cases idle since then are packed away. `told`: the
    version up to which all that was told is in it."""

    def parts(last: Manifest) -> Iterator[Row]:
        if chill_idle_since is not None:
            slots = {int(name[1:]): slot for name, slot in last.slots.items() if name[0] == "b"}
            engine.chill(chill_idle_since, slots)
        engine.merge_sparse(SPARSE)
        for bucket in sorted(engine.dirty):
            cases = engine.buckets.get(bucket)
            yield f"b{bucket}", _pack_bucket(cases) if cases else None
        engine.dirty.clear()
        for bucket in sorted(engine.agents.dirty):
            agents = engine.agents.dump(bucket)
            yield f"a{bucket}", compress(pack(agents)) if agents else None
        engine.agents.dirty.clear()
        for minute in sorted(engine.ahead.dirty):
            waiting = engine.ahead.minutes.get(minute)
            yield f"w{minute}", compress(pack(waiting)) if waiting else None
        engine.ahead.dirty.clear()

    manifest = Manifest(
        position=position,
        counter=counter,
        now=engine.now,
        horizon=max(last.horizon, horizon),
        settled=engine.agents.settled,
        told=told,
    )
    policies = list(zip((0, *engine.book.since), engine.book.texts, strict=True))
    return Checkpoint(last, manifest, engine.slices, parts, policies)


def _pack_bucket(cases: list[Case]) -> bytes:
    return pack(
        Bucket(
            [case.id for case in cases],
            max(case.touched for case in cases),
            all(case.finished for case in cases),
            compress(pack(cases)),
        )
    )


def new_engine(policy: PolicyFile, read: Read, guarded: bool = False) -> tuple[Engine, Manifest]:
    """An engine with the state that the rows hold, and their manifest (a blank one where there is none).

    `policy` is for a partition without state; any other goes on under the files it knows. Raises `WorkFailed` where
    the rows cannot be used.
    """
    manifest = newest_manifest(read)
    if manifest is None:
        engine = Engine(PolicyBook(policy), guarded)
        engine.thaw = _thaw(engine, read)
        return engine, Manifest()
    files: list[tuple[int, PolicyFile]] = []
    for since, digest in manifest.policies:
        text = row_of(read, f"p{digest}").decode()
        files.append((since, policy if digest == digest_of(policy.text) else parse_policy(text, "stored policy")))
    engine = Engine(PolicyBook.of(files), guarded)
    _load(engine, manifest, read)
    return engine, manifest


def _load(engine: Engine, manifest: Manifest, read: Read) -> None:
    """Fills a new engine from the rows that a manifest names."""
    engine.thaw = thaw = _thaw(engine, read)
    for bucket, slot in sorted((int(name[1:]), slot) for name, slot in manifest.slots.items() if name[0] == "b"):
        packed = _unpack_bucket(row_of(read, f"b{bucket}.{slot}"))
        if packed.finished:
            engine.chill_bucket(bucket, Chilled(slot, packed.touched, packed.ids))
        else:
            engine.load(bucket, thaw(bucket, slot))
    for name, slot in manifest.slots.items():
        if name[0] == "a":
            engine.agents.load(int(name[1:]), _unpack_agents(decompress(row_of(read, f"{name}.{slot}"))))
        elif name[0] == "w":
            engine.ahead.load(int(name[1:]), _unpack_waiting(decompress(row_of(read, f"{name}.{slot}"))))
    load_slices(engine.slices, engine.table, manifest, read)
    engine.now, engine.agents.settled = manifest.now, manifest.settled
    engine.restored()


def _thaw(engine: Engine, read: Read) -> Callable[[int, int], list[Case]]:
    """What brings the cases of a bucket back from its row in a slot."""
    dims_of, specs = engine.table.of, engine.book.specs

    def unpack_object(type_: type, value: Any) -> Dims | ClockSpec:
        return specs[value] if type_ is ClockSpec else dims_of(tuple(value))

    unpack = msgspec.msgpack.Decoder(list[Case], dec_hook=unpack_object).decode
    return lambda bucket, slot: unpack(decompress(_unpack_bucket(row_of(read, f"b{bucket}.{slot}")).cases))


def checkpoint_customers(
    customers: Customers, last: Manifest, position: int, counter: int, told: int = 0
) -> Checkpoint:
    """A checkpoint of the second stage. `told`: as of the first."""

    def parts(last: Manifest) -> Iterator[Row]:
        for bucket in sorted(customers.dirty):
            packed = customers.buckets.get(bucket)
            yield f"c{bucket}", compress(pack(packed)) if packed else None
        customers.dirty.clear()

    manifest = Manifest(position=position, counter=counter, told=told)
    return Checkpoint(last, manifest, customers.slices, parts)


def new_customers(read: Read, guarded: bool = False) -> tuple[Customers, Manifest]:
    """The second stage with the state that the rows hold, and their manifest, as `new_engine`."""
    customers = Customers(guarded)
    manifest = newest_manifest(read)
    if manifest is None:
        return customers, Manifest()
    dims_of = customers.table.of
    unpack = msgspec.msgpack.Decoder(list[Customer], dec_hook=lambda _, value: dims_of(tuple(value))).decode
    for name, slot in manifest.slots.items():
        if name[0] == "c":
            customers.load(int(name[1:]), unpack(decompress(row_of(read, f"{name}.{slot}"))))
    load_slices(customers.slices, customers.table, manifest, read)
    return customers, manifest
