"""Events dated ahead of the wall clock wait here until it has come to them.

A source's clock may run ahead. Applied at once, such an event would make its case see time that has not passed yet:
clocks would be breached before they are due. What waits is part of the state, in rows of a minute each.
"""

from streams.engine.slices import MINUTE_MS

Waiting = tuple[int, bytes, int]
"""When the event is dated (ms), its bytes, when the broker appended it (ms)."""


class Ahead:
    """The events that wait. `dirty` holds the minutes to checkpoint."""

    def __init__(self) -> None:
        self.minutes: dict[int, list[Waiting]] = {}
        self.dirty: set[int] = set()
        self.next = -1
        """When the earliest is dated; -1 where none waits."""

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self.minutes.values())

    def add(self, t: int, line: bytes, appended: int) -> None:
        """Lets an event wait."""
        self.minutes.setdefault(t // MINUTE_MS, []).append((t, line, appended))
        self.dirty.add(t // MINUTE_MS)
        self.next = t if self.next < 0 else min(self.next, t)

    def due(self, wall: int) -> list[Waiting]:
        """Takes those out that are dated at or before `wall`, in order of time."""
        if not 0 <= self.next <= wall:
            return []
        due: list[Waiting] = []
        for minute in [minute for minute in self.minutes if minute <= wall // MINUTE_MS]:
            waiting = self.minutes.pop(minute)
            due += [one for one in waiting if one[0] <= wall]
            later = [one for one in waiting if one[0] > wall]
            if later:
                self.minutes[minute] = later
            self.dirty.add(minute)
        self._look()
        return sorted(due)

    def load(self, minute: int, waiting: list[Waiting]) -> None:
        """Takes back the events of a checkpointed minute."""
        self.minutes[minute] = waiting
        self._look()

    def _look(self) -> None:
        self.next = min((t for waiting in self.minutes.values() for t, _, _ in waiting), default=-1)
