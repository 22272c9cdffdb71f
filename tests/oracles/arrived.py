"""How many events counted, and how many of them came late."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.agents import states
from tests.oracles.cases import stories
from tests.oracles.contacts import Fact, caseless, own_dims
from tests.oracles.contract import AGENT_STATE, Json, parse
from tests.oracles.promises import Changes, Policy

MINUTE, GRACE = timedelta(minutes=1), timedelta(seconds=2)


def facts(
    events: Iterable[Json], policy: Policy, appended: Mapping[str, datetime], changes: Changes = ()
) -> Iterator[Fact]:
    """Every event that counts, with the dimensions of its case after it, or its own where it has none.

    `appended` tells by event_id when the log had it: late is what came more than 2 s after its minute had ended.
    """
    listed = list(events)
    for story in stories(listed, policy, changes):
        for at, dims, event, _ in story.seen:
            yield from _came(at, dims, appended[event["event_id"]])
    apart = caseless(listed) + [event for told in states(listed).values() for event in told]
    for event in apart:
        yield from _came(parse(event["occurred_at"]), own_dims(event), appended[event["event_id"]])


def as_they_came(coming: Iterable[tuple[Json, datetime]], policy: Policy, changes: Changes = ()) -> Iterator[Fact]:
    """The same with what was known when an event came: the case's latest dimensions of all that had come by then.

    `coming` are events in the order in which a log has them, and when it had them. Of one id the first to come counts,
    whatever is told under it later.
    """
    known: dict[Any, dict[str, Json]] = defaultdict(dict)
    for event, appended in coming:
        state, agent = event["type"] == AGENT_STATE, event.get("agent_id")
        case_id = None if state else event.get("case_id")
        so_far = known[state, case_id, agent or event["event_id"] if case_id is None else None]
        before = so_far.get(event["event_id"], event)
        first = event["event_id"] not in so_far
        so_far[event["event_id"]] = min(before, event, key=lambda one: parse(one["occurred_at"]))
        if first:
            dims = own_dims(event) if case_id is None else stories(so_far.values(), policy, changes)[0].dims
            yield from _came(parse(event["occurred_at"]), dims, appended)


def _came(at: datetime, dims: Json, appended: datetime) -> Iterator[Fact]:
    yield at, dims, "events", 1
    told = at.replace(second=0, microsecond=0) + MINUTE + GRACE
    yield at, dims, "events_late", int(appended > told)
