"""What happens to one contact, from opening to closing, as coroutines that an `Operation` runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from schemas.times import text
from services.demo import aftermath
from services.demo.desk import Ticket
from services.demo.rhythm import Trouble
from services.demo.world import CUSTOMERS, REPLY_SPREAD, SECOND_LINE, VIP_DESK, Agent, Channel, tier_of

if TYPE_CHECKING:
    from services.demo.operation import Operation, Waiting

_MISPLACED = {"L1": 0.20, "L2": 0.18, "L3": 0.17}
_STUCK_MIN = {"L1": 5.0, "L2": 10.0, "L3": 15.0}
"""How often a written contact gets stuck before anybody has it, and for about how many minutes."""
_FORGOTTEN = 0.025
"""How often an agent in a written talk leaves the customer waiting for about as long."""
_SEEN_AT_ONCE = 0.7
"""How often the team that a case was passed on to knows what is the matter once it has spoken with the customer."""
_SURE, _LOST = 0.84, 0.45
"""How often the bot recognises what is meant, on a good day and with a broken model."""


class Case:
    """A contact under way and its voice: `say` sends an event of it."""

    __slots__ = (
        "_events", "_op", "answering", "category", "channel", "complaint", "done", "id", "mood", "priority", "team",
        "tier", "undiagnosed",
    )  # fmt: skip

    def __init__(self, op: Operation, channel: Channel, category: str) -> None:
        rng = op.rng
        self._op = op
        self._events = 0
        self.id = op.new_case_id()
        self.channel = channel
        self.category = category
        # Few customers make many of the contacts.
        customer = int(CUSTOMERS * rng.random() ** 2)
        self.tier = tier_of(customer)
        self.complaint = category == "complaint" and rng.random() < 0.6
        self.answering = self.done = self.undiagnosed = False
        urgent = 0.35 if self.complaint or self.tier == "vip" else 0.10
        chance = rng.random()
        self.priority = "L1" if chance < urgent else "L2" if chance < urgent + 0.38 else "L3"
        self.mood = rng.gauss(0.2, 0.3)
        self.team = self._first_team()
        data: dict[str, Any] = {"direction": "inbound"}
        if self.complaint:
            data["complaint"] = True
            self.mood -= 0.5
        self.say(
            "contact.opened", data, channel=channel.name, customer_id=f"CU-{customer:06d}", customer_tier=self.tier,
            priority=self.priority, category=category, source=f"{channel.name}-gateway",
        )  # fmt: skip

    def say(self, type_: str, data: dict[str, Any] | None = None, **fields: str) -> None:
        """Sends an event of this case, now. Ids count up, so events of the same instant keep their order."""
        self._events += 1
        event: dict[str, Any] = {
            "event_id": f"{self.id}-{self._events:03d}",
            "type": type_,
            "occurred_at": text(self._op.now),
            "case_id": self.id,
            **fields,
        }
        if data:
            event["data"] = data
        self._op.deliver(event, self.channel.name)

    def diagnose(self, agent: Agent) -> None:
        """The team that a case was passed on to says what is the matter."""
        self.undiagnosed = False
        self.say("milestone.reached", {"name": "diagnosis"}, agent_id=agent.id)

    def close(self) -> None:
        """Closes it, or leaves that to whoever still owes the answer to a complaint."""
        self.done = True
        if not self.answering:
            self.say("contact.closed")

    def answered(self) -> None:
        """The complaint is answered: nothing keeps the case open any more."""
        self.answering = False
        if self.done:
            self.say("contact.closed")

    def feels(self) -> None:
        """Sends the sentiment of what the customer just said."""
        score = min(max(self._op.rng.gauss(self.mood, 0.25), -1.0), 1.0)
        self.say("sentiment.scored", {"score": round(score, 2)})

    def _first_team(self) -> str:
        if self.tier == "vip" and self.channel.live and self.channel.name != "store":
            return VIP_DESK
        chance = self._op.rng.random()
        for team, share in self.channel.teams:
            chance -= share
            if chance < 0:
                return team
        return self.channel.teams[-1][0]


def contact(op: Operation, channel: Channel, category: str) -> Waiting:
    """One contact from its opening on."""
    rng = op.rng
    case = Case(op, channel, category)
    if rng.random() < channel.bot:
        solved = yield from _bot(op, case)
        if solved:
            yield from aftermath.settled_by_bot(op, case)
            return
    elif channel.name == "phone":
        yield rng.randrange(5_000, 18_000)  # the menu
    elif not channel.spoken:
        case.say("message.customer")
    agent = yield from reach_somebody(op, case)
    if agent is None:
        return
    agent = yield from talk(op, case, agent)
    yield from aftermath.conclude(op, case, agent)


def _bot(op: Operation, case: Case) -> Any:
    """The bot's talk; whether it settled the matter."""
    rng = op.rng
    sure = _LOST if op.trouble(Trouble.BOT_LOST, "") else _SURE
    contained = case.channel.contained * (0.85 if sure == _LOST else 1.0)
    solved = rng.random() < contained and not case.complaint
    for _ in range(1 + min(int(rng.expovariate(0.55)), 6) + solved):
        case.say("message.customer")
        # Now and then the model behind the bot is slow.
        yield rng.randrange(300, 2_500) if rng.random() < 0.96 else rng.randrange(3_000, 12_000)
        recognized = rng.random() < sure
        case.say("message.bot", {"intent_recognized": recognized})
        if not recognized:
            case.mood -= 0.08
        yield rng.randrange(4_000, 30_000)
    return solved


