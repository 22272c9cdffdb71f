"""What follows a conversation: solutions, waiting, complaints, call-backs, surveys, reopenings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from schemas.times import text
from services.demo import journey
from services.demo.rhythm import Trouble
from services.demo.world import COMPLAINT_CATEGORIES, Agent

if TYPE_CHECKING:
    from services.demo.journey import Case
    from services.demo.operation import Operation, Waiting

_MINUTE_MS = 60_000
_COMPLAINT_SHARE, _COMPLAINT_WAVE = 0.02, 8.0
_OPEN_SHARE = {"L1": 0.45, "L2": 0.22, "L3": 0.18}
_OPEN_MIN = {"L1": 85.0, "L2": 95.0, "L3": 140.0}
"""Of cases that one conversation does not settle: how many, and how many minutes the rest takes (median)."""
_REOPEN_SHARE = 0.04
_STOPGAP_SHARE = 0.75
"""How many complaints get a temporary solution before the answer."""


def settled_by_bot(op: Operation, case: Case) -> Waiting:
    """The bot solved it."""
    case.say("contact.resolved")
    if op.rng.random() < 0.12:
        yield op.rng.randrange(5_000, 120_000)
        _survey(op, case, 4.25)
    yield op.rng.randrange(30_000, 600_000)
    case.say("contact.closed")


def conclude(op: Operation, case: Case, agent: Agent) -> Waiting:
    """The agent has spoken with the customer and still has the case in hand."""
    rng = op.rng
    if rng.random() < 0.3:
        case.feels()
    wave = _COMPLAINT_WAVE if op.trouble(Trouble.COMPLAINTS, agent.team) else 1.0
    if not case.complaint and rng.random() < _COMPLAINT_SHARE * wave * (1.6 - agent.quality) / 0.85:
        case.complaint = True
        case.mood -= 0.6
        case.feels()
        case.say("complaint.filed", _subject(op, case))
        case.answering = True
    elif case.complaint:
        case.answering = True
    if case.answering:
        op.start(_answer_complaint(op, case, agent))
    if case.channel.spoken and rng.random() < 0.08:
        yield from _call_back(op, case, agent)
        case.say("contact.resolved", agent_id=agent.id)
    elif rng.random() < _OPEN_SHARE[case.priority]:
        yield from _work_on(op, case, agent)
    else:
        case.say("contact.resolved", agent_id=agent.id)
        op.release(op.desks[agent.team], agent)
    yield from _afterwards(op, case, agent)


def _work_on(op: Operation, case: Case, agent: Agent) -> Any:
    """Waits on the customer or somebody else, then solves it; the seat is free meanwhile."""
    rng = op.rng
    for_customer = 0.25 if case.priority == "L1" else 0.45
    reason = rng.choices(("customer", "third_party", "internal"), (for_customer, 0.35, 0.2))[0]
    case.say("contact.pending", {"reason": reason}, agent_id=agent.id)
    op.release(op.desks[agent.team], agent)
    yield _minutes(op, _OPEN_MIN[case.priority], 0.7)
    case.say("contact.resumed", {"reason": reason})
    if reason == "customer":
        case.say("message.customer")
    yield _minutes(op, 7.0, 0.8)
    if case.undiagnosed:
        case.diagnose(agent)
    case.say("message.agent", {"template": rng.random() < agent.templates}, agent_id=agent.id)
    yield rng.randrange(2_000, 60_000)
    case.say("contact.resolved", agent_id=agent.id)


def _call_back(op: Operation, case: Case, agent: Agent) -> Any:
    """Promises to call at a round time, and does: mostly before it, one in ten too late."""
    rng = op.rng
    five = 5 * _MINUTE_MS
    due_ms = (op.now + rng.randrange(20, 90) * _MINUTE_MS) // five * five + five
    callback_id = f"{case.id}-cb"
    case.say("callback.promised", {"callback_id": callback_id, "due_at": text(due_ms)}, agent_id=agent.id)
    op.release(op.desks[agent.team], agent)
    delay_ms = _minutes(op, 8.0, 0.6) if rng.random() < 0.1 else -rng.randrange(_MINUTE_MS // 2, 15 * _MINUTE_MS)
    yield max(due_ms + delay_ms - op.now, _MINUTE_MS)
    case.say("callback.made", {"callback_id": callback_id}, agent_id=agent.id)
    yield rng.randrange(40_000, 240_000)


def _answer_complaint(op: Operation, case: Case, agent: Agent) -> Waiting:
    """Acknowledged, helped for the time being, answered, and checked whether that helped."""
    rng = op.rng
    yield _minutes(op, 32.0, 0.85)
    case.say("complaint.acknowledged", agent_id=agent.id)
    if rng.random() < _STOPGAP_SHARE:
        yield _minutes(op, 20.0, 0.8)
        case.say("milestone.reached", {"name": "temporary_solution"}, agent_id=agent.id)
    yield _minutes(op, 60.0, 0.8)
    case.say("complaint.feedback_given", _subject(op, case), agent_id=agent.id)
    if rng.random() < 0.6:
        yield _minutes(op, 30.0, 0.6)
        case.say("followup.verified", {"satisfied": rng.random() < agent.quality})
    case.answered()


def _afterwards(op: Operation, case: Case, agent: Agent) -> Any:
    """Survey, praise, audit; some come back; then it is closed."""
    rng = op.rng
    yield rng.randrange(5_000, 180_000)
    if rng.random() < 0.38:
        _survey(op, case, 3.0 + 1.8 * agent.quality)
    if rng.random() < 0.03:
        case.say("agent.praised", agent_id=agent.id)
    if rng.random() < 0.04:
        data = {"classification_correct": rng.random() < 0.86, "consistent": rng.random() < 0.8}
        case.say("quality.audited", data)
    if rng.random() < 0.001:
        op.agent_event(agent, "suggestion.adopted")
    if rng.random() < _REOPEN_SHARE * (1.75 - agent.quality):
        yield _minutes(op, 14.0, 0.8)
        case.mood -= 0.2
        case.say("contact.reopened")
        if not case.channel.spoken:
            case.say("message.customer")
        again = yield from journey.reach_somebody(op, case)
        if again is None:
            return
        again = yield from journey.talk(op, case, again)
        case.say("contact.resolved", agent_id=again.id)
        op.release(op.desks[again.team], again)
    yield rng.randrange(_MINUTE_MS, 8 * _MINUTE_MS)
    case.close()


def _survey(op: Operation, case: Case, mean: float) -> None:
    rng = op.rng
    mean += case.mood - 0.05
    csat = min(max(round(rng.gauss(mean, 0.75)), 1), 5)
    data: dict[str, Any] = {"csat": csat, "resolved": csat >= 3 or rng.random() < 0.4}
    if rng.random() < 0.5:
        data["nps"] = min(max(round(rng.gauss(2.1 * mean - 0.7, 1.6)), 0), 10)
    if rng.random() < 0.3:
        data["ces"] = min(max(round(rng.gauss(1.25 * mean, 1.0)), 1), 7)
    case.say("survey.submitted", data)


def _subject(op: Operation, case: Case) -> dict[str, Any]:
    likely = "logistics" if case.category == "delivery" else "process"
    chosen = likely if op.rng.random() < 0.4 else op.rng.choice(COMPLAINT_CATEGORIES)
    return {"complaint_category": chosen}


def _minutes(op: Operation, median: float, spread: float) -> int:
    """Milliseconds of a log-normal length with this median."""
    return round(op.rng.lognormvariate(math.log(median), spread) * _MINUTE_MS)
