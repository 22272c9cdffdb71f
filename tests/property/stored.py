"""Events as rows of the store's table, in the order of its key."""

import random
from collections.abc import Iterable

from schemas.event import DATA_TYPES
from schemas.times import to_ms
from streams.what_if.history import Stored
from tests.oracles.contract import Json
from tests.property.driving import decoded, raw

_ONLY_IN_BODY = ("priority", "customer_tier", "category", "queue")


def stored(events: Iterable[Json], rng: random.Random) -> list[Stored]:
    """Each event once by case, time and id. Bodies are there where they are needed, and now and then where not."""
    rows: dict[tuple[str, int, str], Stored] = {}
    for event in events:
        case_id = event.get("case_id")
        if case_id:
            t = to_ms(decoded(event).occurred_at)
            needed = event["type"] in DATA_TYPES or any(name in event for name in _ONLY_IN_BODY)
            body = raw(event).decode() if needed or rng.randrange(4) == 0 else ""
            says = (event.get(name) for name in ("channel", "team", "agent_id"))
            rows[case_id, t, event["event_id"]] = Stored(case_id, t, event["event_id"], event["type"], *says, body)
    return [rows[key] for key in sorted(rows)]
