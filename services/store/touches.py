"""Which hours the slices of a flush belong to: told to ClickHouse after them, so that rolled-up hours that are not
level any more are known as such (`services.tiers`)."""

import re
from datetime import datetime
from typing import Final

TOUCHES: Final = "slice_touches"
"""The table they are told to."""

_KINDS: Final = {"clock_slices": b"clock", "contact_slices": b"contact"}
_HOUR: Final = re.compile(rb'"slice":\s*"(\d{4}-\d\d-\d\dT\d\d)')
"""The hour in a slice's beginning, as workers write it (RFC 3339, UTC). Never within a text: its quotes are escaped."""


class Touches:
    """Gathers the hours of inserted slices."""

    def __init__(self) -> None:
        self._hours: set[tuple[bytes, bytes]] = set()

    def note(self, table: str, ndjson: bytes) -> None:
        """Take along the hours of a block that has been inserted into `table`; tables of no slices have none."""
        kind = _KINDS.get(table)
        if kind is not None:
            self._hours.update((kind, hour) for hour in set(_HOUR.findall(ndjson)))

    def rows(self) -> list[bytes]:
        """A row for each hour noted so far."""
        return [
            b'{"kind":"%b","hour":"%b:00:00.000Z","touches":1}' % (kind, hour)
            for kind, hour in sorted(self._hours)
            if _is_instant(hour)
        ]

    def forget(self) -> None:
        """Begin anew: the rows are in."""
        self._hours.clear()


def _is_instant(hour: bytes) -> bool:
    """Whether it is one: a row with another has been refused, and must not refuse the touches with it."""
    try:
        datetime.strptime(hour.decode(), "%Y-%m-%dT%H")
    except ValueError:
        return False
    return True
