"""What events count towards besides clocks: the measures of `schemas.metrics`, booked into the one-minute slices.

With `slices.sign` at -1 the same code takes back what a case contributed.
"""

from schemas.metrics import Duration as D
from schemas.metrics import Measure as M
from streams.engine.case import PAGE, Case
from streams.engine.facts import Dims, Fact
from streams.engine.policies import PolicyBook
from streams.engine.slices import Slices, customer_key

ALWAYS = "always"
"""The name of the calendar that never closes."""

NEGATIVE_BELOW = -0.3
"""A sentiment score below this is negative (metric negative_sentiment_rate)."""


class Measures:
    """Books what a case contributes to the slices besides how its clocks end."""

    def __init__(self, book: PolicyBook, slices: Slices, nothing: Dims) -> None:
        self._book = book
        self._slices = slices
        self._nothing = nothing

    # The contact

    def opened(self, case: Case, t: int) -> None:
        """A case came into being."""
        case.opened_dims = case.dims
        self._slices.add(t, case.dims, M.OPENED)
        if case.customer is not None:
            self._slices.add(t, case.dims, customer_key(case.customer))

    def customer(self, case: Case, customer: str) -> None:
        """Its customer became known, or turned out to be another one: what it added counts for that one."""
        self._resolution(case, -1)
        before, case.customer = case.customer, customer
        self._resolution(case, 1)
        if case.opened_dims is not None:
            if before is not None:
                self._slices.add(case.opened, case.opened_dims, customer_key(before), -1)
            self._slices.add(case.opened, case.opened_dims, customer_key(customer))

    def connected(self, case: Case, t: int) -> None:
        """A human took it for the first time."""
        self.abandonment(case, -1)
        wait = _wait(case, t)
        if wait is not None:
            counts, sign = self._slices.at(t, case.dims), self._slices.sign
            counts[M.CONNECTED] = counts.get(M.CONNECTED, 0) + sign
            self._slices.measure(t, case.dims, D.CONNECT_WAIT, wait)
            if wait <= self._book.metrics(t).answer_within:
                counts[M.CONNECTED_IN_LIMIT] = counts.get(M.CONNECTED_IN_LIMIT, 0) + sign

    def abandoned(self, case: Case, t: int) -> None:
        """The customer left before a human came."""
        wait = _wait(case, t)
        if wait is not None and case.connected < 0:
            case.abandoned_dims, case.abandoned_wait = case.dims, wait
            self.abandonment(case, 1)

    def abandonment(self, case: Case, n: int) -> None:
        """Counts an abandonment, or takes it back: a contact that a human took after all was not abandoned."""
        t, dims, wait = case.abandoned, case.abandoned_dims, case.abandoned_wait
        if dims is None:
            return
        limits = self._book.metrics(t)
        self._slices.add(t, dims, M.ABANDONED, n)
        self._slices.measure(t, dims, D.ABANDON_WAIT, wait, n)
        if wait <= limits.answer_within:
            self._slices.add(t, dims, M.ABANDONED_IN_LIMIT, n)
        if wait <= limits.short_abandon:
            self._slices.add(t, dims, M.ABANDONED_SHORT, n)
        if n < 0:
            case.abandoned_dims = None

    def transferred(self, case: Case, t: int) -> None:
        """It was handed on."""
        self._slices.add(t, case.dims, M.TRANSFERS)

    def first_response(self, case: Case, t: int) -> None:
        """A human answered for the first time."""
        self._slices.add(t, case.dims, M.FIRST_RESPONSES)
        self._slices.measure(t, case.dims, D.FIRST_RESPONSE, t - case.opened)
        business = self._business(case, "first_response", t)
        if business >= 0:
            self._slices.add(t, case.dims, M.FIRST_RESPONSES_BUSINESS)
            self._slices.measure(t, case.dims, D.FIRST_RESPONSE_BUSINESS, business)

    def _business(self, case: Case, clock: str, t: int) -> int:
        """Open time from opening to t by the calendar of that clock; -1 where the case has none but 24x7."""
        spec = self._book.match(case.dims, case.complaint, t).clocks.get(clock)
        if spec is None or spec.calendar.name == ALWAYS:
            return -1
        return spec.calendar.elapsed(case.opened, t)

    def resolved(self, case: Case, t: int) -> None:
        """It was resolved; where it had been before, the last time counts."""
        self._resolution(case, -1)
        case.resolved, case.resolved_dims = t, case.dims
        case.resolved_business = self._business(case, "resolution", t)
        self._resolution(case, 1)

    def _resolution(self, case: Case, n: int) -> None:
        """Counts all that is told at the time of the resolution, or takes it back before something of it changes."""
        dims, t = case.resolved_dims, case.resolved
        if dims is None:
            return
        add, measure = self._slices.add, self._slices.measure
        add(t, dims, M.RESOLVED, n)
        measure(t, dims, D.RESOLUTION, t - case.opened, n)
        if case.resolved_business >= 0:
            add(t, dims, M.RESOLVED_BUSINESS, n)
            measure(t, dims, D.RESOLUTION_BUSINESS, case.resolved_business, n)
        if case.customer is not None:
            add(t, dims, M.RESOLVED_OF_KNOWN, n)
        if case.reopened:
            add(t, dims, M.RESOLVED_REOPENED, n)
        if case.bot_at >= 0 and not case.human:
            add(t, dims, M.BOT_CONTAINED, n)

    def reopened(self, case: Case, t: int) -> None:
        """It came back; counted once a case."""
        if not case.reopened:
            self._resolution(case, -1)
            case.reopened = True
            self._resolution(case, 1)
            self._slices.add(t, case.dims, M.REOPENED)
        self.abandonment(case, -1)

    def human(self, case: Case) -> None:
        """A human took part: whatever a bot did, it was not contained."""
        if not case.human:
            self._resolution(case, -1)
            case.human = True
            self._resolution(case, 1)

    def complaint(self, case: Case, t: int) -> None:
        """It became a complaint; counted once a case."""
        if not case.complained:
            case.complained, case.complained_at, case.restate = True, t, True
            self._slices.add(t, case.dims, M.COMPLAINTS)

    # What is said of it

    def agent_said(self, case: Case, fact: Fact) -> None:
        """message.agent: whether a template was used."""
        self._said(case, fact, M.TEMPLATE_SAID, M.TEMPLATE_USED)

    def bot_said(self, case: Case, fact: Fact) -> None:
        """message.bot: whether it understood; the first one makes the case one that a bot had."""
        if case.bot_at < 0:
            self._resolution(case, -1)
            case.bot_at = fact.t
            self._resolution(case, 1)
            self._slices.add(fact.t, case.dims, M.BOT_CASES)
        self._said(case, fact, M.BOT_SAID, M.BOT_RECOGNIZED)

    def wrapped(self, case: Case, fact: Fact) -> None:
        """call.wrapped: what the call cost."""
        parts = fact.data or ()
        self._slices.add(fact.t, case.dims, M.HANDLED)
        self._slices.measure(fact.t, case.dims, D.HANDLE, sum(round(float(p or 0) * 1000) for p in parts))

    def surveyed(self, case: Case, fact: Fact) -> None:
        """survey.submitted."""
        t, dims, add = fact.t, case.dims, self._slices.add
        csat, nps, ces = (int(v) if v is not None else None for v in (fact.data or (None,) * 4)[:3])
        add(t, dims, M.SURVEYS)
        if csat is not None:
            add(t, dims, M.CSAT_ANSWERS)
            add(t, dims, M.CSAT_SUM, csat)
            add(t, dims, M.CSAT_SQUARES, csat * csat)
            if csat >= self._book.metrics(t).csat_pass:
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
            add(t, dims, M.CES_SQUARES, ces * ces)

    def scored(self, case: Case, fact: Fact) -> None:
        """sentiment.scored."""
        self._slices.add(fact.t, case.dims, M.SCORED)
        if fact.data is not None and float(fact.data[0] or 0) < NEGATIVE_BELOW:
            self._slices.add(fact.t, case.dims, M.SCORED_NEGATIVE)

    def audited(self, case: Case, fact: Fact) -> None:
        """quality.audited."""
        self._said(case, fact, M.AUDITED_CLASSIFICATION, M.CLASSIFIED_CORRECTLY)
        self._said(case, fact, M.AUDITED_CONSISTENCY, M.CONSISTENT, field=1)

    def praised(self, case: Case, fact: Fact) -> None:
        """agent.praised."""
        self._of_agent(case, fact, M.PRAISES)

    def adopted(self, case: Case, fact: Fact) -> None:
        """suggestion.adopted."""
        self._of_agent(case, fact, M.SUGGESTIONS)

    def _of_agent(self, case: Case, fact: Fact, measure: str) -> None:
        # On an agent's page each event stands for itself: it inherits nothing from the one before.
        own = case.id.startswith(PAGE)
        self._slices.add(fact.t, (fact.dims or self._nothing) if own else case.dims, measure)

    def _said(self, case: Case, fact: Fact, asked: str, yes: str, field: int = 0) -> None:
        """Counts a yes/no field: once as asked where it is given, once as yes where it is true."""
        answer = None if fact.data is None else fact.data[field]
        if answer is not None:
            self._slices.add(fact.t, case.dims, asked)
            if answer:
                self._slices.add(fact.t, case.dims, yes)


def _wait(case: Case, t: int) -> int | None:
    since = case.queued if case.queued >= 0 else case.opened
    return None if since < 0 else t - since
