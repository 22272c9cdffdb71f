"""Random policy files as dicts: several calendars, business days, custom clocks, warnings, pauses, reopen modes."""

import random
from collections.abc import Sequence

from tests.oracles.contract import Json
from tests.oracles.draw import REASONS, VALUES, maybe

TARGETS = ("30s", "1m", "90s", "2m", "5m", "12m", "1.5h", "1.5h")
LONG = ("8h", "1bd", "1bd", "2bd", "3bd")
CLOCKS = (
    "connect", "first_response", "next_response", "bot_response", "resolution", "update", "complaint_ack",
    "complaint_feedback",
)  # fmt: skip
CUSTOM_CLOCKS = ("diagnosis", "handover", "rounds")
MILESTONES = ("diagnosis", "repair")
TRIGGERS = (
    "contact.opened", "contact.transferred", "contact.updated", "contact.resolved", "contact.closed",
    "contact.abandoned", "contact.reopened", "message.agent", "message.customer", "complaint.filed",
    "callback.promised", "survey.submitted", *({"milestone": name} for name in MILESTONES),
)  # fmt: skip
WARN_AT: tuple[list[float], ...] = ([], [0.5], [0.25, 0.5, 0.9], [0.9, 0.1], [0.001, 0.999])


def _daily(*windows: str) -> dict[str, list[str]]:
    return {day: list(windows) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


CALENDARS: Json = {
    "round": {},
    "minutes": {
        "hours": _daily("00:00-00:03", "00:05-00:06", "00:20-01:00", "01:05-01:30", "06:00-06:05", "22:00-23:58"),
    },
    "berlin": {
        "timezone": "Europe/Berlin",
        "hours": _daily("00:00-00:59", "01:00-01:30", "01:50-03:10", "09:00-18:00")
        | {"sun": ["01:45-02:15", "02:30-03:20"]},
    },
    "nights": {
        "timezone": "America/New_York",
        "hours": _daily("22:00-00:58", "00:59-01:20", "01:25-03:10") | {"wed": ["18:55-19:05"]},
        "closed": ["2026-03-03"],
    },
    "china": {
        "timezone": "Asia/Shanghai",
        "hours": _daily("07:58-08:02", "08:05-08:30", "13:00-18:00") | {"sat": [], "sun": []},
        "holidays": "CN",
        "makeup": ["08:00-08:20", "13:00-15:00"],
        "closed": ["2026-03-04"],
        "open": {"2026-03-07": ["07:57-08:00"], "2026-05-04": ["08:00-12:00"]},
    },
}
"""Windows open and close about the moments at which histories begin, among them the hours of clock changes."""


def policy(rng: random.Random) -> Json:
    """A policy file: up to three matching policies and the default."""
    policies: list[Json] = []
    for number in range(rng.randrange(4)):
        keys = rng.sample(sorted([*VALUES, "complaint", "complaint"]), rng.randrange(1, 3))
        match = {k: maybe(rng, 0.6) if k == "complaint" else _some(rng, VALUES[k]) for k in sorted(keys)}
        policies.append({"name": f"p{number}", "match": match} | _promises(rng))
    policies.append({"name": "default"} | _promises(rng))
    limits = {"answer_within": rng.choice(TARGETS[:4]), "short_abandon": rng.choice(("0s", "30s", "1m"))}
    used = {clock.get("calendar", "always") for told in policies for clock in told["clocks"].values()}
    return {
        "version": 1,
        "calendars": {name: told for name, told in CALENDARS.items() if name in used},
        "policies": policies,
        "metrics": limits | {"csat_pass": rng.randrange(3, 6)},
    }


def _some(rng: random.Random, values: Sequence[str]) -> list[str]:
    return sorted(rng.sample(values, rng.randrange(1, len(values))))


def _promises(rng: random.Random) -> Json:
    clocks: Json = {name: _promise(rng) for name in CLOCKS if maybe(rng, 0.8)}
    for name in CUSTOM_CLOCKS:
        if maybe(rng, 0.4):
            clocks[name] = _promise(rng) | {"stop": rng.choice(TRIGGERS)}
            if maybe(rng, 0.8):
                clocks[name]["start"] = rng.choice(TRIGGERS)
    if maybe(rng, 0.8):
        clocks["callback"] = _promise(rng)
        clocks["callback"].pop("pause_on", None)
        if maybe(rng, 0.5):
            del clocks["callback"]["target"]
    return {"clocks": clocks, "reopen": rng.choice(("restart", "subtract", "continue"))}


def _promise(rng: random.Random) -> Json:
    promise: Json = {"target": rng.choice(LONG if maybe(rng, 0.3) else TARGETS)}
    if maybe(rng, 0.5):
        promise["calendar"] = rng.choice(sorted(CALENDARS))
    if maybe(rng, 0.5):
        promise["pause_on"] = sorted(rng.sample(REASONS, rng.randrange(1, 4)))
    if maybe(rng, 0.5):
        promise["warn_at"] = rng.choice(WARN_AT)
    return promise
