"""Nasty case histories and policies: ties in time, deadlines hit to the millisecond, late, doubled and missing events.

Everything is drawn from one `random.Random`, so a failure is told by its seed.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.oracles.contract import Json, parse, show
from tests.oracles.draw import REASONS, VALUES, maybe, randoms
from tests.oracles.hours import Hours
from tests.oracles.policies import CALENDARS, MILESTONES, policy

__all__ = ["BASE", "BASES", "arrivals", "at", "final", "history", "policy", "randoms"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BASE = datetime(2026, 3, 1, 23, 57, tzinfo=UTC)
"""Three minutes before a day's end: histories of an hour run over midnight."""
BASES = (
    BASE,
    BASE,
    datetime(2026, 3, 8, 6, 57, tzinfo=UTC),  # New York's clocks go forward at 07:00, back on 1 November at 06:00
    datetime(2026, 11, 1, 5, 20, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 55, tzinfo=UTC),  # Berlin's go forward at 01:00, back on 25 October
    datetime(2026, 10, 25, 0, 20, tzinfo=UTC),
    datetime(2026, 4, 30, 23, 57, tzinfo=UTC),  # a holiday begins in China
    datetime(2026, 5, 8, 23, 57, tzinfo=UTC),  # and the Saturday that is worked for it
)
STEP_S = 30
"""Events and targets lie on this grid, so that events often fall on deadlines, pauses and each other."""
CHINA = timezone(timedelta(hours=8))
DAY = timedelta(1)
LEAPS = (timedelta(hours=1), timedelta(hours=8), DAY, DAY, 2 * DAY, 3 * DAY)
"""Over closed hours; whole days later deadlines in business days fall due."""
WEIGHTS: Mapping[str, int] = {
    "contact.opened": 4,
    "contact.queued": 8,
    "contact.connected": 7,
    "contact.abandoned": 4,
    "contact.transferred": 4,
    "contact.pending": 8,
    "contact.resumed": 6,
    "contact.updated": 9,
    "contact.resolved": 6,
    "contact.reopened": 6,
    "contact.closed": 3,
    "message.customer": 12,
    "message.agent": 9,
    "message.bot": 5,
    "message.internal": 1,
    "complaint.filed": 5,
    "complaint.acknowledged": 3,
    "complaint.feedback_given": 3,
    "milestone.reached": 5,
    "callback.promised": 6,
    "callback.made": 4,
    "call.wrapped": 2,
    "survey.submitted": 3,
    "sentiment.scored": 2,
    "followup.verified": 1,
    "quality.audited": 2,
    "agent.state": 1,
    "agent.praised": 2,
    "suggestion.adopted": 1,
}


def history(rng: random.Random, most: int = 24, cases: int = 2, base: datetime | None = None) -> list[Json]:
    """Events of a few cases in the order in which they happen, with unique ids, from about `base` on."""
    events: list[Json] = []
    base = base or rng.choice(BASES)
    for number in range(rng.randrange(1, cases + 1)):
        at = base + timedelta(seconds=STEP_S * rng.randrange(10)) + _beside(rng)
        opened = rng.randrange(8)  # mostly first, sometimes after other facts, now and then never
        opening = 0 if opened < 6 else rng.randrange(1, 5) if opened == 6 else None
        for step in range(rng.randrange(1, most + 1)):
            kind = "contact.opened" if step == opening else _kind(rng, opening is None)
            events.append(_event(rng, kind, f"c{number}", at, len(events)))
            at = _next(rng, at)
    return sorted(events, key=lambda e: e["occurred_at"])


def _kind(rng: random.Random, unopened: bool) -> str:
    kind = rng.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
    return "message.internal" if unopened and kind == "contact.opened" else kind


def _beside(rng: random.Random) -> timedelta:
    return timedelta(milliseconds=rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 999, 17_123)))


def _next(rng: random.Random, at: datetime) -> datetime:
    """The time of the event after one at `at`."""
    what = rng.randrange(50)
    if what < 10:
        return at
    if what == 10:
        return at + rng.choice(LEAPS)
    if what < 16:  # when some calendar opens or closes
        opens, closes, _ = next(Hours(CALENDARS[rng.choice(("minutes", "berlin", "nights"))]).open(at))
        return closes if opens == at else opens
    return at + timedelta(seconds=STEP_S * rng.choice((1, 1, 2, 3, 4, 10, 40))) + _beside(rng)


