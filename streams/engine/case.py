"""What the engine knows of one case and its clocks: plain packed data. `rules.py` says how it changes."""

import msgspec

from streams.engine.calendar import NEVER
from streams.engine.facts import Dims, Fact
from streams.engine.policies import ClockSpec

RUNNING, PAUSED, MET, BREACHED, CANCELLED = range(5)
STATE_NAMES = ("running", "paused", "met", "breached", "cancelled")
PAGE = "~"
"""Begins the id of what is kept like a case but is none: a day of an agent's events without one."""


class Clock(msgspec.Struct, array_like=True, gc=False):
    """One clock instance. Spans and instants in ms; -1 stands for no instant.

    `done` is what had elapsed at `since`, `carried` what it began with (a reopened case's earlier time), `runs` the
    running spans before `since`, which a new target is counted over. `since` is -1 while the clock is paused and after
    it ended. A breached clock that nothing has stopped yet goes on counting. `alarm` is when it next warns or breaches,
    `warned` the last warning of one that ended, `share` which. `dims` are fixed by the verdict. `ref` tells promises of
    one name apart. `changed` marks what is to be told, `cause` is the event that made it so (none: time passed).
    """

    name: str
    seq: int
    spec: ClockSpec
    target: int
    started: int
    since: int
    due: int
    done: int = 0
    carried: int = 0
    runs: tuple[tuple[int, int], ...] = ()
    state: int = RUNNING
    stopped: int = -1
    alarm: int = NEVER
    warned: int = -1
    share: float = 0.0
    dims: Dims | None = None
    ref: str | None = None
    changed: bool = True
    cause: str | None = None


NEW, OPEN, RESOLVED, CLOSED = range(4)


class Case(msgspec.Struct, array_like=True, gc=False):
    """A case: the facts known of it, in order, and what they add up to.

    `facts` is keyed by event_id and ordered by (time, event_id). `bucket` (of checkpoints), `touched` (its last
    arrival), `timer` (the earliest one set), `counted` (as open) and `told_as` (the customer it was last told as one
    of) are the engine's book-keeping; all else is derived from the facts and the stream time, and a fold makes it anew.
    Facts at or before `judged_to` come too late to be simply applied. `restate` marks a case whose record says
    something new. `spans` are the instants at which it became open and ceased to be, in turn. Instants are -1 while
    unknown.
    """

    id: str
    facts: dict[str, Fact]
    bucket: int
    touched: int
    dims: Dims
    next_change: int = NEVER
    timer: int = NEVER
    counted: bool = False
    told_as: str | None = None
    last_id: str = ""
    last_t: int = -NEVER
    customer: str | None = None
    complaint: bool = False
    complained: bool = False
    phase: int = NEW
    live: list[Clock] = []
    ended: list[Clock] = []
    next_alarm: int = NEVER
    judged_to: int = -NEVER
    pausing: int = 0
    opened: int = -1
    queued: int = -1
    connected: int = -1
    abandoned: int = -1
    abandoned_dims: Dims | None = None
    abandoned_wait: int = 0
    answered: int = -1
    waiting: int = -1
    waiting_bot: int = -1
    resolved: int = -1
    resolved_dims: Dims | None = None
    resolved_business: int = -1
    reopened: bool = False
    restate: bool = True
    opened_dims: Dims | None = None
    spans: list[int] = []
    complained_at: int = -1
    complaint_category: str | None = None
    bot_at: int = -1
    human: bool = False
    left: bool = False

    @property
    def clocks(self) -> list[Clock]:
        """All clock instances."""
        return self.ended + self.live

    @property
    def is_open(self) -> bool:
        """Somebody has still to do something: it was opened, and neither ended nor left by its customer since."""
        return self.phase == OPEN and not self.left

    @property
    def finished(self) -> bool:
        """Nothing runs, and nothing is expected but late, repeated or reopening events."""
        return not self.live and not self.is_open
