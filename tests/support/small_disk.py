"""A disk that can be filled: a tmpfs of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted directory of a few hundred MiB."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._filler = directory / "filler"

    def fill(self) -> None:
        """Leaves not one page."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (2**20, 4096):
                try:
                    while filler.write(bytes(size)):
                        continue
                except OSError:
                    continue

    def free(self) -> None:
        """Gives it all back."""
        self._filler.unlink()


@contextmanager
def small_disk(directory: Path, mib: int) -> Iterator[SmallDisk]:
    """A disk of `mib` MiB at `directory` (made). Needs root: skips without, but fails where CI is meant to have it."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(directory)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        refused = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        refused = str(error)
    if refused:
        why = f"what a full disk does is NOT tested here: a tmpfs cannot be mounted ({refused})"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    try:
        yield SmallDisk(directory)
    finally:
        # Lazily: a process that a failed test left behind must not keep the mount.
        subprocess.run(["umount", "-l", str(directory)], check=True)