def _event(rng: random.Random, kind: str, case_id: str, at: datetime, number: int) -> Json:
    # Ids in random order: they decide between events of one instant.
    event: Json = {"event_id": f"{rng.randrange(100):02d}-{number}", "type": kind, "occurred_at": show(at)}
    for key in VALUES:
        if maybe(rng, 0.12) or (key == "channel" and kind == "contact.opened"):
            event[key] = rng.choice(VALUES[key])
    caseless = kind in ("agent.state", "agent.praised", "suggestion.adopted")
    if not caseless or maybe(rng, 0.4):
        event["case_id"] = case_id
    data = _data(rng, kind, at)
    if data or maybe(rng, 0.05):
        event["data"] = data
    return event


def _data(rng: random.Random, kind: str, at: datetime) -> Json:
    fixed: Mapping[str, Json] = {
        "milestone.reached": {"name": rng.choice((*MILESTONES, "other"))},
        "callback.promised": {"callback_id": rng.choice("kl")} | _promised(rng, at),
        "callback.made": {"callback_id": rng.choice("kl")},
        "agent.state": {"state": "busy"},
        "sentiment.scored": {"score": rng.choice((-1, -0.31, -0.3, -0.29, 0, 1))},
        "call.wrapped": {key: rng.choice((0, 1.5, 61.25)) for key in ("talk_s", "hold_s", "wrap_s")},
    }
    if kind in fixed:
        return fixed[kind]
    optional: Mapping[str, Mapping[str, Sequence[Any]]] = {
        "contact.opened": {"complaint": (True, False), "direction": ("inbound", "outbound")},
        "contact.transferred": {"to_team": VALUES["team"], "to_agent": VALUES["agent_id"]},
        "contact.pending": {"reason": REASONS},
        "contact.resumed": {"reason": REASONS},
        "contact.updated": {k: VALUES[k] for k in ("priority", "customer_tier", "category")}
        | {"complaint": (True, False)},
        "message.bot": {"intent_recognized": (True, False)},
        "message.agent": {"template": (True, False)},
        "survey.submitted": {"csat": range(1, 6), "nps": range(11), "ces": range(1, 8), "resolved": (True, False)},
        "quality.audited": {"classification_correct": (True, False), "consistent": (True, False)},
    }
    return {key: rng.choice(values) for key, values in optional.get(kind, {}).items() if maybe(rng, 0.45)}


def _promised(rng: random.Random, at: datetime) -> Json:
    """Until when a call-back is promised: mostly soon, sometimes for the past, sometimes not said."""
    if maybe(rng, 0.25):
        return {}
    due = at + timedelta(seconds=STEP_S * rng.choice((-4, 0, 1, 2, 4, 20, 200)))
    return {"due_at": rng.choice((show(due), due.astimezone(CHINA).isoformat()))}


def arrivals(rng: random.Random, events: Sequence[Json]) -> list[Json]:
    """The events as they come in: some late, some twice, some again under the same id but with a later time."""
    coming = list(events)
    for event in events:
        if maybe(rng, 0.1):
            coming.append(event)
        if event.get("case_id") and maybe(rng, 0.07):
            later = parse(event["occurred_at"]) + timedelta(seconds=STEP_S * rng.randrange(1, 9))
            coming.append(event | {"occurred_at": show(later), "type": "contact.closed", "data": {}})
    if maybe(rng, 0.3):
        rng.shuffle(coming)
    for _ in range(rng.randrange(1 + len(coming) // 3)):
        coming.insert(rng.randrange(len(coming)), coming.pop(rng.randrange(len(coming))))
    return coming


def at(ms: int) -> datetime:
    """The datetime of an instant in ms."""
    return EPOCH + timedelta(milliseconds=ms)


def final(rng: random.Random, events: Sequence[Json]) -> datetime:
    """A final stream time: the last event's, or a little or much later."""
    last = max(parse(event["occurred_at"]) for event in events)
    return last + timedelta(seconds=STEP_S * rng.choice((0, 0, 1, 2, 5, 300, 2880, 8640))) + _beside(rng)
