"""How one fact changes a case: the clock rules and the measures of contract v1, one method per event type.

Every method gets the case after the fact's dimensions were laid over it, so that "the values at the stop" include what
the stopping event brought. What a case contributes to the one-minute slices is booked as it happens; with
`slices.sign` at -1 the same code takes it back.
"""

from collections.abc import Callable

from schemas.metrics import Measure as M
from streams.engine.calendar import Calendar
from streams.engine.case import (
    BREACHED,
    CANCELLED,
    CLOSED,
    MET,
    NEVER,
    NEW,
    OPEN,
    PAGE,
    PAUSED,
    RESOLVED,
    RUNNING,
    Case,
    Clock,
)
from streams.engine.facts import KIND, PAUSE_BIT, Dims, DimsTable, Fact
from streams.engine.policies import CompiledPolicy, PolicyBook
from streams.engine.slices import ClockKeys, Slices, clock_keys

NEGATIVE_BELOW = -0.3
"""A sentiment score below this is negative (metric negative_sentiment_rate)."""

ANSWERED_BY_AGENT = frozenset({"first_response", "next_response", "bot_response"})
"""Clocks that a message of a human ends."""

Rule = Callable[[Case, Fact], None]


class Rules:
    """Applies facts to cases under a policy book."""

    def __init__(self, book: PolicyBook, slices: Slices, table: DimsTable) -> None:
        self._book = book
        self._slices = slices
        self._merge = table.merge
        self._nothing = table.nothing
        self._keys: dict[str, ClockKeys] = {}
        self.withdrawn: list[Clock] = []
        self._limit = book.metrics.answer_within
        self._short = book.metrics.short_abandon
        self._csat_pass = book.metrics.csat_pass
        self._by_kind: list[Rule | None] = [None] * len(KIND)
        for name, rule in {
            "contact.opened": self._opened,
            "contact.queued": self._queued,
            "contact.connected": self._connected,
            "contact.abandoned": self._abandoned,
            "contact.transferred": self._transferred,
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
            "call.wrapped": self._wrapped,
            "survey.submitted": self._surveyed,
            "sentiment.scored": self._scored,
            "quality.audited": self._audited,
            "agent.praised": self._praised,
        }.items():
            self._by_kind[KIND[name]] = rule

    def step(self, case: Case, fact: Fact) -> None:
        """Applies the next fact in order: first the deadlines before it, then its dimensions, then its rule."""
        if case.next_due < fact.t:
            self.advance(case, fact.t)
        if fact.dims is not None:
            dims = self._merge(case.dims, fact.dims)
            if dims is not case.dims:
                case.dims = dims
                for clock in case.live:
                    if clock.dims is None:  # its record shows the case's present values
                        clock.changed = True
        if fact.customer is not None:
            case.customer = fact.customer
        rule = self._by_kind[fact.kind]
        if rule is not None:
            rule(case, fact)

    def advance(self, case: Case, now: int) -> None:
        """Breaches the running clocks due before `now`, dated at their due instant."""
        for clock in case.live:
            if clock.state == RUNNING and clock.due < now:
                self._breach(case, clock)
        self._set_timer(case)

    # Clocks

    def _start(self, case: Case, name: str, t: int, done: int = 0) -> Clock | None:
        policy = self._book.match(case.dims, case.complaint)
        return self._run(case, policy, name, t, done) if name in policy.clocks else None

    def _run(self, case: Case, policy: CompiledPolicy, name: str, t: int, done: int = 0) -> Clock:
        spec = policy.clocks[name]
        seq = 0
        for ended in case.ended:
            if ended.name == name:
                seq += 1
        calendar = spec.calendar
        clock = Clock(name, seq, policy.name, calendar.name, spec.target, spec.pauses, t, t, -1, done, done)
        if case.pausing & spec.pauses:
            clock.since, clock.state = -1, PAUSED
        else:
            clock.due = due = calendar.after(t, spec.target - done) if done < spec.target else t
            if due < case.next_due:
                case.next_due = due
        case.live.append(clock)
        return clock

    def _live(self, case: Case, name: str) -> Clock | None:
        for clock in case.live:
            if clock.name == name:
                return clock
        return None

    def _breach(self, case: Case, clock: Clock) -> None:
        clock.state, clock.dims, clock.changed = BREACHED, case.dims, True
        if clock.due > case.breached_to:
            case.breached_to = clock.due
        self._slices.add(clock.due, case.dims, self._keys_of(clock).breached)

    def _unbreach(self, clock: Clock) -> None:
        assert clock.dims is not None
        self._slices.add(clock.due, clock.dims, self._keys_of(clock).breached, -1)

    def _stop(self, case: Case, clock: Clock, t: int) -> None:
        """Ends a clock that was answered: met, unless it was breached before."""
        keys, elapsed = self._keys_of(clock), self.elapsed(clock, t)
        sign = self._slices.sign
        if clock.state == BREACHED:
            if clock.dims is not case.dims:
                self._unbreach(clock)
                self._breach(case, clock)
            counts = self._slices.at(clock.due, case.dims)
            counts[keys.late] = counts.get(keys.late, 0) + sign
        else:
            if clock.state == PAUSED:
                clock.due = self._due(clock, t)
            clock.state = MET
            counts = self._slices.at(t, case.dims)
            counts[keys.met] = counts.get(keys.met, 0) + sign
        counts[keys.elapsed_ms] = counts.get(keys.elapsed_ms, 0) + sign * elapsed
        self._end(case, clock, t, elapsed)

    def _cancel(self, case: Case, clock: Clock, t: int) -> None:
        """Ends a clock that nobody needs to answer any more; what is breached stays breached."""
        if clock.state == BREACHED:
            self._stop(case, clock, t)
            return
        elapsed = self.elapsed(clock, t)
        if clock.state == PAUSED:
            clock.due = self._due(clock, t)
        clock.state = CANCELLED
        self._slices.add(t, case.dims, self._keys_of(clock).cancelled)
        self._end(case, clock, t, elapsed)

    def _end(self, case: Case, clock: Clock, t: int, elapsed: int) -> None:
        clock.done, clock.since, clock.stopped = elapsed, -1, t
        clock.dims, clock.changed = case.dims, True
        case.live.remove(clock)
        case.ended.append(clock)
        if clock.due <= case.next_due:
            self._set_timer(case)

    def _stop_named(self, case: Case, name: str, t: int) -> None:
        clock = self._live(case, name)
        if clock is not None:
            self._stop(case, clock, t)

    def _cancel_all(self, case: Case, t: int) -> None:
        for clock in case.live[:]:
            self._cancel(case, clock, t)

    def elapsed(self, clock: Clock, t: int) -> int:
        """What has elapsed at t, not before the clock last began to run."""
        return clock.done if clock.since < 0 else clock.done + self._calendar(clock).elapsed(clock.since, t)

    def _keys_of(self, clock: Clock) -> ClockKeys:
        keys = self._keys.get(clock.name)
        if keys is None:
            keys = self._keys[clock.name] = clock_keys(clock.name)
        return keys

    def _calendar(self, clock: Clock) -> Calendar:
        return self._book.calendars[clock.calendar]

    def _due(self, clock: Clock, resumed: int = -1) -> int:
        """The instant at which elapsed reaches the target: within a run before a pause, else in the present one.

        `resumed` stands for the present run's beginning where the clock is paused; without it, a target that the runs
        so far do not reach is never due.
        """
        calendar, left = self._calendar(clock), clock.target - clock.carried
        if left < 0:
            return clock.started
        for begin, end in clock.runs:
            due = calendar.after(begin, left)
            if due < end:  # used up just as the pause begins, a target is not yet exceeded: it is due when that ends
                return due
            left -= calendar.elapsed(begin, end)
        since = clock.since if clock.since >= 0 else resumed
        return NEVER if since < 0 else calendar.after(since, left)

    def _set_timer(self, case: Case) -> None:
        due = NEVER
        for clock in case.live:
            if clock.state == RUNNING and clock.due < due:
                due = clock.due
        case.next_due = due

    # The contact

    def _opened(self, case: Case, fact: Fact) -> None:
        if case.opened >= 0:
            return
        t = fact.t
        case.opened, case.phase = t, OPEN
        if fact.data is not None and fact.data[0]:
            self._becomes_complaint(case, t)
        self._slices.add(t, case.dims, M.OPENED)
        # Facts may precede the opening (clocks of two systems differ): what waits already waits from then.
        policy = self._book.match(case.dims, case.complaint)
        for name, start in (
            ("connect", -1 if case.connected >= 0 else case.queued if case.queued >= 0 else t),
            ("first_response", t),
            ("resolution", t),
            ("next_response", case.waiting),
            ("bot_response", case.waiting_bot),
        ):
            if start >= 0 and name in policy.clocks:
                clock = self._run(case, policy, name, start)
                if start < t:
                    self._replay_pauses(case, clock, fact)

    def _replay_pauses(self, case: Case, clock: Clock, opening: Fact) -> None:
        """Lets a clock that started before the case was opened see the pauses until then."""
        clock.since, clock.done, clock.state, clock.due = clock.started, 0, RUNNING, clock.started
        pausing = 0
        for fact in case.facts.values():
            if fact is opening:
                break
            pausing = _pausing_after(pausing, fact)
            self._hold(clock, max(fact.t, clock.started), pausing)
        if clock.state == RUNNING:
            clock.due = self._due(clock)
        self._breach_if_passed(case, clock, opening.t)
        self._set_timer(case)

    def _queued(self, case: Case, fact: Fact) -> None:
        first = case.queued < 0
        if first:
            case.queued = fact.t
        if case.phase in (NEW, CLOSED):
            return
        clock = self._live(case, "connect")
        if clock is not None:
            if not first:
                return
            # Until now the wait counted from the opening; it begins here.
            if clock.state == BREACHED:
                self._unbreach(clock)
            case.live.remove(clock)
            self._set_timer(case)
        if self._start(case, "connect", fact.t) is None and clock is not None:
            self.withdrawn.append(clock)  # the policy of the queue does not promise a connection

    def _connected(self, case: Case, fact: Fact) -> None:
        t = fact.t
        if case.connected < 0:
            case.connected = t
            self._book_abandonment(case, -1)
            wait = self._wait(case, t)
            if wait is not None:
                counts, sign = self._slices.at(t, case.dims), self._slices.sign
                counts[M.CONNECTED] = counts.get(M.CONNECTED, 0) + sign
                counts[M.CONNECT_WAIT_MS] = counts.get(M.CONNECT_WAIT_MS, 0) + sign * wait
                if wait <= self._limit:
                    counts[M.CONNECTED_IN_LIMIT] = counts.get(M.CONNECTED_IN_LIMIT, 0) + sign
        self._stop_named(case, "connect", t)

    def _abandoned(self, case: Case, fact: Fact) -> None:
        t = fact.t
        if case.abandoned < 0:
            case.abandoned = t
            wait = self._wait(case, t)
            if wait is not None and case.connected < 0:
                case.abandoned_dims, case.abandoned_wait = case.dims, wait
                self._book_abandonment(case, 1)
        clock = self._live(case, "connect")
        if clock is not None and clock.state != BREACHED and self.elapsed(clock, t) >= clock.target:
            clock.due = t
            self._breach(case, clock)  # "cancelled if before due": at the due instant it is too late
        self._nothing_waits(case)
        self._cancel_all(case, t)

    def _book_abandonment(self, case: Case, n: int) -> None:
        """Counts an abandonment, or takes it back: a contact that a human took after all was not abandoned."""
        t, dims, wait = case.abandoned, case.abandoned_dims, case.abandoned_wait
        if dims is None:
            return
        self._slices.add(t, dims, M.ABANDONED, n)
        if wait <= self._limit:
            self._slices.add(t, dims, M.ABANDONED_IN_LIMIT, n)
        if wait <= self._short:
            self._slices.add(t, dims, M.ABANDONED_SHORT, n)
        if n < 0:
            case.abandoned_dims = None

    def _wait(self, case: Case, t: int) -> int | None:
        since = case.queued if case.queued >= 0 else case.opened
        return None if since < 0 else t - since

    def _transferred(self, case: Case, fact: Fact) -> None:
        self._slices.add(fact.t, case.dims, M.TRANSFERS)

    def _pauses(self, case: Case, fact: Fact) -> None:
        case.pausing = _pausing_after(case.pausing, fact)
        for clock in case.live:
            self._hold(clock, fact.t, case.pausing)
        self._set_timer(case)

    def _hold(self, clock: Clock, t: int, pausing: int) -> None:
        """Pauses or resumes a clock at t as the reasons that hold demand, a breached one too."""
        if pausing & clock.pauses:
            if clock.since >= 0:
                if clock.since < t:
                    clock.runs = (*clock.runs, (clock.since, t))
                clock.done, clock.since, clock.changed = self.elapsed(clock, t), -1, True
                if clock.state == RUNNING:
                    clock.state = PAUSED
        elif clock.since < 0:
            clock.since, clock.changed = t, True
            if clock.state == PAUSED:
                clock.state = RUNNING
                clock.due = self._due(clock)

    def _breach_if_passed(self, case: Case, clock: Clock, t: int) -> None:
        """Breaches a clock that began, or was given a target, beyond its time: its deadline does not lie ahead."""
        if clock.state != BREACHED and self.elapsed(clock, t) > clock.target:
            clock.due = self._due(clock)
            self._breach(case, clock)

    def _updated(self, case: Case, fact: Fact) -> None:
        if fact.data is not None and fact.data[3] is not None:
            if fact.data[3]:
                self._becomes_complaint(case, fact.t)
            else:
                case.complaint = False
        policy = self._book.match(case.dims, case.complaint)
        for clock in case.live:
            spec = policy.clocks.get(clock.name)
            if spec is None or clock.state == BREACHED:
                continue
            clock.policy, clock.target, clock.changed = policy.name, spec.target, True
            clock.calendar, clock.pauses = spec.calendar.name, spec.pauses
            self._hold(clock, fact.t, case.pausing)
            if clock.state == RUNNING:
                clock.due = self._due(clock)
            self._breach_if_passed(case, clock, fact.t)
        self.advance(case, fact.t)

    def _resolved(self, case: Case, fact: Fact) -> None:
        t = fact.t
        if case.opened >= 0:
            if case.resolved_dims is not None:  # resolved again after a reopening: the last one counts
                self._book_resolution(case, case.resolved_dims, -1)
            case.resolved, case.resolved_dims = t, case.dims
            self._book_resolution(case, case.dims, 1)
        self._nothing_waits(case)
        if case.phase in (NEW, CLOSED):
            return
        case.phase = RESOLVED
        self._stop_named(case, "resolution", t)
        self._cancel_all(case, t)

    def _book_resolution(self, case: Case, dims: Dims, n: int) -> None:
        counts, n = self._slices.at(case.resolved, dims), n * self._slices.sign
        counts[M.RESOLVED] = counts.get(M.RESOLVED, 0) + n
        counts[M.RESOLUTION_MS] = counts.get(M.RESOLUTION_MS, 0) + n * (case.resolved - case.opened)

    def _reopened(self, case: Case, fact: Fact) -> None:
        self._pauses(case, fact)  # the ball is in our court again
        if case.opened < 0 or self._live(case, "resolution") is not None:
            return
        t = fact.t
        if not case.reopened:
            case.reopened = True
            self._slices.add(t, case.dims, M.REOPENED)
        self._book_abandonment(case, -1)
        case.phase, case.abandoned = OPEN, -1
        before = next((c for c in reversed(case.ended) if c.name == "resolution"), None)
        done = 0
        if before is not None:
            mode = self._book.match(case.dims, case.complaint).reopen
            if mode != "restart":
                done = before.done
            if mode == "continue":
                done += self._calendar(before).elapsed(before.stopped, t)
        clock = self._start(case, "resolution", t, done)
        if clock is not None:
            self._breach_if_passed(case, clock, t)
            self._set_timer(case)

    def _closed(self, case: Case, fact: Fact) -> None:
        self._nothing_waits(case)
        if case.phase == NEW:
            return
        case.phase = CLOSED
        self._cancel_all(case, fact.t)

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
        if case.phase == NEW or not (for_human or for_bot):
            return
        policy = self._book.match(case.dims, case.complaint)
        if for_human and "next_response" in policy.clocks:
            self._run(case, policy, "next_response", t)
        if for_bot and "bot_response" in policy.clocks:
            self._run(case, policy, "bot_response", t)

    def _agent_said(self, case: Case, fact: Fact) -> None:
        t = fact.t
        self._nothing_waits(case)
        if case.answered < 0 and case.opened >= 0:
            case.answered = t
            self._slices.add(t, case.dims, M.FIRST_RESPONSES)
            self._slices.add(t, case.dims, M.FIRST_RESPONSE_MS, t - case.opened)
        for clock in case.live[:]:
            if clock.name in ANSWERED_BY_AGENT:
                self._stop(case, clock, t)
        self._said(case, fact, M.TEMPLATE_SAID, M.TEMPLATE_USED)

    def _bot_said(self, case: Case, fact: Fact) -> None:
        case.waiting_bot = -1
        self._stop_named(case, "bot_response", fact.t)
        self._said(case, fact, M.BOT_SAID, M.BOT_RECOGNIZED)

    def _nothing_waits(self, case: Case) -> None:
        case.waiting = case.waiting_bot = -1

    # What is counted only

    def _said(self, case: Case, fact: Fact, asked: str, yes: str, field: int = 0) -> None:
        """Counts a yes/no field: once as asked where it is given, once as yes where it is true."""
        answer = None if fact.data is None else fact.data[field]
        if answer is not None:
            self._slices.add(fact.t, case.dims, asked)
            if answer:
                self._slices.add(fact.t, case.dims, yes)

    def _complained(self, case: Case, fact: Fact) -> None:
        self._becomes_complaint(case, fact.t)

    def _becomes_complaint(self, case: Case, t: int) -> None:
        case.complaint = True
        if not case.complained:
            case.complained = True
            self._slices.add(t, case.dims, M.COMPLAINTS)

    def _wrapped(self, case: Case, fact: Fact) -> None:
        parts = fact.data or ()
        self._slices.add(fact.t, case.dims, M.HANDLED)
        self._slices.add(fact.t, case.dims, M.HANDLE_MS, sum(round(float(p or 0) * 1000) for p in parts))

    def _surveyed(self, case: Case, fact: Fact) -> None:
        t, dims, add = fact.t, case.dims, self._slices.add
        csat, nps, ces = (int(v) if v is not None else None for v in (fact.data or (None,) * 4)[:3])
        add(t, dims, M.SURVEYS)
        if csat is not None:
            add(t, dims, M.CSAT_ANSWERS)
            add(t, dims, M.CSAT_SUM, csat)
            if csat >= self._csat_pass:
                add(t, dims, M.CSAT_PASSED)
        if nps is not None:
            add(t, dims, M.NPS_ANSWERS)
            if nps >= 9:
                add(t, dims, M.NPS_PROMOTERS)
            elif nps <= 6:
                add(t, dims, M.NPS_DETRACTORS)
        if ces is not None:
            add(t, dims, M.CES_ANSWERS)
            add(t, dims, M.CES_SUM, ces)

    def _scored(self, case: Case, fact: Fact) -> None:
        self._slices.add(fact.t, case.dims, M.SCORED)
        if fact.data is not None and float(fact.data[0] or 0) < NEGATIVE_BELOW:
            self._slices.add(fact.t, case.dims, M.SCORED_NEGATIVE)

    def _audited(self, case: Case, fact: Fact) -> None:
        self._said(case, fact, M.AUDITED_CLASSIFICATION, M.CLASSIFIED_CORRECTLY)
        self._said(case, fact, M.AUDITED_CONSISTENCY, M.CONSISTENT, field=1)

    def _praised(self, case: Case, fact: Fact) -> None:
        # On an agent's page each event stands for itself: it inherits nothing from the one before.
        own = case.id.startswith(PAGE)
        self._slices.add(fact.t, (fact.dims or self._nothing) if own else case.dims, M.PRAISES)


PENDING, RESUMED, REOPENED = (KIND[f"contact.{name}"] for name in ("pending", "resumed", "reopened"))


def _pausing_after(pausing: int, fact: Fact) -> int:
    """The pause reasons that hold after a fact, of those that held before."""
    kind = fact.kind
    if kind == REOPENED:
        return 0
    if kind not in (PENDING, RESUMED):
        return pausing
    reason = None if fact.data is None else fact.data[0]
    if kind == PENDING:
        return pausing | PAUSE_BIT[str(reason or "customer")]
    return pausing & ~PAUSE_BIT[str(reason)] if reason else 0
