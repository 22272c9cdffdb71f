"""One-minute slices: what the stream adds up. Absolute values, never deltas, each with a rising version.

A slice belongs to a *series* (for clocks: clock and dimension tuple; for contacts: dimension tuple). It is stated per
source partition and generation; readers take the newest version of each and add them up. A generation begins when the
engine forgets slices untouched for long: what arrives for a forgotten slice afterwards counts in a new generation
beside it, instead of overwriting what is known.
"""

import msgspec

DIMENSIONS = ("channel", "team", "agent_id", "priority", "customer_tier", "category", "queue")
"""Dimensions of every outcome and slice, in this order everywhere."""

CLOCK_COUNTS = ("met", "breached", "cancelled", "stopped", "elapsed_ms")
"""What clock slices add up."""

OTHER = "other"
"""Stands for values of a dimension that are too many to be told apart."""

CUSTOMER_STAGE = 32_768
"""What is counted across a customer's cases is told by the partitions of that stage: this plus their number."""

REBUILT = 65_535
"""The partition of corrections that a rebuild adds; its generation is the rebuild's."""


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
    `durations` holds for each of `schemas.metrics.Duration` its histogram: how many by bucket. `customers` are the
    customers whose contacts were opened, as hashes of 53 bits.
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
    durations: dict[str, dict[int, int]]
    customers: list[int]


class VersionedClockSlice(ClockSlice):
    """A clock slice as it stands in Kafka: of which source partition and generation, its version, when it was told."""

    partition: int
    generation: int
    version: int
    told_at: str


class VersionedContactSlice(ContactSlice):
    """A contact slice as it stands in Kafka: of which source partition and generation, its version, when it was
    told."""

    partition: int
    generation: int
    version: int
    told_at: str


class Watermark(msgspec.Struct, gc=False):
    """How far one source partition is: all deadlines up to `stream_time` are judged, events up to offset `position`
    applied, and all slices told of them. `open_cases` counts its cases that are not closed. `folded` counts, by
    dimension, what it booked under "other" since it was taken over, because there are too many values.

    `resumed_from` is the version from which its owner went on: what earlier owners told above it is told again, perhaps
    not yet, and does not belong to `position`. Events dated after `told_at` wait for their time; the time of agents is
    booked up to `settled`."""

    partition: int
    stream_time: str
    position: int
    open_cases: int
    version: int
    folded: dict[str, int]
    resumed_from: int
    told_at: str
    settled: str


class CaseRecord(msgspec.Struct, gc=False):
    """What one case tells about itself and its customer; absolute, the highest version is true.

    Instants are RFC 3339, null while unknown. Dimensions are the present ones; `opened_as` and `resolved_as` those when
    it was opened and last resolved. `opens` and `ends` are when it became open and ceased to be, in turn. `resolved_at`
    is the last resolution, `repeat_window_s` the policy's when it was opened. `withdrawn` is 1 where the case turned
    out to be another customer's.
    """

    case_id: str
    customer_id: str | None
    channel: str | None
    team: str | None
    agent_id: str | None
    priority: str | None
    customer_tier: str | None
    category: str | None
    queue: str | None
    opened_at: str
    queued_at: str | None
    connected_at: str | None
    answered_at: str | None
    resolved_at: str | None
    complained_at: str | None
    complaint_category: str | None
    reopened: int
    opens: list[str]
    ends: list[str]
    opened_as: list[str | None]
    resolved_as: list[str | None]
    repeat_window_s: float
    partition: int
    version: int
    withdrawn: int
    told_at: str
