"""The contract read slowly and naively: what the clocks of a history must say, with datetimes and no state to save.

Written from the contract alone and sharing no code with the product. A case is walked once in (occurred_at, event_id)
order; how long a clock has counted is summed up again every time it is asked (`tests.oracles.clock`).
Events are the JSON objects as dicts, the policy is the YAML file as a dict.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.oracles import promises
from tests.oracles.clock import Clock, Reasons
from tests.oracles.contract import DIMS, ZERO, Json, cases_of, parse
from tests.oracles.promises import COMPLAINT_CLOCKS, DEFAULT_CALLBACK, STANDARD_CLOCKS, Changes, Policy


@dataclass
class Case:
    """A case while it is walked. `history` and `complaints` hold the dimensions and the complaint flag after each
    event, `reopenings` the numbers of those that reopened it. `working`: opened, and neither resolved nor closed since.
    """

    policy: Policy
    dims: Json = field(default_factory=lambda: dict.fromkeys(DIMS))
    complaint: bool = False
    opened: datetime | None = None
    working: bool = False
    abandoned: bool = False
    closed: bool = False
    queued: datetime | None = None
    connected: bool = False
    waiting: datetime | None = None
    waiting_for_bot: datetime | None = None
    reasons: Reasons = frozenset()
    pauses: list[tuple[datetime, Reasons]] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    complaints: list[bool] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    reopenings: list[int] = field(default_factory=list)

    # Starting and stopping.

    def match(self) -> Policy:
        """The policy under which the case now falls."""
        return promises.match(self.policy, self.dims, self.complaint)

    def live(self, name: str) -> Clock | None:
        """The clock of that name that has not stopped."""
        return next((c for c in self.clocks if c.name == name and not c.stopped), None)

    def start(self, name: str, at: datetime, carried: timedelta = ZERO) -> None:
        """Starts a clock where the case's policy has it."""
        policy = self.match()
        if name in policy["clocks"]:
            promise = policy["clocks"][name]
            calendar = promise.get("calendar", "always")
            limit = promises.target(self.policy, promise["target"], calendar, at)
            self.add(name, at, policy["name"], promise, calendar, limit, carried=carried)

    def add(
        self, name: str, at: datetime, policy: str, promise: Json, calendar: str, limit: timedelta,
        carried: timedelta = ZERO, ref: str | None = None,
    ) -> None:  # fmt: skip
        seq = sum(c.name == name for c in self.clocks)
        pausing, hours = [(at, frozenset(promise.get("pause_on", ())))], promises.hours(self.policy, calendar)
        clock = Clock(name, seq, policy, calendar, hours, limit, promise, at, self.pauses, pausing, carried, ref)
        self.clocks.append(clock)

    def stop(self, name: str, at: datetime) -> None:
        """Stops the clock of that name where one is live."""
        clock = self.live(name)
        if clock:
            clock.stop(at, self.dims)

    def cancel(self, at: datetime, spared: Iterable[str] = ()) -> None:
        """Cancels whatever is live, but not the clocks spared, and forgets the waiting message."""
        for clock in self.clocks:
            if clock.name not in spared:
                clock.stop(at, self.dims, cancel=True)
        self.waiting = self.waiting_for_bot = None

    def retarget(self, at: datetime) -> None:
        """Live clocks without a verdict get what the policy that now matches promises, from their own start."""
        policy = self.match()
        for clock in self.clocks:
            promise = policy["clocks"].get(clock.name)
            if promise and clock.name != "callback" and not clock.stopped and not clock.breached:
                clock.policy, clock.promise = policy["name"], promise
                clock.calendar = promise.get("calendar", "always")
                clock.hours = promises.hours(self.policy, clock.calendar)
                clock.target = promises.target(self.policy, promise["target"], clock.calendar, clock.started)
                clock.pausing.append((at, frozenset(promise.get("pause_on", ()))))
        self.notice(at)

    def change_policy(self, since: datetime, policy: Policy) -> None:
        """Another policy file comes into force."""
        self.notice(since)
        self.policy = policy
        self.retarget(since)

    def notice(self, now: datetime) -> None:
        """Breaches whatever was due before `now`."""
        for clock in self.clocks:
            clock.notice(now, self.dims)

    # Events.

    def apply(self, event: Json) -> None:
        """One event, in order."""
        at = parse(event["occurred_at"])
        data = event.get("data") or {}
        self.notice(at)
        grumbled = self.complaint
        self.learn(event, data)
        self.history.append(dict(self.dims))
        self.complaints.append(self.complaint)
        self.stop_customs(at, event["type"], data)
        if self.complaint and not grumbled and event["type"] in ("complaint.filed", "contact.opened"):
            self.retarget(at)
        handle: Callable[[datetime, Json], None] | None
        handle = getattr(self, "on_" + event["type"].replace(".", "_"), None)
        if handle:
            handle(at, data)
        self.start_customs(at, event["type"], data)

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

    def stop_customs(self, at: datetime, kind: str, data: Json) -> None:
        """What a custom clock's own policy says stops it; before the event does anything else."""
        for clock in self.clocks:
            if clock.name not in STANDARD_CLOCKS and promises.means(clock.promise["stop"], kind, data):
                clock.stop(at, self.dims)

    def start_customs(self, at: datetime, kind: str, data: Json) -> None:
        """After all else that the event does."""
        for name, promise in self.match()["clocks"].items():
            started = name not in STANDARD_CLOCKS and promises.means(promise.get("start", "contact.opened"), kind, data)
            if started and not self.live(name):
                self.start(name, at)

    def on_contact_opened(self, at: datetime, data: Json) -> None:
        if self.opened:
            return
        self.opened, self.working = at, True
        if not self.connected:
            self.start("connect", self.queued or at)
        for name in ("first_response", "resolution", "update"):
            self.start(name, at)
        if self.waiting:
            self.start("next_response", self.waiting)
        if self.waiting_for_bot:
            self.start("bot_response", self.waiting_for_bot)
        if data.get("complaint"):
            self.on_complaint_filed(at, data)
            self.start_customs(at, "complaint.filed", {})

    def on_contact_queued(self, at: datetime, data: Json) -> None:
        first, self.queued = self.queued is None, self.queued or at
        if not self.opened or self.closed:
            return
        clock = self.live("connect")
        if clock and first:
            self.clocks.remove(clock)
        if not clock or first:
            self.start("connect", at)

    def on_contact_connected(self, at: datetime, data: Json) -> None:
        self.connected = True
        self.stop("connect", at)

    def on_contact_abandoned(self, at: datetime, data: Json) -> None:
        clock = self.live("connect")
        if clock and not clock.breached and clock.elapsed(at) >= clock.target:
            clock.breached = at
        self.abandoned = True
        self.cancel(at)

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
        for name in ("first_response", "next_response", "bot_response", "update"):
            self.stop(name, at)
        if self.working and not self.abandoned:
            self.start("update", at)

    def on_contact_pending(self, at: datetime, data: Json) -> None:
        self.pause(at, self.reasons | {data.get("reason") or "customer"})

    def on_contact_resumed(self, at: datetime, data: Json) -> None:
        self.pause(at, self.reasons - {data["reason"]} if data.get("reason") else frozenset())

    def pause(self, at: datetime, reasons: Reasons) -> None:
        self.reasons = reasons
        self.pauses.append((at, reasons))

    def on_contact_updated(self, at: datetime, data: Json) -> None:
        self.retarget(at)

    def on_contact_resolved(self, at: datetime, data: Json) -> None:
        self.working = False
        self.stop("resolution", at)
        self.cancel(at, spared=("callback", *COMPLAINT_CLOCKS))

    def on_contact_closed(self, at: datetime, data: Json) -> None:
        self.working, self.closed = False, self.opened is not None
        self.cancel(at)

    def on_contact_reopened(self, at: datetime, data: Json) -> None:
        self.pause(at, frozenset())
        if not self.opened or self.live("resolution"):
            return
        self.working, self.closed, self.abandoned = True, False, False
        self.reopenings.append(len(self.history) - 1)
        before = [c for c in self.clocks if c.name == "resolution"]
        mode, carried = self.match().get("reopen", "restart"), ZERO
        if before and before[-1].stopped and mode != "restart":
            carried = before[-1].elapsed(before[-1].stopped)
            carried += before[-1].hours.elapsed(before[-1].stopped, at) if mode == "continue" else ZERO
        self.start("resolution", at, carried)

    def on_complaint_filed(self, at: datetime, data: Json) -> None:
        for name in COMPLAINT_CLOCKS:
            if not self.live(name):
                self.start(name, at)

    def on_complaint_acknowledged(self, at: datetime, data: Json) -> None:
        self.stop("complaint_ack", at)

    def on_complaint_feedback_given(self, at: datetime, data: Json) -> None:
        self.stop("complaint_feedback", at)

    def promises_of(self, callback_id: str) -> list[Clock]:
        """The live call-back clocks of that id."""
        return [c for c in self.clocks if c.name == "callback" and c.ref == callback_id and not c.stopped]

    def on_callback_promised(self, at: datetime, data: Json) -> None:
        policy = self.match()
        moved = next((c for c in self.promises_of(data["callback_id"]) if not c.breached), None)
        promise = policy["clocks"].get("callback")
        if moved and promise is None:
            policy, promise = {"name": moved.policy}, moved.promise
        if promise is None:
            return
        calendar, due = "always", None
        if data.get("due_at"):
            due = max(parse(data["due_at"]), at)
        else:
            calendar = promise.get("calendar", "always")
        limit = due - at if due else promises.target(self.policy, promise.get("target", DEFAULT_CALLBACK), calendar, at)
        if moved:
            due = due or promises.hours(self.policy, calendar).after(at, limit)
            moved.policy, moved.promise = policy["name"], promise
            moved.calendar, moved.hours = "always", promises.hours(self.policy, "always")
            moved.target = due - moved.started
        else:
            self.add("callback", at, policy["name"], promise, calendar, limit, ref=data["callback_id"])

    def on_callback_made(self, at: datetime, data: Json) -> None:
        for clock in self.promises_of(data["callback_id"]):
            clock.stop(at, self.dims)


def walk(events: Iterable[Json], policy: Policy, now: datetime, changes: Changes = ()) -> Case:
    """The case that these events (in order) make, as of `now`. From the instants of `changes` on, before what happens
    at them, other policy files are in force."""
    case, coming = Case(policy), sorted(dict(changes).items())
    for event in events:
        while coming and coming[0][0] <= parse(event["occurred_at"]):
            case.change_policy(*coming.pop(0))
        case.apply(event)
    for since, other in coming:
        if since <= now:
            case.change_policy(since, other)
    case.notice(now)
    return case


def outcomes(events: Iterable[Json], policy: Policy, now: datetime, changes: Changes = ()) -> list[Json]:
    """All outcome records as of `now`, sorted by case, clock and seq."""
    records = []
    for case_id, of_case in cases_of(events).items():
        case = walk(of_case, policy, now, changes)
        records += [clock.record(case_id, now, case.dims) for clock in case.clocks]
    return sorted(records, key=lambda r: (r["case_id"], r["clock"], r["seq"]))
