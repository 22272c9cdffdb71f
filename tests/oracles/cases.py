"""Cases event by event: what was known after each, for all that is counted of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tests.oracles.contract import Json, cases_of, parse
from tests.oracles.engine import walk
from tests.oracles.promises import Changes, Policy


class Seen(NamedTuple):
    """An event's time, the case's dimensions after it, the event, and whether the case is then a complaint."""

    at: datetime
    dims: Json
    event: Json
    complaint: bool


@dataclass(frozen=True)
class Story:
    """One case: its events in order, and the places of those that reopened it."""

    case_id: str
    seen: list[Seen]
    reopenings: list[int]

    def first(self, kind: str, since: int = 0, until: int | None = None) -> int | None:
        """The place of the first event of a type within seen[since:until]."""
        places = range(since, len(self.seen) if until is None else until)
        return next((n for n in places if self.seen[n].event["type"] == kind), None)

    def has(self, kind: str) -> bool:
        """Whether any event is of that type."""
        return self.first(kind) is not None

    @property
    def opening(self) -> int | None:
        """The place of the first contact.opened; repeated ones say nothing."""
        return self.first("contact.opened")

    @property
    def resolution(self) -> Seen | None:
        """The last contact.resolved that follows the opening."""
        if self.opening is None:
            return None
        return next((s for s in self.seen[: self.opening : -1] if s.event["type"] == "contact.resolved"), None)

    @property
    def customer(self) -> str | None:
        """The latest known customer_id."""
        told = (s.event.get("customer_id") for s in reversed(self.seen))
        return next((one for one in told if one is not None), None)

    @property
    def dims(self) -> Json:
        """The latest known dimensions."""
        return self.seen[-1].dims


def stories(events: Iterable[Json], policy: Policy, changes: Changes = ()) -> list[Story]:
    """All cases of a history."""
    return [_story(case_id, of_case, policy, changes) for case_id, of_case in cases_of(events).items()]


def _story(case_id: str, events: list[Json], policy: Policy, changes: Changes) -> Story:
    case = walk(events, policy, parse(events[-1]["occurred_at"]), changes)
    known = zip(events, case.history, case.complaints, strict=True)
    seen = [Seen(parse(event["occurred_at"]), dims, event, complaint) for event, dims, complaint in known]
    return Story(case_id, seen, case.reopenings)
