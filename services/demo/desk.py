"""A team at work: seats that contacts occupy, and the line before them."""

import math
from collections import deque
from random import Random
from typing import Any

from services.demo.world import Agent, Team

SPARE = 1.3
"""Seats beyond the mean load, in square roots of the load: the square-root rule of call-centre staffing. 1.3 lets about
nine calls in ten be answered at once or nearly so."""
SHORT_STAFFED = 0.55
"""The share of its seats that a team has while it is short-staffed."""


class Ticket:
    """A place in a line. `settled` once an agent came or the customer left."""

    __slots__ = ("desk", "first", "patience_ms", "settled", "waiter")

    def __init__(self, desk: "Desk", patience_ms: int | None, first: bool = False) -> None:
        self.desk = desk
        self.patience_ms = patience_ms
        self.first = first
        self.settled = False
        self.waiter: Any = None


class Desk:
    """One team's seats and line. Important customers go first, otherwise first come, first served."""

    __slots__ = ("_agents", "_first", "_rest", "_rng", "busy", "load", "name", "seats")

    def __init__(self, team: Team, rng: Random) -> None:
        self.name = team.name
        self.load = team.load
        self.seats = 0
        self.busy = 0
        self._agents = team.agents
        self._rng = rng
        self._first: deque[Ticket] = deque()
        self._rest: deque[Ticket] = deque()

    def staff(self, contacts_per_s: float, short: bool) -> None:
        """Sets the seats for the traffic expected now. What is under way above that is finished."""
        expected = self.load * contacts_per_s
        seats = expected + SPARE * math.sqrt(expected)
        self.seats = max(1, math.ceil(seats * (SHORT_STAFFED if short else 1.0)))

    def take(self) -> Agent | None:
        """Somebody with a free hand, or None. The less busy of two people drawn by chance."""
        if self.busy >= self.seats:
            return None
        self.busy += 1
        one, other = self._rng.choice(self._agents), self._rng.choice(self._agents)
        agent = one if one.open_cases <= other.open_cases else other
        agent.open_cases += 1
        return agent

    def release(self, agent: Agent) -> None:
        """The contact is off the agent's hands."""
        self.busy -= 1
        agent.open_cases -= 1

    def join(self, ticket: Ticket) -> None:
        """At the end of the line."""
        (self._first if ticket.first else self._rest).append(ticket)

    def next(self) -> Ticket | None:
        """Who is served next where a seat is free: taken out of the line."""
        if self.busy >= self.seats:
            return None
        for line in (self._first, self._rest):
            while line:
                ticket = line.popleft()
                if not ticket.settled:
                    return ticket
        return None
