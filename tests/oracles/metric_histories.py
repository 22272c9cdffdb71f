"""Histories for metrics: few customers who come back about as soon as a repeat window ends, bots, agents at work.

Cases are those of `tests.oracles.histories`, as nasty as they are; everything is drawn from one `random.Random`.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tests.oracles import histories
from tests.oracles.contract import MS, Json, duration, parse, show
from tests.oracles.draw import VALUES, maybe

CUSTOMERS = ("u1", "u2", "客户 3")
WINDOWS = ("90s", "10m", "1h", "24h", "7d")
STATES = ("available", "busy", "wrap", "offline")
HUMAN = ("message.agent", "contact.connected")
SPANS_S = (0, 0, 1, 17, 30, 60, 60, 90, 600, 3600, 8 * 3600, 86_400, 86_401, 30 * 3600)
"""How long agents stay in a state: also for no time, over midnight, and longer than counts."""
SHARE_OF_BOTS = 0.4
"""Of cases without a human, so that some are resolved by the bot."""
SHARE_OF_PROMISES = 0.3
"""Of cases with a call-back made just in time, or just too late."""


def policy(rng: random.Random) -> Json:
    """A policy file with a repeat window; now and then the default one."""
    file = histories.policy(rng)
    if maybe(rng, 0.9):
        file["metrics"] |= {"repeat_window": rng.choice(WINDOWS)}
    return file


def history(rng: random.Random, window: str = "7d", most: int = 14, cases: int = 6) -> list[Json]:
    """Events of some cases of a few customers, and of agents, in the order in which they happen, with unique ids.

    Many cases open one `window` after another case was opened or resolved, or a millisecond beside that.
    """
    base = rng.choice(histories.BASES)
    customers = CUSTOMERS[: rng.choice((1, 1, 3))]
    events: list[Json] = []
    for number in range(rng.randrange(2, cases + 1)):
        events += _case(rng, f"m{number}", base, _edges(rng, events, duration(window)), most, customers)
    if maybe(rng, 0.5):
        _forget_categories(events)
    for agent in (*VALUES["agent_id"], None):
        events += _shift(rng, agent, base)
    for number, event in enumerate(events):
        event["event_id"] += f"-{number}"
    return sorted(events, key=lambda event: parse(event["occurred_at"]))


def _edges(rng: random.Random, events: list[Json], window: timedelta) -> datetime | None:
    """An instant at which a contact just about repeats one of these."""
    marks = [e["occurred_at"] for e in events if e["type"] in ("contact.opened", "contact.resolved")]
    if not marks or maybe(rng, 0.2):
        return None
    return (
        parse(rng.choice(marks)) + rng.choice((window, window, window / 2, timedelta())) + rng.choice((-1, 0, 1)) * MS
    )


def _case(
    rng: random.Random, case_id: str, base: datetime, opens: datetime | None, most: int, customers: Sequence[str]
) -> list[Json]:
    """One case; where `opens` is told, it is opened then."""
    events = histories.history(rng, most, cases=1, base=base)
    if maybe(rng, SHARE_OF_BOTS):
        late = rng.choice(events)
        events = [e for e in events if e["type"] not in HUMAN or (e is late and maybe(rng, 0.5))] or events
        events[-1] |= {"type": "message.bot", "case_id": case_id, "data": {"intent_recognized": True}}
        if maybe(rng, 0.7):
            end = parse(events[-1]["occurred_at"]) + timedelta(seconds=30)
            events.append({"event_id": "end", "type": "contact.resolved", "occurred_at": show(end), "case_id": case_id})
    if maybe(rng, SHARE_OF_PROMISES):
        events += _promise(rng, rng.choice(events), case_id)
    opening = next((e for e in events if e["type"] == "contact.opened"), None)
    gap = opens - parse(opening["occurred_at"]) if opens and opening else timedelta()
    customer = rng.choice(customers)
    for event in events:
        event["occurred_at"] = show(parse(event["occurred_at"]) + gap)
        if "case_id" in event:
            event["case_id"] = case_id
        if maybe(rng, 0.8 if event is opening else 0.1):
            event["customer_id"] = customer
        if maybe(rng, 0.03):
            event["customer_id"] = customer = rng.choice(customers)
    return events


def _promise(rng: random.Random, after: Json, case_id: str) -> Iterator[Json]:
    """A call-back promised soon after an event, and made about when it is due."""
    promised = parse(after["occurred_at"]) + timedelta(seconds=1)
    due = promised + timedelta(seconds=60)
    made = due + rng.choice((-30_000, -1, 0, 1, 30_000)) * MS
    told: tuple[tuple[str, datetime, Json], ...] = (("promised", promised, {"due_at": show(due)}), ("made", made, {}))
    for name, at, data in told:
        event: Json = {"event_id": f"{rng.randrange(100):02d}-{name}", "type": f"callback.{name}"}
        yield event | {"occurred_at": show(at), "case_id": case_id, "data": {"callback_id": "m"} | data}


def _forget_categories(events: list[Json]) -> None:
    """Leaves all cases without a category, which is one too."""
    for event in events:
        event.pop("category", None)
        event.get("data", {}).pop("category", None)


def _shift(rng: random.Random, agent: str | None, base: datetime) -> Iterator[Json]:
    """What an agent says of itself; without `agent`, states of nobody."""
    at = base + timedelta(seconds=rng.randrange(300))
    for number in range(rng.randrange(7)):
        event: Json = {"event_id": f"{rng.randrange(100):02d}-{agent}-{number}", "type": "agent.state"}
        event |= {"occurred_at": show(at), "data": {"state": rng.choice(STATES)}}
        if agent is not None:
            event["agent_id"] = agent
        for key in ("team", "channel"):
            if maybe(rng, 0.5):
                event[key] = rng.choice(VALUES[key])
        if maybe(rng, 0.2):
            event["case_id"] = "m0"
        yield event
        if agent is not None and maybe(rng, 0.3):
            yield _praise(rng, event)
        at += timedelta(seconds=rng.choice(SPANS_S)) + rng.choice((0, 0, 0, 1, 999)) * MS


def _praise(rng: random.Random, state: Json) -> Json:
    """Praise of an agent, or a suggestion of its that was taken up, at the time of a state; of no case."""
    event: Json = {"type": rng.choice(("agent.praised", "suggestion.adopted")), "event_id": f"{state['event_id']}-p"}
    event |= {key: state[key] for key in ("occurred_at", "agent_id")}
    for key in ("team", "channel"):
        if maybe(rng, 0.5):
            event[key] = rng.choice(VALUES[key])
    return event
