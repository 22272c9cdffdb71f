"""How one fact changes a case: the clock rules of contract v1, one method per event type.

Every method gets the case after the fact's dimensions were laid over it, so that "the values at the stop" include what
the stopping event brought. How clocks run is `clocks.py`, what else is counted `measures.py`.
"""

from collections.abc import Callable

from streams.engine.case import BREACHED, CLOSED, NEW, OPEN, RESOLVED, Case, Clock
from streams.engine.clocks import Clocks, live
from streams.engine.facts import KIND, DimsTable, Fact
from streams.engine.measures import Measures
from streams.engine.pauses import pausing_after
from streams.engine.policies import CompiledPolicy, Key, PolicyBook
from streams.engine.slices import Slices

ANSWERED_BY_AGENT = frozenset({"first_response", "next_response", "bot_response", "update"})
"""Clocks that a message of a human ends."""

OUTLIVE_RESOLUTION = frozenset({"complaint_ack", "complaint_feedback", "callback"})
"""Clocks that contact.resolved leaves running."""

Rule = Callable[[Case, Fact], None]


class Rules:
    """Applies facts to cases under a policy book. `withdrawn` gathers clocks that a fact took away."""

    def __init__(self, book: PolicyBook, slices: Slices, table: DimsTable) -> None:
        self._book = book
        self._merge = table.merge
        self.clocks = Clocks(book, slices)
        self._measures = measures = Measures(book, slices, table.nothing)
        self.withdrawn: list[Clock] = []
        self._by_kind: list[Rule | None] = [None] * len(KIND)
        rules: dict[str, Rule] = {
            "contact.opened": self._opened,
            "contact.queued": self._queued,
            "contact.connected": self._connected,
            "contact.abandoned": self._abandoned,
            "contact.transferred": lambda case, fact: measures.transferred(case, fact.t),
            "contact.pending": self._pauses,
            "contact.resumed": self._pauses,
            "contact.updated": self._updated,
            "contact.resolved": self._resolved,
            "contact.reopened": self._reopened,
            "contact.closed": self._closed,
            "message.customer": self._customer_said,
            "message.agent": self._agent_said,
            "message.bot": self._bot_said,
            "complaint.filed": self._complained,
            "complaint.acknowledged": lambda case, fact: self.clocks.stop_named(case, "complaint_ack", fact.t),
            "complaint.feedback_given": lambda case, fact: self.clocks.stop_named(case, "complaint_feedback", fact.t),
            "callback.promised": self._promised,
            "callback.made": self._called_back,
            "call.wrapped": measures.wrapped,
            "survey.submitted": measures.surveyed,
            "sentiment.scored": measures.scored,
            "quality.audited": measures.audited,
            "agent.praised": measures.praised,
            "suggestion.adopted": measures.adopted,
        }
        for name, rule in rules.items():
            self._by_kind[KIND[name]] = rule

    def step(self, case: Case, fact: Fact, event_id: str) -> None:
        """Applies the next fact in order: first what came due before it, then its dimensions, then its rule."""
        if case.next_alarm < fact.t:
            self.advance(case, fact.t)
        while case.next_change <= fact.t:
            self._change_policy(case)
        self.clocks.cause = event_id
        if fact.dims is not None:
            dims = self._merge(case.dims, fact.dims)
            if dims is not case.dims:
                case.dims, case.restate = dims, True
                for clock in case.live:
                    if clock.dims is None:  # its record shows the case's present values
                        clock.changed, clock.cause = True, event_id
        if fact.customer is not None and fact.customer != case.customer:
            self._measures.customer(case, fact.customer)
            case.restate = True
        trigger = _key(fact) if fact.kind in self._book.triggers else None
        if trigger is not None:
            self._stop_custom(case, fact, trigger)
        rule = self._by_kind[fact.kind]
        if rule is not None:
            rule(case, fact)
        if trigger is not None:
            self._start_custom(case, fact, trigger)
        if case.is_open is not bool(len(case.spans) & 1):
            case.spans.append(fact.t)
            case.restate = True

    def advance(self, case: Case, now: int) -> None:
        """Time passes: warnings, breaches and new policies up to `now`, each at its instant."""
        self.clocks.cause = None
        while case.next_change < now:
            self.clocks.advance(case, case.next_change)
            self._change_policy(case)
        self.clocks.advance(case, now)

    def _change_policy(self, case: Case) -> None:
        """Another policy file comes into force. A fact dated before comes too late to be simply applied."""
        since, self.clocks.cause = case.next_change, None
        case.judged_to = max(case.judged_to, since - 1)
        case.next_change = self._book.change_after(since)
        self.clocks.retarget(case, since)

    def _policy(self, case: Case, t: int) -> CompiledPolicy:
        return self._book.match(case.dims, case.complaint, t)

    # The contact

    def _opened(self, case: Case, fact: Fact) -> None:
        if case.opened >= 0:
            return
        t = fact.t
        case.opened, case.phase = t, OPEN
        complaint = fact.data is not None and bool(fact.data[0])
        if complaint:
            self._becomes_complaint(case, t)
        self._measures.opened(case, t)
        # Facts may precede the opening (clocks of two systems differ): what waits already waits from then.
        policy = self._policy(case, t)
        for name, start in (
            ("connect", -1 if case.connected >= 0 else case.queued if case.queued >= 0 else t),
            ("first_response", t),
            ("resolution", t),
            ("update", t),
            ("next_response", case.waiting),
            ("bot_response", case.waiting_bot),
        ):
            spec = policy.clocks.get(name)
            if start >= 0 and spec is not None:
                clock = self.clocks.run(case, spec, start)
                if start < t:
                    self.clocks.backdate(case, clock, _pauses_before(case, fact), t)
        if complaint:  # as if it were filed right then
            self._promise_complaint(case, t)
            self._start_custom(case, fact, COMPLAINT_FILED)

    def _queued(self, case: Case, fact: Fact) -> None:
        first = case.queued < 0
        if first:
            case.queued, case.restate = fact.t, True
        if case.phase in (NEW, CLOSED):
            return
        clock = live(case, "connect")
        if clock is not None:
            if not first:
                return
            self.clocks.drop(case, clock)  # until now the wait counted from the opening; it begins here
        if self.clocks.start(case, "connect", fact.t) is None and clock is not None:
            self.withdrawn.append(clock)  # the policy of the queue does not promise a connection

    def _connected(self, case: Case, fact: Fact) -> None:
        self._measures.human(case)
        if case.connected < 0:
            case.connected, case.restate = fact.t, True
            self._measures.connected(case, fact.t)
        self.clocks.stop_named(case, "connect", fact.t)

    def _abandoned(self, case: Case, fact: Fact) -> None:
        t = fact.t
        if case.abandoned < 0:
            case.abandoned = t
            self._measures.abandoned(case, t)
        case.left = case.phase == OPEN
        clock = live(case, "connect")
        if clock is not None and clock.state != BREACHED and self.clocks.elapsed(clock, t) >= clock.target:
            self.clocks.breach_at(case, clock, t)  # "cancelled if before due": at the due instant it is too late
        self._nothing_waits(case)
        self._cancel(case, t)

    def _pauses(self, case: Case, fact: Fact) -> None:
        case.pausing = pausing_after(case.pausing, fact)
        for clock in case.live:
            self.clocks.hold(clock, fact.t, case.pausing)
        self.clocks.set_timer(case)

    def _updated(self, case: Case, fact: Fact) -> None:
        complaint = None if fact.data is None else fact.data[3]
        if complaint:
            self._becomes_complaint(case, fact.t)
        elif complaint is not None:
            case.complaint = False
        self.clocks.retarget(case, fact.t)

    def _resolved(self, case: Case, fact: Fact) -> None:
        t = fact.t
        if case.opened >= 0:
            self._measures.resolved(case, t)
            case.restate = True
        self._nothing_waits(case)
        if case.phase not in (NEW, CLOSED):
            case.phase = RESOLVED
        self.clocks.stop_named(case, "resolution", t)
        self._cancel(case, t, OUTLIVE_RESOLUTION)

    def _reopened(self, case: Case, fact: Fact) -> None:
        self._pauses(case, fact)  # the ball is in our court again
        if case.opened < 0 or live(case, "resolution") is not None:
            return
        t = fact.t
        self._measures.reopened(case, t)
        case.phase, case.abandoned, case.left = OPEN, -1, False
        before = next((c for c in reversed(case.ended) if c.name == "resolution"), None)
        done = 0
        if before is not None:
            mode = self._policy(case, t).reopen
            if mode != "restart":
                done = before.done
            if mode == "continue":
                done += before.spec.calendar.elapsed(before.stopped, t)
        clock = self.clocks.start(case, "resolution", t, done)
        if clock is not None:
            self.clocks.breach_if_passed(case, clock, t)
            self.clocks.set_timer(case)

    def _closed(self, case: Case, fact: Fact) -> None:
        self._nothing_waits(case)
        if case.phase != NEW:
            case.phase = CLOSED
        self._cancel(case, fact.t)

    def _cancel(self, case: Case, t: int, but: frozenset[str] = frozenset()) -> None:
        for clock in case.live[:]:
            if clock.name not in but:
                self.clocks.cancel(case, clock, t)

    # Messages

    def _customer_said(self, case: Case, fact: Fact) -> None:
        if case.phase == CLOSED:
            return
        t = fact.t
        for_human, for_bot = case.waiting < 0, case.waiting_bot < 0
        if for_human:
            case.waiting = t
        if for_bot:
            case.waiting_bot = t
        if case.phase == NEW:
            return
        if for_human:
            self.clocks.start(case, "next_response", t)
        if for_bot:
            self.clocks.start(case, "bot_response", t)

    def _agent_said(self, case: Case, fact: Fact) -> None:
        t = fact.t
        self._nothing_waits(case)
        self._measures.human(case)
        if case.answered < 0 and case.opened >= 0:
            case.answered, case.restate = t, True
            self._measures.first_response(case, t)
        for clock in case.live[:]:
            if clock.name in ANSWERED_BY_AGENT:
                self.clocks.stop(case, clock, t)
        if case.phase == OPEN and case.abandoned < 0:
            self.clocks.start(case, "update", t)
        self._measures.agent_said(case, fact)

    def _bot_said(self, case: Case, fact: Fact) -> None:
        case.waiting_bot = -1
        self.clocks.stop_named(case, "bot_response", fact.t)
        self._measures.bot_said(case, fact)

    def _nothing_waits(self, case: Case) -> None:
        case.waiting = case.waiting_bot = -1

    # Complaints, promises, milestones

    def _complained(self, case: Case, fact: Fact) -> None:
        category = None if fact.data is None else fact.data[0]
        if category is not None and category != case.complaint_category:
            case.complaint_category, case.restate = str(category), True
        self._becomes_complaint(case, fact.t)
        self._promise_complaint(case, fact.t)

    def _becomes_complaint(self, case: Case, t: int) -> None:
        self._measures.complaint(case, t)
        if not case.complaint:
            case.complaint = True
            self.clocks.retarget(case, t)

    def _promise_complaint(self, case: Case, t: int) -> None:
        for name in ("complaint_ack", "complaint_feedback"):
            if live(case, name) is None:
                self.clocks.start(case, name, t)

    def _promised(self, case: Case, fact: Fact) -> None:
        assert fact.data is not None
        ref, due, t = str(fact.data[0]), fact.data[1], fact.t
        spec = self._policy(case, t).clocks.get("callback")
        for clock in case.live:
            if clock.ref == ref and clock.state != BREACHED:  # promised again: the new time holds
                spec = spec or clock.spec
                self.clocks.postpone(case, clock, t, spec, spec.due_from(t) if due is None else int(due))
                return
        if spec is not None:
            clock = self.clocks.run(case, spec, t)
            clock.ref = ref
            if due is not None:
                self.clocks.postpone(case, clock, t, spec, int(due))

    def _called_back(self, case: Case, fact: Fact) -> None:
        assert fact.data is not None
        for clock in case.live[:]:
            if clock.ref == fact.data[0]:
                self.clocks.stop(case, clock, fact.t)

    def _stop_custom(self, case: Case, fact: Fact, key: Key) -> None:
        """Stops the custom clocks that wait for this event, before whatever else it does cancels them."""
        for clock in case.live[:]:
            if clock.spec.stop == key:
                self.clocks.stop(case, clock, fact.t)

    def _start_custom(self, case: Case, fact: Fact, key: Key) -> None:
        """Starts the custom clocks that begin with this event, after all else it does."""
        for spec in self._policy(case, fact.t).starts.get(key, ()):
            if live(case, spec.name) is None:
                self.clocks.run(case, spec, fact.t)


MILESTONE = KIND["milestone.reached"]
COMPLAINT_FILED: Key = (KIND["complaint.filed"], None)


def _key(fact: Fact) -> Key:
    return fact.kind, str(fact.data[0]) if fact.kind == MILESTONE and fact.data is not None else None


def _pauses_before(case: Case, opening: Fact) -> list[tuple[int, int]]:
    """What paused a case before it was opened: (from when on, which reasons)."""
    pauses, pausing = [], 0
    for fact in case.facts.values():
        if fact is opening:
            break
        pausing = pausing_after(pausing, fact)
        pauses.append((fact.t, pausing))
    return pauses
