"""How clocks run: start, pause, target, warning, breach, end. Which event does what stands in `rules.py`.

Elapsed is the open time of the clock's calendar in the stretches it ran. A clock is due at the first instant at which
elapsed reaches the target, and breached when stream time passes that instant, dated there whenever it is noticed.
"""

from streams.engine.calendar import NEVER
from streams.engine.case import BREACHED, CANCELLED, MET, PAUSED, RUNNING, Case, Clock
from streams.engine.policies import ClockSpec, PolicyBook
from streams.engine.slices import ClockKeys, Slices, clock_keys


class Clocks:
    """Runs the clocks of cases under a policy book, and books how they end. `cause` is the event being applied."""

    def __init__(self, book: PolicyBook, slices: Slices) -> None:
        self._book = book
        self._slices = slices
        self._keys: dict[str, ClockKeys] = {}
        self.cause: str | None = None

    # Begin and end

    def start(self, case: Case, name: str, t: int, done: int = 0) -> Clock | None:
        """Starts a clock where the policy that now holds for the case promises it."""
        spec = self._book.match(case.dims, case.complaint, t).clocks.get(name)
        return None if spec is None else self.run(case, spec, t, done)

    def run(self, case: Case, spec: ClockSpec, t: int, done: int = 0) -> Clock:
        """Starts a clock with `done` ms elapsed already."""
        clock = Clock(spec.name, _next_seq(case, spec.name), spec, spec.target_from(t), t, t, -1, done, done,
                      cause=self.cause)  # fmt: skip
        if case.pausing & spec.pauses:
            clock.since, clock.state = -1, PAUSED
        else:
            clock.due = self._reached(clock, clock.target)
            self._set_alarm(clock, t)
        case.live.append(clock)
        case.next_alarm = min(case.next_alarm, case.next_change, clock.alarm)
        return clock

    def postpone(self, case: Case, clock: Clock, t: int, spec: ClockSpec, due: int) -> None:
        """Promises an instant instead, at t: a time already past is due at once. No calendar stops such a clock."""
        clock.spec, clock.due = spec.exact, max(due, t)
        clock.target = clock.due - clock.started
        self._mark(clock)
        self._set_alarm(clock, t)
        self.set_timer(case)

    def stop(self, case: Case, clock: Clock, t: int) -> None:
        """Ends a clock that was answered: met, unless it was breached before."""
        keys, elapsed = self._keys_of(clock), self.elapsed(clock, t)
        sign = self._slices.sign
        if clock.state == BREACHED:
            if clock.dims is not case.dims:
                self.unbreach(clock)
                self._breach(case, clock)
            counts = self._slices.at(clock.due, case.dims)
            counts[keys.late] = counts.get(keys.late, 0) + sign
        else:
            if clock.state == PAUSED:
                clock.due = self._reached(clock, clock.target, t)
            clock.state = MET
            counts = self._slices.at(t, case.dims)
            counts[keys.met] = counts.get(keys.met, 0) + sign
        counts[keys.elapsed_ms] = counts.get(keys.elapsed_ms, 0) + sign * elapsed
        self._end(case, clock, t, elapsed)

    def cancel(self, case: Case, clock: Clock, t: int) -> None:
        """Ends a clock that nobody needs to answer any more; what is breached stays breached."""
        if clock.state == BREACHED:
            self.stop(case, clock, t)
            return
        elapsed = self.elapsed(clock, t)
        if clock.state == PAUSED:
            clock.due = self._reached(clock, clock.target, t)
        clock.state = CANCELLED
        self._slices.add(t, case.dims, self._keys_of(clock).cancelled)
        self._end(case, clock, t, elapsed)

    def drop(self, case: Case, clock: Clock) -> None:
        """Takes a live clock away as if it had never been."""
        if clock.state == BREACHED:
            self.unbreach(clock)
        case.live.remove(clock)
        self.set_timer(case)

    def _end(self, case: Case, clock: Clock, t: int, elapsed: int) -> None:
        warns = clock.spec.warns
        if warns and (clock.state == BREACHED or elapsed >= round(warns[0] * clock.target)):
            clock.warned, clock.share = self.warning(clock, t)
        alarm = clock.alarm
        clock.done, clock.since, clock.stopped, clock.alarm = elapsed, -1, t, NEVER
        clock.dims = case.dims
        self._mark(clock)
        case.live.remove(clock)
        case.ended.append(clock)
        if alarm <= case.next_alarm or not case.live:
            self.set_timer(case)

    def stop_named(self, case: Case, name: str, t: int) -> None:
        """Stops the live clock of this name, where there is one."""
        clock = live(case, name)
        if clock is not None:
            self.stop(case, clock, t)

    # Time

    def advance(self, case: Case, now: int) -> None:
        """Warns and breaches the running clocks whose time came before `now`, dated at their instants."""
        for clock in case.live:
            if clock.alarm < now and clock.state == RUNNING:
                if clock.due < now:
                    self._breach(case, clock)
                else:
                    self._mark(clock)
                    self._set_alarm(clock, now)
        self.set_timer(case)

    def set_timer(self, case: Case) -> None:
        """The case's next alarm, its clocks' earliest; with live clocks also where a new policy comes into force."""
        alarm = case.next_change if case.live else NEVER
        for clock in case.live:
            if clock.alarm < alarm and clock.state == RUNNING:
                alarm = clock.alarm
        case.next_alarm = alarm

    def _set_alarm(self, clock: Clock, t: int) -> None:
        """When a running clock next warns, not before t, or breaches."""
        clock.alarm = clock.due
        for share in clock.spec.warns:
            at = self._reached(clock, round(share * clock.target))
            if at >= t:
                clock.alarm = min(at, clock.due)
                return

    def warning(self, clock: Clock, now: int) -> tuple[int, float]:
        """The last warning of a live clock before `now` and its share of the target; -1 and 0 where there is none."""
        warns = clock.spec.warns
        breached = clock.state == BREACHED
        if not warns or not (breached or now - clock.started + clock.carried > warns[0] * clock.target - 1):
            return -1, 0.0  # no calendar counts faster than time passes
        for share in reversed(warns):
            at = self._reached(clock, round(share * clock.target))
            if (breached or at < now) and (clock.due < 0 or at <= clock.due):
                return at, share
        return -1, 0.0

    def elapsed(self, clock: Clock, t: int) -> int:
        """What has elapsed at t, not before the clock last began to run."""
        return clock.done if clock.since < 0 else clock.done + clock.spec.calendar.elapsed(clock.since, t)

    def _reached(self, clock: Clock, span: int, resumed: int = -1) -> int:
        """The instant at which elapsed reaches `span`: within a run before a pause, else in the present one.

        `resumed` stands for the present run's beginning where the clock is paused; without it, a span that the runs so
        far do not reach is never reached.
        """
        calendar, left = clock.spec.calendar, span - clock.carried
        if left <= 0:
            return clock.started
        for begin, end in clock.runs:
            at = calendar.after(begin, left)
            if at <= end:  # a pause that begins just as the target is used up comes too late, like closing time
                return at
            left -= calendar.elapsed(begin, end)
        since = clock.since if clock.since >= 0 else resumed
        return NEVER if since < 0 else calendar.after(since, left)

    # Verdicts and changes

    def _breach(self, case: Case, clock: Clock) -> None:
        clock.state, clock.dims, clock.alarm = BREACHED, case.dims, NEVER
        self._mark(clock)
        if clock.due > case.judged_to:
            case.judged_to = clock.due
        self._slices.add(clock.due, case.dims, self._keys_of(clock).breached)

    def unbreach(self, clock: Clock) -> None:
        """Takes a breach out of the slices."""
        assert clock.dims is not None
        self._slices.add(clock.due, clock.dims, self._keys_of(clock).breached, -1)

    def breach_at(self, case: Case, clock: Clock, t: int) -> None:
        """Breaches a clock at t, whatever is left of its target."""
        clock.due = t
        self._breach(case, clock)

    def breach_if_passed(self, case: Case, clock: Clock, t: int) -> None:
        """Breaches a clock that began, or was given a target, beyond its time: its deadline does not lie ahead."""
        if clock.state != BREACHED:
            due = clock.due if clock.ref is not None else self._reached(clock, clock.target)
            if due < t or self.elapsed(clock, t) > clock.target:
                clock.due = due
                self._breach(case, clock)

    def hold(self, clock: Clock, t: int, pausing: int) -> None:
        """Pauses or resumes a clock at t as the reasons that hold demand, a breached one too."""
        if pausing & clock.spec.pauses:
            if clock.since >= 0:
                if clock.since < t:
                    clock.runs = (*clock.runs, (clock.since, t))
                clock.done, clock.since = self.elapsed(clock, t), -1
                self._mark(clock)
                if clock.state == RUNNING and clock.due > t:  # else it is due now, and waits for nothing but a stop
                    clock.state = PAUSED
        elif clock.since < 0:
            clock.since = t
            self._mark(clock)
            if clock.state == PAUSED:
                clock.state = RUNNING
                clock.due = self._reached(clock, clock.target)
                self._set_alarm(clock, t)

    def retarget(self, case: Case, t: int) -> None:
        """Gives the clocks without a verdict what the policy that now holds promises, counted from their own start.

        A clock that this policy does not have runs on, and one that only it has is not started. A call-back stays due
        as promised.
        """
        policy = self._book.match(case.dims, case.complaint, t)
        for clock in case.live:
            spec = policy.clocks.get(clock.name)
            if spec is None or clock.state == BREACHED or clock.ref is not None:
                continue
            clock.spec, clock.target = spec, spec.target_from(clock.started)
            clock.done = clock.carried + sum(spec.calendar.elapsed(begin, end) for begin, end in clock.runs)
            self._mark(clock)
            self.hold(clock, t, case.pausing)
            due = self._reached(clock, clock.target)
            if clock.since < 0:
                clock.state = RUNNING if due <= t else PAUSED
            if clock.state == RUNNING:
                clock.due = due
                self._set_alarm(clock, t)
            self.breach_if_passed(case, clock, t)
        self.set_timer(case)

    def backdate(self, case: Case, clock: Clock, pauses: list[tuple[int, int]], t: int) -> None:
        """Lets a clock that began before it was known see the pauses since then: (from when, which reasons)."""
        clock.since, clock.done, clock.state = clock.started, 0, RUNNING
        clock.due = self._reached(clock, clock.target)
        for at, pausing in pauses:
            self.hold(clock, max(at, clock.started), pausing)
        if clock.state == RUNNING:
            clock.due = self._reached(clock, clock.target)
            self._set_alarm(clock, t)
        self.breach_if_passed(case, clock, t)
        self.set_timer(case)

    def _mark(self, clock: Clock) -> None:
        clock.changed, clock.cause = True, self.cause

    def _keys_of(self, clock: Clock) -> ClockKeys:
        keys = self._keys.get(clock.name)
        if keys is None:
            keys = self._keys[clock.name] = clock_keys(clock.name)
        return keys


def live(case: Case, name: str) -> Clock | None:
    """The live clock of this name, the first where there are several."""
    for clock in case.live:
        if clock.name == name:
            return clock
    return None


def _next_seq(case: Case, name: str) -> int:
    seq = 0
    for clock in case.ended:
        if clock.name == name:
            seq += 1
    for clock in case.live:
        if clock.name == name:
            seq += 1
    return seq
