"""The contract read slowly and naively: what the clocks of a history must say, with datetimes and no state to save.

Written from the contract alone and sharing no code with the product. A case is walked once in (occurred_at, event_id)
order; how long a clock has counted is summed up again from the case's whole pause history every time it is asked.
Events are the JSON objects as dicts, the policy is the YAML file as a dict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.oracles.contract import DIMS, ZERO, Json, cases_of, duration, parse, show


@dataclass
class Clock:
    """One clock instance. `pausing` tells from when on which reasons pause it."""

    name: str
    seq: int
    policy: str
    calendar: str
    target: timedelta
    started: datetime
    pausing: list[tuple[datetime, frozenset[str]]]
    carried: timedelta = ZERO
    stopped: datetime | None = None
    breached: datetime | None = None
    cancelled: bool = False
    dims: Json = field(default_factory=dict)


@dataclass
class Case:
    """A case while it is walked. `history` holds the dimensions after each event, `reopenings` the numbers of those
    events that reopened it."""

    policy: Mapping[str, Any]
    dims: Json = field(default_factory=lambda: dict.fromkeys(DIMS))
    complaint: bool = False
    opened: datetime | None = None
    closed: bool = False
    queued: datetime | None = None
    connected: bool = False
    waiting: datetime | None = None
    waiting_for_bot: datetime | None = None
    reasons: frozenset[str] = frozenset()
    pauses: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    reopenings: list[int] = field(default_factory=list)

    # How long a clock has counted.

    def stretches(self, clock: Clock, until: datetime) -> Iterable[tuple[datetime, datetime, bool]]:
        """The time from the clock's start to `until` in pieces (from, to, paused)."""
        cuts = {at for at, _ in self.pauses + clock.pausing if clock.started < at < until}
        edges = [clock.started, *sorted(cuts), until]
        for a, b in pairwise(edges):
            yield a, b, self.paused(clock, a)

    def paused(self, clock: Clock, at: datetime) -> bool:
        """Whether a reason that pauses this clock holds just after `at`."""
        return bool(_valid(self.pauses, at, frozenset()) & _valid(clock.pausing, at, clock.pausing[0][1]))

    def elapsed(self, clock: Clock, until: datetime) -> timedelta:
        """Counted time up to `until`."""
        return clock.carried + sum((b - a for a, b, still in self.stretches(clock, until) if not still), ZERO)

    def due(self, clock: Clock, until: datetime) -> datetime:
        """The last instant up to `until` at which no more than the target had elapsed."""
        spent = clock.carried
        for a, b, still in self.stretches(clock, until):
            if not still:
                if spent + (b - a) > clock.target:
                    return max(a, a + (clock.target - spent))
                spent += b - a
        return until

    def notice(self, now: datetime) -> None:
        """Breaches whatever was due before `now`."""
        for clock in self.clocks:
            if not clock.stopped and not clock.breached and self.elapsed(clock, now) > clock.target:
                clock.breached, clock.dims = self.due(clock, now), dict(self.dims)

    # Starting and stopping.

    def match(self) -> Mapping[str, Any]:
        """The first policy whose every key holds the case's value."""
        values = self.dims | {"complaint": self.complaint}
        for policy in self.policy["policies"]:
            wanted = (policy.get("match") or {}).items()
            if all(values[key] in (want if isinstance(want, list) else [want]) for key, want in wanted):
                return policy  # type: ignore[no-any-return]
        raise AssertionError("the last policy matches everything")

    def running(self, name: str) -> Clock | None:
        """The clock of that name that has not stopped."""
        return next((c for c in self.clocks if c.name == name and not c.stopped), None)

    def start(self, name: str, at: datetime, carried: timedelta = ZERO) -> None:
        """Starts a clock where the case's policy has it."""
        policy = self.match()
        if name in policy["clocks"]:
            promise = policy["clocks"][name]
            seq = sum(c.name == name for c in self.clocks)
            pausing = [(at, frozenset(promise.get("pause_on", ())))]
            calendar, target = promise.get("calendar", "always"), duration(promise["target"])
            self.clocks.append(Clock(name, seq, policy["name"], calendar, target, at, pausing, carried))

    def stop(self, name: str, at: datetime, cancel: bool = False) -> None:
        """Stops the clock of that name where one runs; one already breached stays breached."""
        clock = self.running(name)
        if clock:
            clock.stopped, clock.dims, clock.cancelled = at, dict(self.dims), cancel

    def cancel_all(self, at: datetime) -> None:
        """Cancels whatever runs and forgets the waiting message."""
        for clock in self.clocks:
            self.stop(clock.name, at, cancel=True)
        self.waiting = self.waiting_for_bot = None

    # Events.

    def apply(self, event: Json) -> None:
        """One event, in order."""
        at = parse(event["occurred_at"])
        data = event.get("data") or {}
        self.notice(at)
        self.learn(event, data)
        self.history.append(dict(self.dims))
        handle = getattr(self, "on_" + event["type"].replace(".", "_"), None)
        if handle:
            handle(at, data)

    def learn(self, event: Json, data: Json) -> None:
        """Dimensions and the complaint flag."""
        told = {key: event.get(key) for key in DIMS}
        if event["type"] == "contact.transferred":
            told |= {k: data[d] for k, d in (("team", "to_team"), ("agent_id", "to_agent")) if data.get(d) is not None}
        if event["type"] == "contact.updated":
            told |= {k: data[k] for k in ("priority", "customer_tier", "category") if data.get(k) is not None}
        self.dims |= {key: value for key, value in told.items() if value is not None}
        if event["type"] == "complaint.filed" or (event["type"] == "contact.opened" and not self.opened):
            self.complaint |= event["type"] == "complaint.filed" or bool(data.get("complaint"))
        elif event["type"] == "contact.updated" and data.get("complaint") is not None:
            self.complaint = data["complaint"]

    def on_contact_opened(self, at: datetime, data: Json) -> None:
        if self.opened:
            return
        self.opened = at
        if not self.connected:
            self.start("connect", self.queued or at)
        self.start("first_response", at)
        self.start("resolution", at)
        if self.waiting:
            self.start("next_response", self.waiting)
        if self.waiting_for_bot:
            self.start("bot_response", self.waiting_for_bot)

    def on_contact_queued(self, at: datetime, data: Json) -> None:
        first, self.queued = self.queued is None, self.queued or at
        if not self.opened or self.closed:
            return
        clock = self.running("connect")
        if clock and first:
            self.clocks.remove(clock)
        if not clock or first:
            self.start("connect", at)

    def on_contact_connected(self, at: datetime, data: Json) -> None:
        self.connected = True
        self.stop("connect", at)

    def on_contact_abandoned(self, at: datetime, data: Json) -> None:
        clock = self.running("connect")
        if clock and not clock.breached and self.elapsed(clock, at) >= clock.target:
            clock.breached = at
        self.cancel_all(at)

    def on_message_customer(self, at: datetime, data: Json) -> None:
        if self.closed:
            return
        if not self.waiting:
            self.waiting = at
            if self.opened:
                self.start("next_response", at)
        if not self.waiting_for_bot:
            self.waiting_for_bot = at
            if self.opened:
                self.start("bot_response", at)

    def on_message_bot(self, at: datetime, data: Json) -> None:
        self.waiting_for_bot = None
        self.stop("bot_response", at)

    def on_message_agent(self, at: datetime, data: Json) -> None:
        self.waiting = self.waiting_for_bot = None
        for name in ("first_response", "next_response", "bot_response"):
            self.stop(name, at)

    def on_contact_pending(self, at: datetime, data: Json) -> None:
        self.pause(at, self.reasons | {data.get("reason") or "customer"})

    def on_contact_resumed(self, at: datetime, data: Json) -> None:
        self.pause(at, self.reasons - {data["reason"]} if data.get("reason") else frozenset())

    def pause(self, at: datetime, reasons: frozenset[str]) -> None:
        self.reasons = reasons
        self.pauses.append((at, reasons))

    def on_contact_updated(self, at: datetime, data: Json) -> None:
        policy = self.match()
        for clock in self.clocks:
            promise = policy["clocks"].get(clock.name)
            if promise and not clock.stopped and not clock.breached:
                clock.policy, clock.calendar = policy["name"], promise.get("calendar", "always")
                clock.target = duration(promise["target"])
                clock.pausing.append((at, frozenset(promise.get("pause_on", ()))))
        self.notice(at)

    def on_contact_resolved(self, at: datetime, data: Json) -> None:
        self.stop("resolution", at)
        self.cancel_all(at)

    def on_contact_closed(self, at: datetime, data: Json) -> None:
        self.closed = self.opened is not None
        self.cancel_all(at)

    def on_contact_reopened(self, at: datetime, data: Json) -> None:
        self.pause(at, frozenset())
        if not self.opened or self.running("resolution"):
            return
        self.closed = False
        self.reopenings.append(len(self.history) - 1)
        before = [c for c in self.clocks if c.name == "resolution"]
        mode, carried = self.match().get("reopen", "restart"), ZERO
        if before and before[-1].stopped and mode != "restart":
            carried = self.elapsed(before[-1], before[-1].stopped)
            carried += at - before[-1].stopped if mode == "continue" else ZERO
        self.start("resolution", at, carried)

    # What came of it.

    def record(self, case_id: str, clock: Clock, now: datetime) -> Json:
        """The outcome record of a clock as of `now`."""
        end = clock.stopped or now
        elapsed = self.elapsed(clock, end)
        due: datetime | None = end + (clock.target - elapsed)
        if clock.breached:
            state, due = "breached", clock.breached
        elif clock.stopped:
            state = "cancelled" if clock.cancelled else "met"
        elif self.paused(clock, now):
            state, due = "paused", None
        else:
            state = "running"
        second = timedelta(seconds=1)
        return {
            "case_id": case_id, "clock": clock.name, "seq": clock.seq, "policy": clock.policy,
            "calendar": clock.calendar, "state": state, "target_s": clock.target / second,
            "elapsed_s": elapsed / second, "started_at": show(clock.started), "due_at": show(due),
            "stopped_at": show(clock.stopped), "breached_at": show(clock.breached),
            **(clock.dims if clock.stopped or clock.breached else self.dims),
        }  # fmt: skip


def _valid(timeline: Sequence[tuple[datetime, Any]], at: datetime, before: Any) -> Any:
    """The value of a step function just after `at`; `before` where it has not begun."""
    return next((value for since, value in reversed(timeline) if since <= at), before)


def walk(events: Iterable[Json], policy: Mapping[str, Any], now: datetime) -> Case:
    """The case that these events (in order) make, as of `now`."""
    case = Case(policy)
    for event in events:
        case.apply(event)
    case.notice(now)
    return case


def outcomes(events: Iterable[Json], policy: Mapping[str, Any], now: datetime) -> list[Json]:
    """All outcome records as of `now`, sorted by case, clock and seq."""
    records = []
    for case_id, of_case in cases_of(events).items():
        case = walk(of_case, policy, now)
        records += [case.record(case_id, clock, now) for clock in case.clocks]
    return sorted(records, key=lambda r: (r["case_id"], r["clock"], r["seq"]))
