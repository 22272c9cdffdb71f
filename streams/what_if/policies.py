"""Two policy files side by side: the same questions to both, and whether the answers are the same."""

from functools import lru_cache

from schemas.event import EVENT_TYPES
from schemas.policy import Policy, PolicyFile
from streams.engine.facts import KIND, Dims
from streams.engine.policies import CompiledPolicy, PolicyBook

CLOCKLESS = frozenset(
    KIND[name]
    for name in (
        "contact.transferred", "message.internal", "milestone.reached", "call.wrapped", "survey.submitted",
        "sentiment.scored", "followup.verified", "quality.audited", "agent.state", "agent.praised",
        "suggestion.adopted",
    )
)  # fmt: skip
"""Events that no standard clock heeds."""
IDEMPOTENT = frozenset(KIND[name] for name in ("message.customer", "message.bot"))
"""Events that tell clocks nothing right after another one of their kind: who waits, waits; who was answered, was."""


class Pair:
    """The books of two policy files. `base.agrees` turns False once they answer a question differently."""

    def __init__(self, base: PolicyFile, new: PolicyFile) -> None:
        base, new = without_warnings(base), without_warnings(new)
        self.new = PolicyBook(new)
        self.base = _Compared(base, self.new, new)
        # An event that only one of them heeds must lead both to ask.
        self.base.triggers |= self.new.triggers
        self.new.triggers = self.base.triggers
        clocks = {name for file in (base, new) for policy in file.policies for name in policy.clocks}
        silent = CLOCKLESS if "bot_response" in clocks else CLOCKLESS | {KIND["message.bot"]}
        self.ignored = [kind in silent - self.base.triggers for kind in range(len(EVENT_TYPES))]
        self.repeatable = [kind in IDEMPOTENT - self.base.triggers for kind in range(len(EVENT_TYPES))]


class _Compared(PolicyBook):
    """A book that asks another one too.

    How a case's clocks run depends on the policy through `match` alone. So where both books give the same answers to
    every question that one fold asks, the other fold would ask the same ones and end the same: it can be spared.
    """

    def __init__(self, file: PolicyFile, other: PolicyBook, other_file: PolicyFile) -> None:
        super().__init__(file)
        self.agrees = True
        self._other = other
        self._is_same = lru_cache(maxsize=None)(lambda one, two: _promise_the_same(file, one, other_file, two))
        self._answers: tuple[dict[Dims, tuple[CompiledPolicy, bool]], ...] = ({}, {})

    def match(self, dims: Dims, complaint: bool, t: int) -> CompiledPolicy:
        """As of any book; notes where the other one answers differently."""
        answers = self._answers[complaint]
        known = answers.get(dims)
        if known is None:
            if len(answers) > 200_000:
                answers.clear()
            found = super().match(dims, complaint, t)
            same = self._is_same(found.name, self._other.match(dims, complaint, t).name)
            known = answers[dims] = found, same
        if not known[1]:
            self.agrees = False
        return known[0]

    def forget(self) -> None:
        """Drops remembered answers."""
        super().forget()
        for answers in self._answers:
            answers.clear()


def without_warnings(file: PolicyFile) -> PolicyFile:
    """The same promises without warnings, which no verdict depends on and which cost a tenth of a fold."""
    policies = [
        policy.model_copy(
            update={"clocks": {name: clock.model_copy(update={"warn_at": []}) for name, clock in policy.clocks.items()}}
        )
        for policy in file.policies
    ]
    return file.model_copy(update={"policies": policies})


def _promise_the_same(one_file: PolicyFile, one: str, two_file: PolicyFile, two: str) -> bool:
    """Whether policies of two files, given by name, promise the same clocks under the same name."""
    if one != two:
        return False
    first, second = _named(one_file, one), _named(two_file, two)
    if first.clocks != second.clocks or first.reopen != second.reopen:
        return False
    calendars = {clock.calendar for clock in first.clocks.values()}
    return all(one_file.calendars.get(name) == two_file.calendars.get(name) for name in calendars - {"always"})


def _named(file: PolicyFile, name: str) -> Policy:
    return next(policy for policy in file.policies if policy.name == name)
