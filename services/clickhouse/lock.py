"""One process a data directory; the second one is told why it cannot start."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import WorkFailed


@contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Hold `directory` (made if missing) for this process; the kernel lets go of it when the process dies.

    Raises WorkFailed where another process holds it, or where the directory cannot be written.
    """
    file = directory / "server.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkFailed(f"{directory}: cannot be used as a ClickHouse data directory: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise WorkFailed(f"{directory}: already in use by another ClickHouse process (pid {owner})") from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
