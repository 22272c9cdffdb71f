"""An event as the engine keeps it: small, flat, and enough to apply a case's history again in order."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from schemas.event import DATA_TYPES, EVENT_TYPES, CallbackPromised, Event, Transferred, Updated, decode_data
from schemas.policy import PAUSE_REASONS
from schemas.times import to_ms

DimValues = tuple[str | None, str | None, str | None, str | None, str | None, str | None, str | None]
"""Values of `schemas.rollup.DIMENSIONS`, in that order."""

KIND = {name: code for code, name in enumerate(EVENT_TYPES)}
PAUSE_BIT = {reason: 1 << bit for bit, reason in enumerate(PAUSE_REASONS)}


class Dims:
    """One dimension tuple. There is one object a tuple in an engine (`DimsTable`), so that it is compared and hashed by
    identity: hashing seven strings at every look-up was a fifth of the engine's time."""

    __slots__ = ("hash", "merged", "values")

    def __init__(self, values: DimValues) -> None:
        self.values = values
        self.hash = zlib.crc32(repr(values).encode())
        self.merged: dict[Dims, Dims] = {}

    def __repr__(self) -> str:
        return f"Dims{self.values}"


class DimsTable:
    """All dimension tuples of an engine."""

    def __init__(self) -> None:
        self.nothing = Dims((None, None, None, None, None, None, None))
        self._known: dict[DimValues, Dims] = {self.nothing.values: self.nothing}
        self._sweep_at = 200_000

    def of(self, values: DimValues) -> Dims:
        """The one object for these values."""
        dims = self._known.get(values)
        if dims is None:
            dims = self._known[values] = Dims(values)
        return dims

    def merge(self, old: Dims, new: Dims) -> Dims:
        """`old` with what `new` says laid over it: the latest value of a dimension holds."""
        merged = old.merged.get(new)
        if merged is None:
            merged = old.merged[new] = self.of(_overlay(old.values, new.values))
        return merged

    def sweep(self, used: Callable[[], Iterable[Dims]]) -> bool:
        """Forgets tuples not in use, once there are many; `used` is asked only then. True where it did."""
        if len(self._known) < self._sweep_at:
            return False
        kept = {dims.values: dims for dims in used()}
        kept[self.nothing.values] = self.nothing
        for dims in kept.values():
            dims.merged.clear()
        self._known = kept
        self._sweep_at = max(200_000, 2 * len(kept))
        return True


class Fact(msgspec.Struct, array_like=True, gc=False):
    """What one event says: when, what kind, the dimensions it sets, and the values of its `data` in field order.

    Its event_id is the key it is kept under.
    """

    t: int
    kind: int
    dims: Dims | None = None
    customer: str | None = None
    data: tuple[bool | int | float | str | None, ...] | None = None


class FactMaker:
    """Turns events into facts."""

    def __init__(self, table: DimsTable) -> None:
        self._table = table
        self._of = table.of
        self._nothing = table.nothing
        self._kinds = {name: (code, name in DATA_TYPES) for name, code in KIND.items()}

    def make(self, e: Event) -> Fact:
        """The fact of a decoded event. Raises `EventRejected` where its `data` is invalid."""
        kind, has_data = self._kinds[e.type]
        dims: Dims | None = self._of((e.channel, e.team, e.agent_id, e.priority, e.customer_tier, e.category, e.queue))
        t = round(e.occurred_at.timestamp() * 1000)
        values = None
        if has_data:
            data = decode_data(e)
            if data is not None:
                values, extra = self._read(data)
                if extra is not None:
                    dims = self._of(_overlay(dims.values, extra))  # type: ignore[union-attr]
        return Fact(t, kind, None if dims is self._nothing else dims, e.customer_id, values)

    def _read(self, data: msgspec.Struct) -> tuple[tuple[Any, ...], DimValues | None]:
        """The values of typed data, and the dimensions that it sets besides the event's own."""
        values = msgspec.structs.astuple(data)
        if isinstance(data, Updated):
            return values, (None, None, None, data.priority, data.customer_tier, data.category, None)
        if isinstance(data, Transferred):
            return values, (None, data.to_team, data.to_agent, None, None, None, None)
        if isinstance(data, CallbackPromised):
            return (data.callback_id, None if data.due_at is None else to_ms(data.due_at)), None
        return values, None


def _overlay(old: DimValues, new: DimValues) -> DimValues:
    a, b, c, d, e, f, g = new
    return (
        old[0] if a is None else a,
        old[1] if b is None else b,
        old[2] if c is None else c,
        old[3] if d is None else d,
        old[4] if e is None else e,
        old[5] if f is None else f,
        old[6] if g is None else g,
    )
