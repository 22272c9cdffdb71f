"""How much room the disk has, and what is said of it."""

from pathlib import Path

import pytest

from services.local import disk
from services.local.disk import FULL_BYTES, LOW_BYTES, MIB, DiskWatch, Room, room

TIB = 2**40


@pytest.mark.parametrize(
    ("free", "size", "before", "found"),
    [
        (LOW_BYTES, TIB, Room.ENOUGH, Room.ENOUGH),
        (LOW_BYTES - 1, TIB, Room.ENOUGH, Room.LOW),
        (LOW_BYTES, TIB, Room.LOW, Room.LOW),
        (LOW_BYTES * 5 // 4, TIB, Room.LOW, Room.ENOUGH),
        (FULL_BYTES, TIB, Room.ENOUGH, Room.LOW),
        (FULL_BYTES - 1, TIB, Room.ENOUGH, Room.FULL),
        (FULL_BYTES, TIB, Room.FULL, Room.FULL),
        (FULL_BYTES * 5 // 4, TIB, Room.FULL, Room.LOW),
        (TIB, TIB, Room.FULL, Room.ENOUGH),
        # A small disk is low at a twentieth of it.
        (60 * MIB, 1000 * MIB, Room.ENOUGH, Room.ENOUGH),
        (40 * MIB, 1000 * MIB, Room.ENOUGH, Room.LOW),
    ],
)
def test_states(free: int, size: int, before: Room, found: Room) -> None:
    assert room(free, size, before) is found


def test_each_change_is_said_once_with_the_directory_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "EVERY_S", 0.0)
    said: list[str] = []
    freed: list[int] = []
    free = [TIB]
    monkeypatch.setattr(disk, "free_bytes", lambda directory: (free[0], TIB))
    watch = DiskWatch(Path("/data"), said.append, lambda: freed.append(free[0]))
    for free[0] in (TIB, 900 * MIB, 1100 * MIB, 20 * MIB, 0, 33 * MIB, 500 * MIB, TIB, TIB):
        watch.look()
        watch.look()
    assert said == [
        "the disk is nearly full, 900 MiB left in /data: make room there, or keep less (docs/operations.md, retention)",
        "the disk is full, 20 MiB left in /data: make room there; then all goes on by itself, and nothing is lost",
        "the disk is nearly full, 500 MiB left in /data: make room there, or keep less (docs/operations.md, retention)",
        "the disk has room again, 1,048,576 MiB left in /data",
    ]
    assert freed == [500 * MIB], "what waited for room is started as soon as the disk is not full any more"


def test_a_directory_that_is_gone_is_not_the_disks_matter(tmp_path: Path) -> None:
    said: list[str] = []
    DiskWatch(tmp_path / "gone", said.append, said.clear).look()
    assert said == [] and disk.full_disk(tmp_path / "gone") == ""
