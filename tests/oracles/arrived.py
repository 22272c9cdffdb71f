"""How many events counted, and how many of them came late."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from tests.oracles.agents import states
from tests.oracles.cases import stories
from tests.oracles.contacts import Fact, caseless, own_dims
from tests.oracles.contract import Json, parse
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
            yield from _came(at, dims, event, appended)
    apart = caseless(listed) + [event for told in states(listed).values() for event in told]
    for event in apart:
        yield from _came(parse(event["occurred_at"]), own_dims(event), event, appended)


def _came(at: datetime, dims: Json, event: Json, appended: Mapping[str, datetime]) -> Iterator[Fact]:
    yield at, dims, "events", 1
    told = at.replace(second=0, microsecond=0) + MINUTE + GRACE
    yield at, dims, "events_late", int(appended[event["event_id"]] > told)
