"""How much room the disk of the data directory has, and what people are told of it."""

import errno
import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

MIB = 2**20
LOW_BYTES = 2**30
"""A warning: a thousand events a second take some 0.5 MB a second in Kafka and ClickHouse; half an hour is left."""
LOW_SHARE = 0.05
"""On disks below 20 GiB the warning comes at this share of them instead."""
FULL_BYTES = 32 * MIB
"""From here on a write may fail at any moment: Kafka maps two indexes of up to 10 MiB for each new segment, and
ClickHouse reserves what a merge may need."""
LEFT_AT = 1.25
"""A state is left with so much more than it begins at, so that a disk at the edge does not say a line a second."""
EVERY_S = 1.0
NO_SPACE = os.strerror(errno.ENOSPC)
"""What every program says then, Java too."""


class Room(Enum):
    """How much there is."""

    ENOUGH = 0
    LOW = 1
    FULL = 2


def free_bytes(directory: Path) -> tuple[int, int]:
    """Free bytes (for us, without root's reserve) and the size of the disk that holds a directory. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def room(free: int, size: int, before: Room = Room.ENOUGH) -> Room:
    """The state of a disk that was in state `before`."""
    for state, limit in ((Room.FULL, FULL_BYTES), (Room.LOW, min(LOW_BYTES, LOW_SHARE * size))):
        if free < limit * (LEFT_AT if before.value >= state.value else 1):
            return state
    return Room.ENOUGH


def full_disk(data_dir: Path) -> str:
    """How little is left where an embedded broker or database has its data on a full disk; else empty.

    Elsewhere than on one machine nothing is known: the data of a cluster lie on other machines.
    """
    try:
        if not any((data_dir / part).exists() for part in ("kafka", "clickhouse")):
            return ""
        free, _ = free_bytes(data_dir)
    except OSError:
        return ""
    return f"{free // MIB} MiB left in {data_dir}" if free < FULL_BYTES else ""


class DiskWatch:
    """Says once when the disk of a directory becomes low, full, and well again.

    `on_room` is called when it is not full any more, for what waited for that.
    """

    def __init__(self, directory: Path, say: Callable[[str], None], on_room: Callable[[], None]) -> None:
        self._directory = directory
        self._say = say
        self._on_room = on_room
        self._room = Room.ENOUGH
        self._look_at = 0.0

    def look(self) -> None:
        """Looks, at most once in `EVERY_S`."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + EVERY_S
        try:
            free, size = free_bytes(self._directory)
        except OSError:
            return  # the directory is gone: every part will say so
        before, self._room = self._room, room(free, size, self._room)
        if self._room is before:
            return
        left = f"{free // MIB:,} MiB left in {self._directory}"
        if self._room is Room.FULL:
            self._say(f"the disk is full, {left}: make room there; then all goes on by itself, and nothing is lost")
        elif self._room is Room.LOW:
            self._say(f"the disk is nearly full, {left}: make room there, or keep less (docs/operations.md, retention)")
        else:
            self._say(f"the disk has room again, {left}")
        if before is Room.FULL:
            self._on_room()
