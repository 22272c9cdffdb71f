"""Why a clock stands where it stands: the steps of a story as `minute clock.seq what (reason)`."""

import pytest
import yaml

from schemas.policy import parse_policy
from schemas.times import parse
from streams.engine.explain import Explanation, explain
from streams.engine.facts import DimsTable, FactMaker
from streams.engine.policies import PolicyBook
from tests.oracles.contract import Json
from tests.support.stories import at, decoded, events, minutes, policy_of

EXAMPLES = [
    ("p: connect 5m", "0 opened; 3 connected", "9", "0 connect.0 started (p); 3 connect.0 met"),
    ("p: connect 5m", "0 opened; 7 connected", "9",
     "0 connect.0 started (p); 4 connect.0 warned (0.8); 5 connect.0 breached; 7 connect.0 late"),
    ("p: connect 5m", "0 opened; 2 queued; 3 abandoned", "9",
     "0 connect.0 started (p); 2 connect.0 restarted (p); 3 connect.0 cancelled"),
    ("p: resolution 60m customer", "0 opened; 10 pending; 30 resumed; 40 resolved", "90",
     "0 resolution.0 started (p); 10 resolution.0 paused (customer); 30 resolution.0 resumed; 40 resolution.0 met"),
]  # fmt: skip
WARNED = """
    - {name: urgent, match: {priority: [L1]}, clocks: {resolution: {target: 50m, pause_on: [customer], warn_at: [0.6]}}}
    - {name: p, clocks: {resolution: {target: 100m, pause_on: [customer], warn_at: [0.25, 0.5, 0.8]}}}
"""
WARNINGS = [
    ("0 opened", "200", "25 warned (0.25); 50 warned (0.5); 80 warned (0.8); 100 breached"),
    ("0 opened", "80", "25 warned (0.25); 50 warned (0.5)"),
    ("0 opened; 30 pending; 40 resumed", "111",
     "25 warned (0.25); 30 paused (customer); 40 resumed; 60 warned (0.5); 90 warned (0.8); 110 breached"),
    ("0 opened; 50 pending; 70 resumed; 75 resolved", "200",
     "25 warned (0.25); 50 paused (customer); 70 resumed; 75 met"),
    ("0 opened; 26 updated | priority.L1", "60",
     "25 warned (0.25); 26 retargeted (urgent); 30 warned (0.6); 50 breached"),
    ("0 opened | priority=L1; 31 updated | priority.L2", "90",
     "30 warned (0.6); 31 retargeted (p); 50 warned (0.5); 80 warned (0.8)"),
    ("0 opened; 10 pending; 20 updated | priority.L1; 30 resumed", "51",
     "10 paused (customer); 20 retargeted (urgent); 30 resumed; 50 warned (0.6)"),
    ("0 opened; 81 resolved; 85 reopened", "120",
     "25 warned (0.25); 50 warned (0.5); 80 warned (0.8); 81 met; 85 started (p); 110 warned (0.25)"),
]  # fmt: skip


def explained(policy: Json, story: list[Json], now: int) -> Explanation:
    table = DimsTable()
    make = FactMaker(table).make
    found = {event["event_id"]: make(decoded(event)) for event in story}
    return explain(found, PolicyBook(parse_policy(yaml.safe_dump(policy))), table, now)


@pytest.mark.parametrize(("policy", "story", "now", "want"), EXAMPLES)
def test_steps(policy: str, story: str, now: str, want: str) -> None:
    steps = explained(policy_of(policy), events(story), parse(at(now))).steps
    told = [f"{minutes(s.at)} {s.clock}.{s.seq} {s.what}{f' ({s.reason})' if s.reason else ''}" for s in steps]
    assert "; ".join(told) == want


@pytest.mark.parametrize(("story", "now", "want"), WARNINGS)
def test_every_warning_is_a_step_at_its_own_instant(story: str, now: str, want: str) -> None:
    policy: Json = {"version": 1, "policies": yaml.safe_load(WARNED)}
    [start, *steps] = explained(policy, events(story), parse(at(now))).steps
    told = [f"{minutes(s.at)} {s.what}{f' ({s.reason})' if s.reason else ''}" for s in steps]
    assert start.what == "started"
    assert "; ".join(told) == want


def test_a_new_target_says_which_policy_and_which_event() -> None:
    policy = policy_of("urgent priority=L1: resolution 10m", "p: resolution 60m")
    steps = explained(policy, events("0 opened; 5 updated | priority.L1"), parse(at("6"))).steps
    assert [(s.what, s.reason, s.event_id, s.due and minutes(s.due)) for s in steps] == [
        ("started", "p", "00", "60"),
        ("retargeted", "urgent", "01", "10"),
    ]
