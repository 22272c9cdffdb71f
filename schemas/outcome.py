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

    `ref` is the callback_id of a call-back. `warned_at` is the last warning and `warned` the share of the target that
    it stands for. `held` says, of a clock that ended, who had the case how long between start and stop (queue, bot,
    agent:ID, team:NAME, customer, third_party, closed); the parts add up.
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
    ref: str | None
    warned_at: str | None
    warned: float | None
    held: dict[str, float]


class VersionedOutcome(Outcome):
    """An outcome as it stands in Kafka and ClickHouse.

    `version` rises with every restatement, across restarts and owners: the record with the highest one is true.
    `withdrawn` is 1 where a late event showed that this clock instance never existed. `told_at` is when this was said,
    by the wall clock; `cause` is the event_id that made the record differ from the one before, null where time passed.
    """

    version: int
    withdrawn: int
    told_at: str
    cause: str | None


class PolicyInForce(msgspec.Struct, gc=False):
    """A policy file by which a source partition judges what happens from stream time `since` on, until the next."""

    partition: int
    since: str
    text: str
    version: int
