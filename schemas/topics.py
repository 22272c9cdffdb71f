"""The Kafka topics, in one place: who writes them, how they are keyed, what a record holds."""

from enum import StrEnum


class Topic(StrEnum):
    """Topic names, before the configured prefix is put in front."""

    EVENTS = "contact.events"
    """Contract v1 events, keyed by case_id, partition murmur2(case_id). A value is one event or several as NDJSON."""

    DEAD = "contact.events.dead"
    """What could not be applied: raw bytes; key `topic-partition-offset`; headers `reason`, `field`, `origin`."""

    OUTCOMES = "contact.outcomes"
    """Outcome records of a chunk as NDJSON, in the partition of the same number as their source."""

    ROLLUPS = "contact.rollups"
    """One-minute slices as NDJSON, absolute and versioned; a series always goes to the same partition."""

    CUSTOMERS = "contact.customers"
    """What each case tells of its customer, as NDJSON; partition murmur2(customer_id), so that one reader sees all of a
    customer's cases. Cases without one go by their case_id."""

    WATERMARKS = "contact.watermarks"
    """How far each source partition is: stream time, position. Keyed by partition, a line a second."""

    POLICIES = "contact.policies"
    """Which policy file was in force from when on, in each source partition; a line each time that changes hands."""


class StateTopic(StrEnum):
    """The workers' own state, compacted; of no use to anybody else. Names that Faust gave them once."""

    CHECKPOINTS = "contactpulse-worker-checkpoints-changelog"
    """Packed rows of each source partition, in the partition of the same number."""

    CUSTOMER_CHECKPOINTS = "contactpulse-worker-customer-checkpoints-changelog"
    """The same of the partitions of `contact.customers`."""
