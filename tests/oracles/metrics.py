"""Every metric of a history by windows, groups and filters, from nothing but the events and the policy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.oracles import agents
from tests.oracles.backlog import open_cases
from tests.oracles.cases import stories
from tests.oracles.contacts import Fact, clock_facts, facts
from tests.oracles.contract import Json
from tests.oracles.customers import Customer, contacts, customer_facts, customers_of
from tests.oracles.engine import outcomes
from tests.oracles.formulas import Answer, OpenCase, answers
from tests.oracles.promises import Changes, Policy

Group = tuple[Any, ...]
Metrics = dict[str, dict[Group, Answer]]
"""Answers by id and by the values of the dimensions asked for."""
Where = Mapping[str, Any]
"""Dimensions and the value, or list of values, that they must have."""


class Reading:
    """A history read once, to be asked for many windows. Agents' time counts up to stream time `now`."""

    def __init__(self, events: Iterable[Json], policy: Policy, now: datetime, changes: Changes = ()) -> None:
        listed = list(events)
        self.now = now
        self.stories = stories(listed, policy, changes)
        self.records = outcomes(listed, policy, now, changes)
        known = contacts(self.stories, policy, changes)
        self.customers: list[Customer] = list(customers_of(known))
        self.facts: list[Fact] = [
            *facts(listed, policy, changes),
            *customer_facts(known),
            *agents.facts(listed, now),
            *clock_facts(self.records),
        ]

    def open_at(self, at: datetime) -> list[OpenCase]:
        """The cases open at an instant."""
        return list(open_cases(self.stories, at))

    def metrics(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Sequence[str] = (),
        where: Where | None = None,
    ) -> Metrics:
        """All metrics over what happened in [since, until), whole minutes, and over what was open at `until`, or now
        if that is earlier. Without a group there is one answer, else one a group in which anything happened. By clock,
        or for some, there is only compliance."""
        told: dict[Group, tuple[list[Fact], list[str], list[OpenCase]]] = {}
        if not by:
            told[()] = ([], [], [])

        def sort_in(one: Any, dims: Json, into: Callable[[tuple[Any, ...]], list[Any]]) -> None:
            if _fits(dims, where or {}) and all(name in dims for name in by):
                into(told.setdefault(tuple(dims[name] for name in by), ([], [], []))).append(one)

        for fact in self.facts:
            if _within(fact[0], since, until):
                sort_in(fact, fact[1], lambda lists: lists[0])
        for at, dims, customer in self.customers:
            if _within(at, since, until):
                sort_in(customer, dims, lambda lists: lists[1])
        for case in self.open_at(self.now if until is None else min(until, self.now)):
            sort_in(case, case.dims, lambda lists: lists[2])
        found: Metrics = {}
        for group, lists in told.items():
            for id, answer in answers(*lists).items():
                if id == "sla_compliance" or "clock" not in (*by, *(where or {})):
                    found.setdefault(id, {})[group] = answer
        return found


def _within(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or since <= at) and (until is None or at < until)


def _fits(dims: Json, where: Where) -> bool:
    return all(
        name in dims and dims[name] in (wanted if isinstance(wanted, list | tuple) else [wanted])
        for name, wanted in where.items()
    )


def metrics(
    events: Iterable[Json],
    policy: Policy,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    by: Sequence[str] = (),
    where: Where | None = None,
    changes: Changes = (),
) -> Metrics:
    """One window of a history; see `Reading.metrics`."""
    return Reading(events, policy, now, changes).metrics(since, until, by, where)


def summary(events: Iterable[Json], policy: Policy, now: datetime, changes: Changes = ()) -> dict[str, Answer]:
    """All metrics over a whole history, by id."""
    return {id: groups[()] for id, groups in metrics(events, policy, now, changes=changes).items()}
