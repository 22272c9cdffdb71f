"""What agents spend their time with, from what they say of themselves."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tests.oracles.contacts import Fact, ms, own_dims
from tests.oracles.contract import AGENT_STATE, Json, parse, unique

LONGEST = timedelta(hours=24)
"""Who says nothing for so long has forgotten to sign out."""
MINUTE = timedelta(minutes=1)


def states(events: Iterable[Json]) -> dict[str, list[Json]]:
    """The agent.state events that count, in order, by agent, whichever case they name."""
    by_agent: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        if event["type"] == AGENT_STATE and event.get("agent_id") is not None:
            by_agent[event["agent_id"]].append(event)
    return {agent: unique(told) for agent, told in by_agent.items()}


def facts(events: Iterable[Json], now: datetime) -> Iterator[Fact]:
    """The time in each state up to `now`, a fact a minute that it touches; dimensions are those of the event."""
    for told in states(events).values():
        begins = [parse(event["occurred_at"]) for event in told]
        for event, begin, following in zip(told, begins, [*begins[1:], now], strict=True):
            name = (event.get("data") or {}).get("state")
            if name in ("available", "busy", "wrap"):
                for at, span in minutes(begin, min(following, begin + LONGEST, now)):
                    yield at, own_dims(event), f"agent_{name}_ms", ms(span)


def minutes(begin: datetime, end: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """[begin, end) cut where minutes begin: from when on, how long."""
    while begin < end:
        edge = min(begin.replace(second=0, microsecond=0) + MINUTE, end)
        yield begin, edge - begin
        begin = edge
