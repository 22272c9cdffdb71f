"""The policy file of a running product: read again when it changes; a bad one is refused and the old one stays."""

import os
from collections.abc import Callable
from pathlib import Path

from schemas.errors import PolicyError
from schemas.policy import PolicyFile, default_policy, load_policy, parse_policy

LOOK_EVERY_S = 1.0


class PolicyWatch:
    """The policy in force. `file` is the last good one, `refused` says what is wrong with a newer one.

    Without `path` it is the policy that ships, for good. `keep` is where the last good text is kept, so that a process
    that starts while the file is bad goes on with what was in force. Raises `PolicyError` where the file is bad from
    the start and nothing is kept.
    """

    def __init__(self, path: Path | None, keep: Path | None = None) -> None:
        self.path = path
        self.refused: str | None = None
        self._keep = keep
        self._looked = 0.0
        self._seen = _stamp(path)
        self.file = default_policy() if path is None else self._first(path)

    def look(self, clock: float, tell: Callable[[str | None], None] = lambda refused: None) -> None:
        """Reads the file again where it changed, at most once a second of `clock` (seconds, monotonic).

        `tell` hears of every change: None of a good one, else why it is refused.
        """
        if self.path is None or clock - self._looked < LOOK_EVERY_S:
            return
        self._looked = clock
        stamp = _stamp(self.path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            file = load_policy(self.path)
        except PolicyError as error:
            self.refused = str(error)
        else:
            if self.refused is None and file.text == self.file.text:
                return
            self.file, self.refused = file, None
            self._remember()
        tell(self.refused)

    def _first(self, path: Path) -> PolicyFile:
        try:
            file = load_policy(path)
        except PolicyError as error:
            if self._keep is None or not self._keep.exists():
                raise
            self.refused = str(error)
            return parse_policy(self._keep.read_text(encoding="utf-8"), str(self._keep))
        self.file = file
        self._remember()
        return file

    def _remember(self) -> None:
        if self._keep is not None:
            self._keep.parent.mkdir(parents=True, exist_ok=True)
            written = self._keep.with_name(f"{self._keep.name}.{os.getpid()}")
            written.write_text(self.file.text, encoding="utf-8")
            written.replace(self._keep)


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file does; None where it cannot be seen (an editor replaces it just now)."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
