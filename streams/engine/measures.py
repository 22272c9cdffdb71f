"""What events count towards besides clocks: the measures of `schemas.metrics`, booked into the one-minute slices.

With `slices.sign` at -1 the same code takes back what a case contributed.
"""

from schemas.metrics import Measure as M
from streams.engine.case import PAGE, Case
from streams.engine.facts import Dims, Fact
from streams.engine.policies import PolicyBook
from streams.engine.slices import Slices

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
        self._slices.add(t, case.dims, M.OPENED)

    def connected(self, case: Case, t: int) -> None:
        """A human took it for the first time."""
        self.abandonment(case, -1)
        wait = _wait(case, t)
        if wait is not None:
            counts, sign = self._slices.at(t, case.dims), self._slices.sign
            counts[M.CONNECTED] = counts.get(M.CONNECTED, 0) + sign
            counts[M.CONNECT_WAIT_MS] = counts.get(M.CONNECT_WAIT_MS, 0) + sign * wait
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
        self._slices.add(t, case.dims, M.FIRST_RESPONSE_MS, t - case.opened)

    def resolved(self, case: Case, t: int) -> None:
        """It was resolved; where it had been before, the last time counts."""
        if case.resolved_dims is not None:
            self._resolution(case, case.resolved_dims, -1)
        case.resolved, case.resolved_dims = t, case.dims
        self._resolution(case, case.dims, 1)

    def _resolution(self, case: Case, dims: Dims, n: int) -> None:
        counts, n = self._slices.at(case.resolved, dims), n * self._slices.sign
        counts[M.RESOLVED] = counts.get(M.RESOLVED, 0) + n
        counts[M.RESOLUTION_MS] = counts.get(M.RESOLUTION_MS, 0) + n * (case.resolved - case.opened)

    def reopened(self, case: Case, t: int) -> None:
        """It came back; counted once a case."""
        if not case.reopened:
            case.reopened = True
            self._slices.add(t, case.dims, M.REOPENED)
        self.abandonment(case, -1)

    def complaint(self, case: Case, t: int) -> None:
        """It became a complaint; counted once a case."""
        if not case.complained:
            case.complained = True
            self._slices.add(t, case.dims, M.COMPLAINTS)

    # What is said of it

    def agent_said(self, case: Case, fact: Fact) -> None:
        """message.agent: whether a template was used."""
        self._said(case, fact, M.TEMPLATE_SAID, M.TEMPLATE_USED)

    def bot_said(self, case: Case, fact: Fact) -> None:
        """message.bot: whether it understood."""
        self._said(case, fact, M.BOT_SAID, M.BOT_RECOGNIZED)

    def wrapped(self, case: Case, fact: Fact) -> None:
        """call.wrapped: what the call cost."""
        parts = fact.data or ()
        self._slices.add(fact.t, case.dims, M.HANDLED)
        self._slices.add(fact.t, case.dims, M.HANDLE_MS, sum(round(float(p or 0) * 1000) for p in parts))

    def surveyed(self, case: Case, fact: Fact) -> None:
        """survey.submitted."""
        t, dims, add = fact.t, case.dims, self._slices.add
        csat, nps, ces = (int(v) if v is not None else None for v in (fact.data or (None,) * 4)[:3])
        add(t, dims, M.SURVEYS)
        if csat is not None:
            add(t, dims, M.CSAT_ANSWERS)
            add(t, dims, M.CSAT_SUM, csat)
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
        # On an agent's page each event stands for itself: it inherits nothing from the one before.
        own = case.id.startswith(PAGE)
        self._slices.add(fact.t, (fact.dims or self._nothing) if own else case.dims, M.PRAISES)

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
