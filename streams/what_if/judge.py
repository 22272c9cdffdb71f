"""One case's verdicts under one policy file: the rules of the stream's engine, without its book-keeping."""

from streams.engine.case import Case
from streams.engine.facts import Dims, DimsTable, Fact
from streams.engine.policies import PolicyBook
from streams.engine.rules import Rules
from streams.engine.slices import Counts, Slices


class NoSlices(Slices):
    """Sums nothing: only verdicts are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._nowhere: Counts = {}

    def add(self, t: int, dims: Dims, key: str, n: int = 1) -> None:
        """Does nothing."""

    def measure(self, t: int, dims: Dims, duration: str, ms: int, n: int = 1) -> None:
        """Does nothing."""

    def at(self, t: int, dims: Dims) -> Counts:
        """Counts that nobody reads."""
        return self._nowhere


class Judge:
    """Judges cases under a policy book as of stream time `now` (ms)."""

    def __init__(self, book: PolicyBook, table: DimsTable, now: int) -> None:
        self._rules = Rules(book, NoSlices(), table)
        self._nothing = table.nothing
        self._now = now

    def judge(self, case_id: str, facts: dict[str, Fact]) -> Case:
        """The case that facts, in order, add up to."""
        case = Case(case_id, facts, 0, 0, self._nothing)
        step = self._rules.step
        for event_id, fact in facts.items():
            step(case, fact, event_id)
        if case.next_alarm < self._now:
            self._rules.advance(case, self._now)
        self._rules.withdrawn.clear()
        return case
