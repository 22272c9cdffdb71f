"""The clock rules by worked examples: a policy line, a story, and what the clocks then say.

A story is `minute event` lines of one case; after `|` fields of the event, `=` for its own, `.` for those of `data`.
Outcomes read `clock.seq state started-due@stop`, in minutes.
"""

import msgspec
import yaml

from schemas.event import EVENT_TYPES, Event, decode_event
from schemas.policy import parse_policy
from schemas.times import parse, text
from streams.engine.engine import Engine
from streams.engine.policies import PolicyBook
from tests.oracles import engine as oracle
from tests.oracles.contract import Json
from tests.oracles.contract import parse as instant

START = parse("2026-03-02T08:00:00Z")
TYPES = {name.partition(".")[2]: name for name in EVENT_TYPES}
"""Types by their second word, as stories name them."""


def minutes(ms: int) -> str:
    """An instant as minutes after the start."""
    return f"{(ms - START) / 60_000:g}"


def at(minute: str) -> str:
    """The instant that many minutes after the start."""
    return text(START + round(float(minute) * 60_000))


def events(story: str) -> list[Json]:
    """The events of a story; a field of `data` that ends in `_at` is in minutes too."""
    told = []
    for number, line in enumerate(part for part in story.split(";") if part.strip()):
        words, _, fields = line.partition("|")
        minute, kind = words.split()
        event: Json = {"event_id": f"{number:02}", "type": TYPES[kind], "occurred_at": at(minute)}
        event |= {"case_id": "c"} | ({"channel": "chat"} if kind == "opened" else {})
        for field in fields.split():
            if "=" in field:
                name, _, value = field.partition("=")
                event[name] = value
            else:
                name, _, value = field.partition(".")
                event.setdefault("data", {})[name] = at(value) if name.endswith("_at") else yaml.safe_load(value)
        told.append(event)
    return told


def policy_of(*promises: str) -> Json:
    """One policy a text: `name key=value: clock target [reason] ...; reopen`, the last for all."""
    policies = []
    for promise in promises:
        head, _, clocks = promise.partition(":")
        clocks, _, reopen = clocks.partition(";")
        name, *match = head.split()
        policy: Json = {"name": name, "clocks": {}, "reopen": reopen.strip() or "restart"}
        if match:
            policy["match"] = {k: yaml.safe_load(v) for k, v in (m.split("=") for m in match)}
        for clock in clocks.split(","):
            which, target, *reasons = clock.split()
            policy["clocks"][which] = {"target": target, "pause_on": reasons}
        policies.append(policy)
    return {"version": 1, "policies": policies}


def engine_of(policy: Json) -> Engine:
    """An engine under a policy."""
    return Engine(PolicyBook(parse_policy(yaml.safe_dump(policy))))


def decoded(event: Json) -> Event:
    """An event as the engine takes it."""
    return decode_event(msgspec.json.encode(event))


def records(policy: Json, story: list[Json], now: str) -> list[Json]:
    """What the engine says of a story, checked against the slow oracle."""
    engine = engine_of(policy)
    for event in story:
        engine.apply(decoded(event))
    engine.advance(parse(at(now)))
    told = [msgspec.to_builtins(outcome) for outcome in engine.outcomes()]
    without_held = [{key: value for key, value in record.items() if key != "held"} for record in told]
    assert without_held == oracle.outcomes(story, policy, instant(at(now))), "the slow oracle says otherwise"
    return told


def outcomes(policy: Json, story: list[Json], now: str) -> list[str]:
    """As `records`, a line a clock."""
    return [
        f"{r['clock']}.{r['seq']} {r['state']} {minutes(parse(r['started_at']))}-"
        f"{minutes(parse(r['due_at'])) if r['due_at'] else ''}"
        + (f"@{minutes(parse(r['stopped_at']))}" if r["stopped_at"] else "")
        for r in records(policy, story, now)
    ]


def assert_told(policy: Json, story: str, now: str, want: str) -> None:
    """A story's clocks read as wanted, whichever way round its events come."""
    told = events(story)
    assert ", ".join(outcomes(policy, told, now)) == want
    assert ", ".join(outcomes(policy, told[::-1], now)) == want, "the order of arrival does not matter"
