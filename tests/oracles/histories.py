"""Nasty case histories and policies: ties in time, deadlines hit to the millisecond, late, doubled and missing events.

Everything is drawn from one `random.Random`, so a failure is told by its seed.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.oracles.contract import Json, parse, show

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BASE = datetime(2026, 3, 1, 23, 57, tzinfo=UTC)
"""Three minutes before a day's end: histories of an hour run over midnight."""
STEP_S = 30
"""Events and targets lie on this grid, so that events often fall on deadlines, pauses and each other."""
TARGETS = ("30s", "1m", "90s", "2m", "5m", "12m", "1.5h")
REASONS = ("customer", "third_party", "internal")
CLOCKS = ("connect", "first_response", "next_response", "bot_response", "resolution")
VALUES: Mapping[str, Sequence[str]] = {
    "channel": ("phone", "chat", "email"),
    "team": ("a", "b"),
    "agent_id": ("ann", "bo", "客服 3"),
    "priority": ("L1", "L2", "L3"),
    "customer_tier": ("vip", "plain"),
    "category": ("billing", "loan"),
    "queue": ("q1", "q2"),
}
WEIGHTS: Mapping[str, int] = {
    "contact.opened": 4,
    "contact.queued": 8,
    "contact.connected": 7,
    "contact.abandoned": 4,
    "contact.transferred": 3,
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
    "complaint.filed": 2,
    "complaint.acknowledged": 1,
    "complaint.feedback_given": 1,
    "milestone.reached": 1,
    "callback.promised": 1,
    "callback.made": 1,
    "call.wrapped": 2,
    "survey.submitted": 3,
    "sentiment.scored": 2,
    "followup.verified": 1,
    "quality.audited": 2,
    "agent.state": 1,
    "agent.praised": 2,
    "suggestion.adopted": 1,
}


class Seeded(random.Random):
    """A random generator that shows its seed when a property fails."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._from = seed

    def __repr__(self) -> str:
        return f"Seeded({self._from})"


def maybe(rng: random.Random, share: float) -> bool:
    """True in about this share of draws."""
    return rng.randrange(100) < share * 100


def policy(rng: random.Random) -> Json:
    """A policy file as a dict: up to three matching policies and the default."""
    policies: list[Json] = []
    for number in range(rng.randrange(4)):
        keys = rng.sample(sorted([*VALUES, "complaint"]), rng.randrange(1, 3))
        match = {k: maybe(rng, 0.5) if k == "complaint" else _some(rng, VALUES[k]) for k in sorted(keys)}
        policies.append({"name": f"p{number}", "match": match} | _promises(rng))
    policies.append({"name": "default"} | _promises(rng))
    limits = {"answer_within": rng.choice(TARGETS[:4]), "short_abandon": rng.choice(("0s", "30s", "1m"))}
    return {
        "version": 1,
        "calendars": {"round": {}},
        "policies": policies,
        "metrics": limits | {"csat_pass": rng.randrange(3, 6)},
    }


def _some(rng: random.Random, values: Sequence[str]) -> list[str]:
    return sorted(rng.sample(values, rng.randrange(1, len(values))))


def _promises(rng: random.Random) -> Json:
    clocks: Json = {}
    for name in CLOCKS:
        if maybe(rng, 0.85):
            clocks[name] = {"target": rng.choice(TARGETS)}
            if maybe(rng, 0.5):
                clocks[name]["pause_on"] = sorted(rng.sample(REASONS, rng.randrange(1, 3)))
            if maybe(rng, 0.1):
                clocks[name]["calendar"] = "round"
    return {"clocks": clocks, "reopen": rng.choice(("restart", "subtract", "continue"))}


def history(rng: random.Random, most: int = 24, cases: int = 2) -> list[Json]:
    """Events of a few cases in the order in which they happen, with unique ids."""
    events: list[Json] = []
    for number in range(rng.randrange(1, cases + 1)):
        at = _moment(rng, 10)
        opened = rng.randrange(8)  # mostly first, sometimes after other facts, now and then never
        opening = 0 if opened < 6 else rng.randrange(1, 5) if opened == 6 else None
        for step in range(rng.randrange(1, most + 1)):
            kind = "contact.opened" if step == opening else _kind(rng, opening is None)
            events.append(_event(rng, kind, f"c{number}", at, len(events)))
            if not maybe(rng, 0.2):
                at = max(at, at + timedelta(seconds=STEP_S * rng.choice((1, 1, 2, 3, 4, 10, 40)))) + _beside(rng)
    return sorted(events, key=lambda e: e["occurred_at"])


def _kind(rng: random.Random, unopened: bool) -> str:
    kind = rng.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
    return "message.internal" if unopened and kind == "contact.opened" else kind


def _beside(rng: random.Random) -> timedelta:
    return timedelta(milliseconds=rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 999, 17_123)))


def _moment(rng: random.Random, steps: int) -> datetime:
    return BASE + timedelta(seconds=STEP_S * rng.randrange(steps)) + _beside(rng)


def _event(rng: random.Random, kind: str, case_id: str, at: datetime, number: int) -> Json:
    # Ids in random order: they decide between events of one instant.
    event: Json = {"event_id": f"{rng.randrange(100):02d}-{number}", "type": kind, "occurred_at": show(at)}
    for key in VALUES:
        if maybe(rng, 0.12) or (key == "channel" and kind == "contact.opened"):
            event[key] = rng.choice(VALUES[key])
    caseless = kind in ("agent.state", "agent.praised", "suggestion.adopted")
    if not caseless or maybe(rng, 0.4):
        event["case_id"] = case_id
    data = _data(rng, kind)
    if data or maybe(rng, 0.05):
        event["data"] = data
    return event


def _data(rng: random.Random, kind: str) -> Json:
    fixed: Mapping[str, Json] = {
        "milestone.reached": {"name": "diagnosis"},
        "callback.promised": {"callback_id": "k", "due_at": show(BASE)},
        "callback.made": {"callback_id": "k"},
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
    return last + timedelta(seconds=STEP_S * rng.choice((0, 0, 1, 2, 5, 300))) + _beside(rng)


randoms: st.SearchStrategy[random.Random] = st.integers(0, 2**40).map(Seeded)
"""What a property draws its histories from."""
