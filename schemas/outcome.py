"""The outcome record: what became of one clock of one case. NDJSON, Kafka and ClickHouse carry the same fields."""

from enum import StrEnum

import msgspec


class ClockState(StrEnum):
    """Where a clock stands."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


class Outcome(msgspec.Struct, gc=False):
    """One clock instance. Durations in seconds, instants RFC 3339 UTC with milliseconds.

    Dimensions are the case's values at the stop (at the breach, for a clock still open; now, for one still running).
    """

    case_id: str
    clock: str
    seq: int
    policy: str
    calendar: str
    state: str
    target_s: float
    elapsed_s: float
    started_at: str
    due_at: str | None
    stopped_at: str | None
    breached_at: str | None
    channel: str | None
    team: str | None
    agent_id: str | None
    priority: str | None
    customer_tier: str | None
    category: str | None
    queue: str | None


class VersionedOutcome(Outcome):
    """An outcome as it stands in Kafka and ClickHouse.

    `version` rises with every restatement, across restarts and owners: the record with the highest one is true.
    `withdrawn` is 1 where a late event showed that this clock instance never existed.
    """

    version: int
    withdrawn: int = 0