def reach_somebody(op: Operation, case: Case) -> Any:
    """Into the line and out of it: the agent, or None where the customer gave up."""
    rng = op.rng
    channel = case.channel
    case.say("contact.queued", team=case.team, queue=f"{channel.name}/{case.team}")
    since = op.now
    patience_ms = None
    if channel.live:
        # Few hang up at once; after that patience is about exponential.
        patience_ms = 3_000 + round(rng.expovariate(1 / channel.patience_s) * 1000)
        if not channel.spoken and rng.random() < _MISPLACED[case.priority]:
            # Written contacts get stuck: in a wrong group, or at somebody who has stepped away.
            stuck_ms = _stuck_ms(op, case)
            yield min(stuck_ms, patience_ms)
            patience_ms = max(patience_ms - stuck_ms, 0)
    else:
        urgency = {"L1": 0.5, "L2": 1.0, "L3": 1.5}[case.priority]
        yield round(rng.lognormvariate(math.log(channel.pickup_s * urgency), 1.1) * 1000)
    first = case.tier == "vip" or case.priority == "L1"
    agent: Agent | None = yield Ticket(op.desks[case.team], patience_ms, first)
    case.mood -= min((op.now - since) / 600_000, 0.6)
    if agent is None:
        case.say("contact.abandoned")
        yield 1_000
        case.say("contact.closed")
        return None
    case.say("contact.connected", agent_id=agent.id, team=agent.team)
    return agent


def talk(op: Operation, case: Case, agent: Agent) -> Any:
    """The conversation and, where the first team cannot settle it, the next team's. Gives the last agent."""
    rng = op.rng
    while True:
        yield from _exchange(op, case, agent)
        if case.undiagnosed and rng.random() < _SEEN_AT_ONCE:
            case.diagnose(agent)
        team, share = SECOND_LINE.get(case.category, ("", 0.0))
        if not team or case.team == team or rng.random() >= share:
            return agent
        case.say("contact.transferred", {"to_team": team}, agent_id=agent.id)
        case.team = team
        case.undiagnosed = True
        case.mood -= 0.1
        op.release(op.desks[agent.team], agent)
        if rng.random() < 0.3:
            case.say("message.internal", agent_id=agent.id)
        case.say("contact.queued", team=team, queue=f"{case.channel.name}/{team}")
        agent = yield Ticket(op.desks[team], None, case.tier == "vip")
        case.say("contact.connected", agent_id=agent.id, team=team)


def _exchange(op: Operation, case: Case, agent: Agent) -> Any:
    """One agent's part: first words, turns, and for spoken channels the wrap-up. Ends with the agent still engaged."""
    rng = op.rng
    channel = case.channel
    held_ms = channel.held_s * agent.speed * rng.lognormvariate(-0.125, 0.5) * 1000
    reply_ms = channel.reply_s * agent.speed * rng.lognormvariate(0, REPLY_SPREAD) * 1000
    if channel.live:
        reply_ms = min(reply_ms, held_ms * 0.4)
        rest_ms = held_ms - reply_ms
    else:
        rest_ms = held_ms
    yield round(reply_ms)
    case.say("message.agent", {"template": rng.random() < agent.templates}, agent_id=agent.id)
    turns = min(int(rng.expovariate(1 / (channel.turns + 0.5))), 9) if channel.turns else 0
    pause_ms = rest_ms / (2 * turns + 1)
    for _ in range(turns):
        yield round(pause_ms * rng.uniform(0.6, 1.4))
        case.say("message.customer")
        if rng.random() < 0.25:
            case.feels()
        forgotten = not channel.spoken and rng.random() < _FORGOTTEN
        yield _stuck_ms(op, case) if forgotten else round(pause_ms * rng.uniform(0.6, 1.4))
        case.say("message.agent", {"template": rng.random() < agent.templates}, agent_id=agent.id)
    yield round(pause_ms)
    if rng.random() < 0.03:
        case.say("contact.updated", {"category": rng.choice(("billing", "delivery", "account", "product"))})
    if channel.spoken:
        wrap_s = round(rng.expovariate(1 / 18) * agent.speed, 1)
        hold_s = round(held_ms / 1000 * rng.uniform(0.05, 0.3), 1) if rng.random() < 0.25 else 0.0
        data = {"talk_s": round(held_ms / 1000 - hold_s, 1), "hold_s": hold_s, "wrap_s": wrap_s}
        case.say("call.wrapped", data, agent_id=agent.id)


def _stuck_ms(op: Operation, case: Case) -> int:
    return round(_STUCK_MIN[case.priority] * op.rng.lognormvariate(0.1, 0.5) * 60_000)
