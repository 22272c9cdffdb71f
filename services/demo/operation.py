"""A simulated service operation: the same seed and start give the same events, in whatever steps it is run.

Time is handed in; nothing here reads a clock. Contacts are coroutines (`services.demo.journey`) that sleep in one
queue of things to come, and wait in the lines of teams whose seats are limited, so that waits grow by themselves when a
team is short-staffed or a channel surges.
"""

import heapq
from bisect import bisect_right
from collections.abc import Generator
from datetime import datetime
from itertools import accumulate
from random import Random
from typing import Any

from schemas.times import text
from services.demo import journey
from services.demo.desk import Desk, Ticket
from services.demo.rhythm import ZONE, DayShape, Incident, Incidents, Trouble, is_month_end, is_weekend
from services.demo.world import CATEGORIES, CHANNELS, Agent, Channel, build_teams

EVENTS_PER_CONTACT = 13.2
"""Measured over a simulated day; it turns a rate of events into one of contacts."""
SURGE = 2.5
_LATE_SHARE, _TWICE_SHARE = 0.012, 0.004
_FEED_LATE_SHARE = 0.6
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"

Event = dict[str, Any]
Waiting = Generator[int | Ticket, Any, None]


class Operation:
    """The operation from `start_ms` on, at about `rate` events/s averaged over a day."""

    def __init__(self, seed: int, start_ms: int, rate: float = 30.0) -> None:
        self.rng = Random(f"{seed}/{start_ms}")
        self.now = start_ms
        self.incident: Incident | None = None
        self._contacts_per_s = rate / EVENTS_PER_CONTACT
        self._shape = DayShape()
        self._incidents = Incidents(seed)
        # The people are the seed's, so that a new start meets the same teams.
        teams = build_teams(Random(seed))
        self.desks = {name: Desk(team, self.rng) for name, team in teams.items()}
        # Cases of different starts must never share an id, so each start has letters of its own in them.
        letters = Random(f"{seed}/{start_ms}/id")
        self._mark = "".join(letters.choice(_LETTERS) for _ in range(3))
        self._cases = 0
        self._agent_events = 0
        self._tasks: list[tuple[int, int, Waiting | None, Any]] = []
        self._order = 0
        self._out: list[Event] = []
        self._day = (0, "")
        self._arrivals_per_s = 0.0
        self._channel_bounds: list[float] = []
        self._category_bounds: list[float] = []
        self._categories = list(CATEGORIES)
        self.start(self._every_minute())
        self.start(self._arrivals())
        self.start(self._first_shift([agent for team in teams.values() for agent in team.agents]))

    def advance(self, until_ms: int) -> list[Event]:
        """What is delivered up to and including `until_ms`, in the order of delivery.

        Nearly all of it in the order of `occurred_at`; about one event in a hundred arrives seconds to minutes late and
        a few arrive twice.
        """
        out = self._out
        tasks = self._tasks
        while tasks and tasks[0][0] <= until_ms:
            self.now, _, task, value = heapq.heappop(tasks)
            if task is None:
                out.append(value)
            elif type(value) is not Ticket:
                self._run(task, value)
            elif not value.settled:
                value.settled = True
                self._run(task, None)
        self.now = max(self.now, until_ms)
        self._out = []
        return out

    def start(self, task: Waiting) -> None:
        """Lets a coroutine begin at this instant. It yields milliseconds to sleep, or a `Ticket` to wait for an agent
        (it is sent the agent, or None where patience ran out)."""
        self._push(self.now, task, None)

    def release(self, desk: Desk, agent: Agent) -> None:
        """An agent is done with a contact; who waits is served."""
        desk.release(agent)
        if agent.open_cases == 0:
            self._agent_state(agent, "available")
        self._serve(desk)

    def new_case_id(self) -> str:
        """An id nobody has had, e.g. C-20261122-KRT00123, dated in Shanghai."""
        day = (self.now + 8 * 3_600_000) // _DAY_MS
        if self._day[0] != day:
            self._day = (day, datetime.fromtimestamp(self.now / 1000, ZONE).strftime("%Y%m%d"))
        self._cases += 1
        return f"C-{self._day[1]}-{self._mark}{self._cases:05d}"

    def trouble(self, kind: Trouble, where: str) -> bool:
        """Whether `where` has trouble of this kind now."""
        return self.incident is not None and self.incident.trouble is kind and self.incident.where == where

    def deliver(self, event: Event, channel: str = "") -> None:
        """Hands an event over: at once, late, or twice."""
        chance = self.rng.random()
        late = _LATE_SHARE
        if self.incident is not None and channel and self.trouble(Trouble.FEED_LATE, channel):
            late = _FEED_LATE_SHARE
        if chance < late:
            self._push(self.now + round(min(self.rng.lognormvariate(10.0, 1.0), 240_000)), None, event)
            return
        self._out.append(event)
        if chance > 1 - _TWICE_SHARE:
            self._push(self.now + self.rng.randrange(500, 60_000), None, event)

    def agent_event(self, agent: Agent, type_: str, data: dict[str, Any] | None = None) -> None:
        """Says something about an agent that belongs to no case."""
        self._agent_events += 1
        event: Event = {
            "event_id": f"A-{self._mark}{self._agent_events:06d}-{agent.id}",
            "type": type_,
            "occurred_at": text(self.now),
            "agent_id": agent.id,
            "team": agent.team,
        }
        if data:
            event["data"] = data
        self.deliver(event)

    def _agent_state(self, agent: Agent, state: str) -> None:
        self.agent_event(agent, "agent.state", {"state": state})

    def _push(self, at_ms: int, task: Waiting | None, value: Any) -> None:
        self._order += 1
        heapq.heappush(self._tasks, (at_ms, self._order, task, value))

    def _run(self, task: Waiting, value: Any) -> None:
        try:
            while True:
                wish = task.send(value)
                if type(wish) is int:
                    self._push(self.now + wish, task, None)
                    return
                assert isinstance(wish, Ticket)
                agent = wish.desk.take()
                if agent is None:
                    wish.waiter = task
                    wish.desk.join(wish)
                    if wish.patience_ms is not None:
                        self._push(self.now + wish.patience_ms, task, wish)
                    return
                self._busy(agent)
                value = agent
        except StopIteration:
            return

    def _serve(self, desk: Desk) -> None:
        while (ticket := desk.next()) is not None:
            agent = desk.take()
            assert agent is not None
            ticket.settled = True
            self._busy(agent)
            self._push(self.now, ticket.waiter, agent)

    def _busy(self, agent: Agent) -> None:
        if agent.open_cases == 1:
            self._agent_state(agent, "busy")

    def _every_minute(self) -> Waiting:
        while True:
            expected = self._contacts_per_s * self._shape.at(self.now)
            incident = self.incident = self._incidents.at(self.now)
            surge = incident.where if incident and incident.trouble is Trouble.SURGE else ""
            shares = [self._share(channel) * (SURGE if channel.name == surge else 1.0) for channel in CHANNELS]
            usual = sum(self._share(channel) for channel in CHANNELS)
            self._arrivals_per_s = expected * sum(shares) / usual
            self._channel_bounds = list(accumulate(share / sum(shares) for share in shares))
            weights = [weight * self._season(name) for name, weight in CATEGORIES.items()]
            self._category_bounds = list(accumulate(weight / sum(weights) for weight in weights))
            for name, desk in self.desks.items():
                desk.staff(expected, self.trouble(Trouble.SHORT_STAFFED, name))
                self._serve(desk)
            yield _MINUTE_MS - self.now % _MINUTE_MS

    def _share(self, channel: Channel) -> float:
        return channel.weekend if is_weekend(self.now) else channel.weekday

    def _season(self, category: str) -> float:
        return 1.8 if category == "billing" and is_month_end(self.now) else 1.0

    def _arrivals(self) -> Waiting:
        rng = self.rng
        while True:
            yield round(rng.expovariate(self._arrivals_per_s) * 1000)
            channel = CHANNELS[min(bisect_right(self._channel_bounds, rng.random()), len(CHANNELS) - 1)]
            kind = min(bisect_right(self._category_bounds, rng.random()), len(self._categories) - 1)
            self._push(self.now, journey.contact(self, channel, self._categories[kind]), None)

    def _first_shift(self, agents: list[Agent]) -> Waiting:
        for agent in agents:
            self._agent_state(agent, "available")
            yield 20
