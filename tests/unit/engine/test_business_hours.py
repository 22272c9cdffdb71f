"""Clocks that count open hours only, by worked examples. Stories begin on Monday 2 March 2026, 08:00 UTC.

The office is open from minute 60 to 240 and from 300 to 600 (09:00-12:00, 13:00-18:00), the desk in Berlin from 0 to
480.
"""

import pytest
import yaml

from tests.oracles.contract import Json
from tests.support.stories import assert_told

DAY = 1440
CALENDARS = """
office:
  hours: {mon: ["09:00-12:00", "13:00-18:00"], tue: ["09:00-12:00", "13:00-18:00"], wed: ["09:00-12:00"],
          thu: ["09:00-12:00", "13:00-18:00"], fri: ["09:00-12:00", "13:00-18:00"]}
desk:
  timezone: Europe/Berlin
  hours: {mon: ["09:00-17:00"], tue: ["09:00-17:00"], sat: ["22:00-06:00"]}
"""


def policy(text: str) -> Json:
    """A policy file of these policies, or of one with these clocks."""
    content = yaml.safe_load(text)
    policies = content if isinstance(content, list) else [{"name": "p", "reopen": "subtract", "clocks": content}]
    return {"version": 1, "calendars": yaml.safe_load(CALENDARS), "policies": policies}


TWO_HOURS = "{resolution: {target: 2h, calendar: office}}"
THREE_HOURS = "{resolution: {target: 3h, calendar: office, pause_on: [customer]}}"
BOTH = """
{first_response: {target: 1h, calendar: office}, resolution: {target: 4h}, update: {target: 3h, calendar: desk}}
"""
BY_LEVEL = """
- {name: urgent, match: {priority: L1}, clocks: {resolution: {target: 3h}}}
- {name: p, clocks: {resolution: {target: 4h, calendar: office}}}
"""
DAYS = "{resolution: {target: 2bd, calendar: office, pause_on: [customer]}}"

CASES = [
    ("begins to count at the opening", TWO_HOURS, "0 opened", "90", "resolution.0 running 0-180"),
    ("stops for lunch", TWO_HOURS, "180 opened", "250", "resolution.0 running 180-360"),
    ("goes on the next morning", TWO_HOURS, "540 opened", "700", f"resolution.0 running 540-{60 + DAY + 60}"),
    ("used up at closing, it is due at closing", THREE_HOURS, "60 opened; 240 resolved", "300",
     "resolution.0 met 60-240@240"),
    ("not at the next opening", THREE_HOURS, "60 opened; 250 resolved", "300", "resolution.0 breached 60-240@250"),
    ("a pause across closing costs what was open", THREE_HOURS, "60 opened; 200 pending; 320 resumed", "350",
     "resolution.0 running 60-360"),
    ("a pause in closed hours costs nothing", THREE_HOURS, "100 opened; 245 pending; 295 resumed", "330",
     "resolution.0 running 100-340"),
    ("a pause that ends in closed hours", THREE_HOURS, "60 opened; 200 pending; 270 resumed", "330",
     "resolution.0 running 60-340"),
    ("two calendars and none on one case", BOTH, "0 opened", "10",
     "first_response.0 running 0-120, resolution.0 running 0-240, update.0 running 0-180"),
    ("another calendar from a change of priority on, counted from the start", BY_LEVEL,
     "0 opened | priority=L2; 130 updated | priority.L1", "150", "resolution.0 running 0-180"),
    ("and back", BY_LEVEL, "0 opened | priority=L1; 130 updated | priority.L2", "150", "resolution.0 running 0-360"),
    ("business days: the same share of the day, two days on", DAYS, "120 opened", "130",
     f"resolution.0 running 120-{2 * DAY + 60 + 22.5:g}"),
    ("from closed hours they count from the opening: due when the second day closes", DAYS, "700 opened", "710",
     f"resolution.0 running 700-{2 * DAY + 240}"),
    ("and pauses move them by open time", DAYS, "700 opened; 1500 pending; 1560 resumed", "1600",
     f"resolution.0 running 700-{3 * DAY + 120}"),
    ("reopened: what counted before counts on, closed hours do not", TWO_HOURS,
     "60 opened; 120 resolved; 250 reopened", "310", "resolution.0 met 60-180@120, resolution.1 running 250-360"),
    ("a night that Berlin makes an hour shorter", "{resolution: {target: 7h, calendar: desk}}",
     f"{26 * DAY + 760} opened", f"{26 * DAY + 770}", f"resolution.0 running {26 * DAY + 760}-{26 * DAY + 780 + 420}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "story", "now", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_rule(text: str, story: str, now: str, want: str) -> None:
    assert_told(policy(text), story, now, want)
