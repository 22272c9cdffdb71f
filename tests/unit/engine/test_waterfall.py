"""Who held a case, by worked examples: spans as `holder begin-end`, in minutes."""

import pytest

from schemas.calendar import Calendar
from streams.engine import waterfall
from streams.engine.calendar import AlwaysOpen, make_calendar
from streams.engine.facts import DimsTable, Fact, FactMaker
from tests.support.stories import START, decoded, events, minutes

EXAMPLES = [
    ("0 opened; 10 connected | agent_id=a", "queue 0-10, agent:a 10-60"),
    ("0 opened; 5 bot; 10 queued; 15 connected | agent_id=a", "queue 0-5, bot 5-10, queue 10-15, agent:a 15-60"),
    ("0 opened; 10 agent | agent_id=a; 20 transferred | to_team.b; 30 agent | agent_id=c",
     "queue 0-10, agent:a 10-20, team:b 20-30, agent:c 30-60"),
    ("0 opened; 10 agent | agent_id=a; 20 transferred | to_agent.c; 30 bot",
     "queue 0-10, agent:a 10-20, agent:c 20-60"),
    ("0 opened | team=t; 10 connected; 20 pending; 30 pending | reason.third_party; 40 resumed | reason.customer",
     "queue 0-10, team:t 10-20, customer 20-40, third_party 40-60"),
    ("0 opened; 10 agent | agent_id=a; 20 pending | reason.internal", "queue 0-10, agent:a 10-60"),
    ("0 opened; 10 agent | agent_id=a; 20 scored | agent_id=b score.1; 30 adopted | agent_id=b",
     "queue 0-10, agent:a 10-60"),
    ("0 opened; 20 pending; 30 reopened", "queue 0-20, customer 20-30, queue 30-60"),
]  # fmt: skip


def facts(story: str) -> list[Fact]:
    make = FactMaker(DimsTable()).make
    return [make(decoded(event)) for event in events(story)]


@pytest.mark.parametrize(("story", "want"), EXAMPLES)
def test_spans(story: str, want: str) -> None:
    found = list(waterfall.spans(facts(story), AlwaysOpen(), START, START + 3_600_000))
    assert ", ".join(f"{s.holder} {minutes(s.begin)}-{minutes(s.end)}" for s in found) == want


def test_what_each_held_adds_up_over_several_stretches_and_closed_hours() -> None:
    story = facts("0 opened; 10 pending; 15 resumed; 20 connected | agent_id=a; 25 queued; 40 pending; 50 resumed")
    always = waterfall.held(story, AlwaysOpen(), START, START + 3_600_000)
    assert {holder: ms / 60_000 for holder, ms in always.items()} == {"queue": 40, "customer": 15, "agent:a": 5}
    office = make_calendar("o", Calendar(hours={"mon": ["08:05-08:22", "08:45-08:55"]}))
    held = waterfall.held(story, office, START, START + 3_600_000)
    assert {holder: ms / 60_000 for holder, ms in held.items()} == {
        "closed": 33, "queue": 15, "customer": 10, "agent:a": 2
    }  # fmt: skip


def test_closed_hours_are_nobodys() -> None:
    # 08:00 UTC is when the stories begin.
    office = make_calendar("o", Calendar(hours={"mon": ["08:10-08:20", "08:40-09:00"]}))
    found = waterfall.spans(facts("0 opened; 15 pending; 45 resumed"), office, START, START + 3_600_000)
    assert ", ".join(f"{s.holder} {minutes(s.begin)}-{minutes(s.end)}" for s in found) == (
        "closed 0-10, queue 10-15, customer 15-20, closed 20-40, customer 40-45, queue 45-60"
    )
