"""Rows and manifests by example: what a checkpoint may touch, and which manifest is the true one."""

import random

import msgspec
import pytest

from schemas.errors import WorkFailed
from schemas.times import text
from streams.engine.checkpoint import EPOCHS, FORM, Checkpoint, Manifest, newest_manifest, pack
from streams.partition import SourcePartition
from streams.transport import Chunk, Record
from tests.property.cluster import numbered
from tests.property.driving import raw
from tests.property.test_source_partition_examples import NOW, at_home, opened, partition, write
from tests.property.test_source_partition_recovery import at_work


def named(manifest: Manifest) -> set[str]:
    """The rows that a manifest needs."""
    parts = {f"{name}.{slot}" for name, slot in manifest.slots.items()}
    return parts | {f"s{block}.{slot}" for block, (slot, _, _) in manifest.blocks.items()}


def busy(owner: SourcePartition, offset: int) -> None:
    """Changes every kind of part: cases, agents, what waits, slices, admitted values."""
    values = [
        opened(at_home(offset % 5), NOW + offset),
        at_work(f"{offset}", NOW + offset),
        opened(at_home(5 + offset), NOW + 60_000 * (1 + offset % 3)),
        raw({"event_id": f"u{offset}", "type": "contact.updated", "occurred_at": text(NOW + offset),
             "case_id": at_home(offset % 5), "category": f"{offset}"}),
    ]  # fmt: skip
    owner.feed(Chunk([Record(owner.position + 1 + n, value) for n, value in enumerate(values)], 0, None, 0), NOW + 500)
    owner.advance(NOW + 500, 0, 0)
    owner.outcomes()
    owner.slices()


def test_no_row_that_the_last_manifest_names_is_touched_before_the_next_one_is() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=10**9)
    random_ = random.Random(0)
    for offset in range(30):
        if random_.randrange(4) == 0:
            owner = partition(rows=table, keep_ms=10**9)
        busy(owner, offset)
        needed = named(owner.manifest)
        checkpoint = owner.checkpoint(NOW, 0)
        rows = list(checkpoint.rows())
        assert {key for key, _ in rows}.isdisjoint(needed)
        assert {key[0] for key, _ in rows} >= set("baws")
        for key, value in (*rows, checkpoint.manifest_row()):
            assert value is not None
            table[key] = value
        owner.manifest = checkpoint.manifest
        assert named(owner.manifest) <= table.keys()
        for key, value in checkpoint.garbage():
            assert value is None
            assert key not in named(owner.manifest)
            table.pop(key, None)


def test_an_owner_and_its_next_successors_write_to_rows_and_manifests_of_their_own() -> None:
    """Of which the first may be a worker that was stopped while all the others had the partition."""
    table: dict[str, bytes] = {}
    written: list[set[str]] = []
    owners = []
    for number in range(EPOCHS):
        owners.append(partition(rows=table, keep_ms=10**9))
        busy(owners[-1], number)
        write(table, owners[-1])
    for owner in owners:
        keys = set[str]()
        for offset in range(1, 4):
            busy(owner, offset)
            checkpoint = owner.checkpoint(NOW, 0)
            keys |= {key for key, _ in (*checkpoint.rows(), checkpoint.manifest_row())}
            owner.manifest = checkpoint.manifest
        written.append({key for key in keys if key[0] != "p"})
    assert len(set[str]().union(*written)) == sum(map(len, written))


def test_epochs_leave_nothing_behind_of_a_part_that_was_written_anew() -> None:
    table: dict[str, bytes] = {}
    for number in range(3 * EPOCHS):
        owner = partition(rows=table, keep_ms=10**9)
        for offset in range(2):
            busy(owner, 2 * number + offset)
            write(table, owner)
        kept = {key for key in table if key[0] not in "mp"}
        assert named(owner.manifest) <= kept
        assert len(kept) <= 2 * len(named(owner.manifest))


@pytest.mark.parametrize("order", [1, -1])
def test_the_manifest_of_the_newest_epoch_is_the_true_one_however_much_an_older_one_says(order: int) -> None:
    manifests = [Manifest(epoch=4, counter=900, position=90), Manifest(epoch=5, counter=10, position=50)][::order]
    rows = {f"m{place}": pack(manifest) for place, manifest in enumerate(manifests)}
    found = newest_manifest(rows.get)
    assert (found and found.epoch, found and found.position) == (5, 50)
    assert newest_manifest({}.get) is None


def test_the_checkpoints_of_another_version_are_refused() -> None:
    rows = {"m0": pack(Manifest(form=FORM + 1))}
    with pytest.raises(WorkFailed, match=f"form {FORM + 1}, this version reads {FORM}"):
        newest_manifest(rows.get)
    with pytest.raises(WorkFailed, match="form 1"):
        newest_manifest({"m0": msgspec.msgpack.encode([1, 2, 3])}.get)


def test_a_part_emptied_is_named_no_more_and_all_its_rows_go() -> None:
    table: dict[str, bytes] = {}
    owner = partition(rows=table, keep_ms=1_000)
    closed = {"event_id": "z", "type": "contact.closed", "occurred_at": text(NOW), "case_id": at_home()}
    for lines in ([opened(at_home()), at_work("a", NOW)], [raw(closed)]):
        records = [Record(owner.position + 1 + record.offset, record.value) for record in numbered(lines)]
        owner.feed(Chunk(records, 0, None, 0), NOW)
        owner.advance(NOW, 0, 0)
        owner.slices()
        write(table, owner)
    heir = partition(NOW + 700_000, table, keep_ms=1_000)  # it writes to slots of its own
    for wall in (NOW + 700_000, NOW + 1_400_000, NOW + 5_000_000):
        heir.feed(Chunk([], 0, None, 0), wall)
        heir.slices()
        write(table, heir, wall)
    assert {name[0] for name in heir.manifest.slots} <= {"g"}
    assert not heir.manifest.blocks
    assert {key[0] for key in table} <= set("mpg"), sorted(table)


def test_a_checkpoint_changes_nothing_of_the_last_manifest() -> None:
    owner = partition(keep_ms=10**9)
    table: dict[str, bytes] = {}
    busy(owner, 0)
    write(table, owner)
    last, before = owner.manifest, pack(owner.manifest)
    busy(owner, 1)
    checkpoint: Checkpoint = owner.checkpoint(NOW, 0)
    list(checkpoint.rows())
    assert pack(last) == before
    assert checkpoint.manifest.position > last.position
    assert checkpoint.manifest.counter > last.counter
