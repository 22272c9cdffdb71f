"""The policy file as the API sees it."""

import math
import time
from pathlib import Path

from schemas import policy_watch
from schemas.errors import PolicyError
from schemas.policy_watch import PolicyWatch
from schemas.settings import Settings


class PolicyInForce:
    """The policy as this process sees it: it reads the same file as the workers, by the same rules.

    Where even the first reading fails there is none, and `refused` says why: the API answers nevertheless.
    """

    def __init__(self, settings: Settings) -> None:
        """Reads nothing yet."""
        self._path = settings.policy
        self._keep = settings.data_dir / "api" / "policy-in-force.yaml"
        self._watch: PolicyWatch | None = None
        self._refused: str | None = None
        self._tried = -math.inf

    @property
    def path(self) -> Path | None:
        """Where the file is; None for the policy that ships."""
        return self._path

    def look(self) -> PolicyWatch | None:
        """The watch after another look at the file; reads at most once a second. None while there is no policy."""
        clock = time.monotonic()
        if self._watch is not None:
            self._watch.look(clock)
        elif clock - self._tried >= policy_watch.LOOK_EVERY_S:
            self._tried = clock
            try:
                self._watch = PolicyWatch(self._path, self._keep)
            except PolicyError as error:
                self._refused = str(error)
        return self._watch

    @property
    def refused(self) -> str | None:
        """What is wrong with the file, as of the last look."""
        return self._refused if self._watch is None else self._watch.refused
