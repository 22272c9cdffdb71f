"""The naive oracle against examples worked by hand: the time of agents.

How stories read: `stories`; how facts read: `telling`.
"""

import pytest

from tests.oracles import agents
from tests.oracles.metrics import Reading, summary
from tests.unit.oracles.stories import events
from tests.unit.oracles.telling import HOUR, counted, instant


def shift(story: str, now: str) -> dict[str, dict[str, int]]:
    """Seconds by measure and minute."""
    told: dict[str, dict[str, int]] = {}
    for when, _, measure, amount in agents.facts(events(story, None), instant(now)):
        minutes = told.setdefault(measure.removeprefix("agent_").removesuffix("_ms"), {})
        minute = f"{when:%d %H:%M}"
        minutes[minute] = minutes.get(minute, 0) + amount // 1000
    return told


def test_a_state_lasts_to_the_next_one_also_over_midnight() -> None:
    story = (
        "02 23:58:30 state | agent_id=ann state.available; 02 23:59:15 state | agent_id=ann state.busy; "
        "03 00:00:20 state | agent_id=ann state.wrap; 03 00:00:30 state | agent_id=ann state.offline"
    )
    assert shift(story, "03 12:00") == {
        "available": {"02 23:58": 30, "02 23:59": 15},
        "busy": {"02 23:59": 45, "03 00:00": 20},
        "wrap": {"03 00:00": 10},
    }


@pytest.mark.parametrize(
    ("story", "now", "want"),
    [
        ("02 09:00 state | agent_id=ann state.busy", "03 08:00", {"busy": 23 * 3600}),
        ("02 09:00 state | agent_id=ann state.busy", "03 09:00", {"busy": 24 * 3600}),
        ("02 09:00 state | agent_id=ann state.busy", "05 09:00", {"busy": 24 * 3600}),
        ("02 09:00 state | agent_id=ann state.busy; 04 09:00 state | agent_id=ann state.wrap", "04 10:00",
         {"busy": 24 * 3600, "wrap": 3600}),
        ("02 09:00 state | agent_id=ann state.busy", "02 08:00", {}),
        ("02 09:00 state | agent_id=ann state.busy; 02 11:00 state | agent_id=ann state.wrap", "02 10:00",
         {"busy": 3600}),
        ("02 09:00 state | agent_id=ann state.busy; 02 09:30 state | agent_id=bo state.offline", "02 10:00",
         {"busy": 3600}),
        ("02 09:00 state | agent_id=ann state.busy; 02 09:00 state | agent_id=ann state.wrap", "02 10:00",
         {"wrap": 3600}),
        ("02 09:00 state | state.busy; 02 09:30 state | agent_id=ann state.offline", "02 10:00", {}),
    ],
)  # fmt: skip
def test_how_long_states_last(story: str, now: str, want: dict[str, int]) -> None:
    assert {state: sum(minutes.values()) for state, minutes in shift(story, now).items()} == want


def test_of_one_state_told_with_two_times_the_earlier_counts() -> None:
    told = events("02 09:00 state | agent_id=ann state.busy; 02 09:30 state | agent_id=ann state.busy", None)
    told[1]["event_id"] = told[0]["event_id"]
    for coming in (told, told[::-1]):
        assert counted(agents.facts(coming, instant("02 10:00")), "") == "agent_busy_ms 3600000"


def test_a_state_has_its_own_dimensions_and_says_nothing_of_the_case_it_names() -> None:
    told = events(
        "02 08:00 state | agent_id=ann state.busy team=t; 02 09:00 opened | queue=q; "
        "02 09:01 state | agent_id=ann state.wrap channel=app; 02 09:02 resolved"
    )
    reading = Reading(told, HOUR, instant("02 10:00"))
    assert counted(reading.facts, "agent", "opened", "resolved") == (
        "agent_busy_ms 3660000, agent_wrap_ms 3540000, opened, resolved"
    )
    about = {(measure, dims["channel"], dims["team"], dims["queue"]) for _, dims, measure, _ in reading.facts}
    assert {one for one in about if one[0] in ("agent_busy_ms", "agent_wrap_ms", "resolved")} == {
        ("agent_busy_ms", None, "t", None),
        ("agent_wrap_ms", "app", None, None),
        ("resolved", "chat", None, "q"),
    }
    assert reading.stories[0].dims["agent_id"] is None


def test_occupancy() -> None:
    told = events(
        "02 09:00 state | agent_id=ann state.available; 02 09:30 state | agent_id=ann state.busy; "
        "02 10:20 state | agent_id=ann state.wrap; 02 10:30 state | agent_id=ann state.offline",
        None,
    )
    found = summary(told, HOUR, instant("02 12:00"))["occupancy"]
    assert found.value == pytest.approx(2 / 3)
    assert (found.numerator, found.denominator) == (3_600_000, 5_400_000)
