"""The policy file of a running product: read again when it changes; a bad one is refused and the old one stays."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from schemas.errors import PolicyError
from schemas.policy import PolicyFile, default_policy, parse_policy
from schemas.policy_source import one_line, read_policy

LOOK_EVERY_S = 1.0

log = structlog.get_logger(__name__)

_Stamp = tuple[int, ...]
_AGAIN: _Stamp = ()
"""No file's: it is read again at the next look."""


def kept_policy(data_dir: Path) -> Path:
    """Where the workers of a data directory keep the policy in force."""
    return data_dir / "worker" / "policy-in-force.yaml"


class PolicyWatch:
    """The policy in force. `file` is the last good one, `refused` says what is wrong with a newer one.

    Without `path` it is the policy that ships, for good. `keep` is where the last good text is kept, so that a process
    that starts while the file is bad goes on with what was in force; several processes may share it. Raises
    `PolicyError` where the file is bad from the start and nothing good is kept.
    """

    def __init__(self, path: Path | None, keep: Path | None = None) -> None:
        self.path = path
        self.refused: str | None = None
        self._keep = keep
        self._looked = 0.0
        self._seen: _Stamp | None = _AGAIN
        self._told: str | None = None
        if path is None:
            self.file = default_policy()
            return
        file = self._read(path)
        if file is None:
            file = self._kept()
            if file is None:
                raise PolicyError(self.refused)
            self.file = file
        else:
            self.file = file
            self._remember()

    def look(self, clock: float, tell: Callable[[str | None], None] = lambda refused: None) -> None:
        """Reads the file again where it changed, at most once a second of `clock` (seconds, monotonic).

        `tell` hears of every change: None of a good one, else why it is refused; also of a file that was refused when
        this began. Never raises, whatever the file holds: the one before stays in force.
        """
        if self.path is None or clock - self._looked < LOOK_EVERY_S:
            return
        self._looked = clock
        if self._told is None and self.refused is not None:
            self._told = self.refused
            tell(self.refused)
        if self._seen != _AGAIN and self._seen == _stamp(self.path):
            return
        file = self._read(self.path)
        if file is not None and (file.text != self.file.text or self._told is not None):
            self.file = file
            self._remember()
            self._told = None
            tell(None)
        elif file is None and self.refused != self._told:
            self._told = self.refused
            tell(self.refused)

    def _read(self, path: Path) -> PolicyFile | None:
        """The file where it is good; else None, and `refused` says why."""
        self._seen = _stamp(path)  # before it is read: what changes meanwhile is seen at the next look
        try:
            text = read_policy(path)
        except PolicyError as error:
            self.refused = str(error)
            self._seen = _AGAIN  # a disk may fail once, and a file that may not be read changes nothing when it may
            return None
        file = _parsed(text, path)
        self.refused = file if isinstance(file, str) else None
        return None if isinstance(file, str) else file

    def _kept(self) -> PolicyFile | None:
        """The last good file, where one is kept that this version of the product can read."""
        if self._keep is None or not self._keep.exists():
            return None
        try:
            file = _parsed(read_policy(self._keep), self._keep)
        except PolicyError as error:
            file = str(error)
        if isinstance(file, str):
            log.error("the kept policy cannot be used either", reason=file)
            return None
        return file

    def _remember(self) -> None:
        """Keeps the text. A disk that is full must not end a process that has a good policy."""
        if self._keep is None:
            return
        try:
            self._keep.parent.mkdir(parents=True, exist_ok=True)
            # A name of its own for every write: processes that share the directory may have the same id elsewhere.
            place, written = tempfile.mkstemp(prefix=f"{self._keep.name}.", dir=self._keep.parent)
            try:
                with os.fdopen(place, "wb") as out:
                    out.write(self.file.text.encode())
                    out.flush()
                    os.fsync(out.fileno())
                Path(written).replace(self._keep)
            except BaseException:
                Path(written).unlink()
                raise
        except OSError as error:
            log.error("the policy in force cannot be kept for the next start", path=str(self._keep), reason=str(error))


def _parsed(text: str, path: Path) -> PolicyFile | str:
    """The policy file, or why the text is none. Nothing that a file makes go wrong may end the process."""
    try:
        return parse_policy(text, str(path))
    except PolicyError as error:
        return str(error)
    except Exception as error:
        log.exception("reading the policy failed", path=str(path))
        return f"{path}: cannot be used: {one_line(repr(error))}"


def _stamp(path: Path) -> _Stamp | None:
    """What changes when a file does, also where its time of writing is set; None where it cannot be seen (an editor
    replaces it just now)."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
