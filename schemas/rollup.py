"""One-minute slices: what the stream adds up. Absolute values, never deltas, each with a rising version.

A slice belongs to a *series* (for clocks: clock and dimension tuple; for contacts: dimension tuple). It is stated per
source partition and generation; readers take the newest version of each and add them up. A generation begins when the
engine forgets slices untouched for long: what arrives for a forgotten slice afterwards counts in a new generation
beside it, instead of overwriting what is known.
"""

import msgspec

DIMENSIONS = ("channel", "team", "agent_id", "priority", "customer_tier", "category", "queue")
"""Dimensions of every outcome and slice, in this order everywhere."""


class ClockSlice(msgspec.Struct, gc=False):
    """Clocks of one series that ended in one minute (at the stop, or at due_at for a breach).

    `slice` is the minute's beginning. `elapsed_ms` sums the elapsed time of met clocks and of breached ones that have
    stopped; `stopped` counts those.
    """

    slice: str
    clock: str
    channel: str | None
    team: str | None
    agent_id: str | None
    priority: str | None
    customer_tier: str | None
    category: str | None
    queue: str | None
    met: int
    breached: int
    cancelled: int
    stopped: int
    elapsed_ms: int


class ContactSlice(msgspec.Struct, gc=False):
    """What happened to contacts of one dimension tuple in one minute, as additive counts.

    `counts` maps a measure of `schemas.metrics.Measure` to its sum; a fact belongs to the minute of its own time.
    """

    slice: str
    channel: str | None
    team: str | None
    agent_id: str | None
    priority: str | None
    customer_tier: str | None
    category: str | None
    queue: str | None
    counts: dict[str, int]


class VersionedClockSlice(ClockSlice):
    """A clock slice as it stands in Kafka: of which source partition and generation, and its version."""

    partition: int
    generation: int
    version: int


class VersionedContactSlice(ContactSlice):
    """A contact slice as it stands in Kafka: of which source partition and generation, and its version."""

    partition: int
    generation: int
    version: int


class Watermark(msgspec.Struct, gc=False):
    """How far one source partition is: all deadlines up to `stream_time` are judged, events up to offset `position`
    applied. `open_cases` counts its cases that are not closed."""

    partition: int
    stream_time: str
    position: int
    open_cases: int
    version: int
