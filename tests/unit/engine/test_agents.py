"""Time of agents by worked examples: minutes, midnight, late and repeated states, silence."""

from collections import Counter
from datetime import timedelta

import pytest

from schemas.event import Event, decode_event
from streams.engine.agents import Agents
from streams.engine.facts import DimsTable
from streams.engine.slices import Slices
from tests.oracles import agents as oracle
from tests.oracles.contacts import contact_slices
from tests.oracles.contract import Json, parse, show
from tests.property.driving import raw

BASE = parse("2026-03-01T23:58:00Z")
START = round(BASE.timestamp() * 1000)


def told(after_s: float, name: str, id_: str = "", agent: str = "ann", team: str = "a") -> Json:
    """An agent.state so long after the start."""
    at = show(BASE + timedelta(seconds=after_s))
    about = {"event_id": id_ or f"{agent}{after_s}", "type": "agent.state", "occurred_at": at}
    return about | {"agent_id": agent, "team": team, "data": {"state": name}}


def state(after_s: float, name: str, id_: str = "", agent: str = "ann") -> Event:
    """The same as the engine takes it."""
    return decode_event(raw(told(after_s, name, id_, agent)))


def booked(*events: Event, until_s: float, settle: tuple[float, ...] = ()) -> tuple[Counter[str], dict[int, int]]:
    """Seconds by state, and seconds by minute since the start; time is settled after each event that has an entry."""
    slices, table = Slices(), DimsTable()
    agents = Agents(slices, table)
    for number, event in enumerate(events):
        agents.tell(event, 0)
        if number < len(settle):
            agents.settle(START + round(settle[number] * 1000))
    agents.settle(START + round(until_s * 1000))
    states: Counter[str] = Counter()
    minutes: dict[int, int] = {}
    for cell in slices.cells():
        for name, ms in cell.counts.items():
            if ms:
                states[name.removeprefix("agent_").removesuffix("_ms")] += ms // 1000
                minute = cell.minute - START // 60_000
                minutes[minute] = minutes.get(minute, 0) + ms // 1000
    return states, minutes


SHIFT = (state(30, "available"), state(90, "busy"), state(200, "wrap"), state(230, "offline"))


def test_states_fill_the_minutes_they_last_in_also_over_midnight() -> None:
    states, minutes = booked(*SHIFT, until_s=600)
    assert states == {"available": 60, "busy": 110, "wrap": 30}
    assert minutes == {0: 30, 1: 60, 2: 60, 3: 50}


def test_the_state_at_hand_counts_up_to_now() -> None:
    assert booked(*SHIFT[:2], until_s=100)[0] == {"available": 60, "busy": 10}


def test_neither_order_nor_repetition_nor_when_time_is_settled_matters() -> None:
    want = booked(*SHIFT, until_s=600)
    for events in (SHIFT[::-1], SHIFT[2:] + SHIFT[:2], SHIFT + SHIFT[1:3]):
        for settle in ((), (50.0, 100.0, 400.0), (0.0, 95.0, 96.0, 210.0)):
            assert booked(*events, until_s=600, settle=settle) == want


@pytest.mark.parametrize("name", ["available", "busy", "wrap", "offline"])
@pytest.mark.parametrize("after_s", [0, 30, 60, 90, 145.5, 200, 215, 230, 400])
def test_a_state_told_late_counts_once_and_shortens_the_one_before(after_s: float, name: str) -> None:
    """All but the late one is booked when it comes, the last state's time too; each team has its own time."""
    shift = [told(30, "available"), told(90, "busy", team="b"), told(200, "wrap"), told(230, "available", team="b")]
    late = told(after_s, name, "late", team="c")
    slices = Slices()
    agents = Agents(slices, DimsTable())
    for event in shift:
        agents.tell(decode_event(raw(event)), 0)
    agents.settle(START + 300_000)
    agents.tell(decode_event(raw(late)), 0)
    agents.settle(START + 500_000)
    booked = {
        (show(BASE + timedelta(minutes=cell.minute - START // 60_000)), *cell.dims.values): counts
        for cell in slices.cells()
        if (counts := {measure: ms for measure, ms in cell.counts.items() if ms})
    }
    assert booked == contact_slices(oracle.facts([*shift, late], BASE + timedelta(seconds=500)))


@pytest.mark.parametrize("settle", [(), (0.0, 50.0, 150.0), (100.0, 150.0, 200.0)])
def test_of_one_id_with_two_contents_the_lesser_counts(settle: tuple[float, ...]) -> None:
    first, second = state(30, "busy", "x"), state(60, "busy", "x")
    before = state(10, "available")
    for events in ((before, first, second), (before, second, first), (second, before, first)):
        want = {"available": 20, "busy": 90}
        assert booked(*events, state(120, "offline"), until_s=300, settle=settle)[0] == want


def test_who_is_not_heard_of_for_a_day_does_not_count_any_more() -> None:
    assert booked(state(0, "available"), until_s=40 * 3600)[0] == {"available": 86_400}


def test_a_state_told_ahead_of_time_waits_for_it() -> None:
    assert booked(state(0, "available"), state(300, "busy"), until_s=100)[0] == {"available": 100}


def test_a_state_of_nobody_says_nothing() -> None:
    agents = Agents(Slices(), DimsTable())
    event = state(0, "busy")
    event.agent_id = None
    assert agents.tell(event, 0)
    assert not agents.all


@pytest.mark.parametrize("name", ["available", "busy", "wrap", "offline"])
def test_what_is_trimmed_stays_counted_and_what_comes_later_for_it_says_nothing(name: str) -> None:
    slices = Slices()
    agents = Agents(slices, DimsTable())
    for hour in range(10):
        agents.tell(state(hour * 3600, "busy" if hour % 2 else "available"), 0)
    agents.settle(START + 10 * 3_600_000)

    def total() -> int:
        return sum(n for cell in slices.cells() for n in cell.counts.values())

    before = total()
    agents.forget(-1, keep_ms=2 * 3_600_000)
    assert len(agents.all["ann"].spells) < 10
    assert agents.tell(state(1800, name), 0)
    agents.settle(START + 11 * 3_600_000)
    assert total() - 3_600_000 == before == 10 * 3_600_000


def test_agents_are_kept_by_sixteen() -> None:
    agents = Agents(Slices(), DimsTable())
    for number in range(40):
        agents.tell(state(0, "busy", agent=f"a{number}"), 0)
    assert [len(agents.dump(bucket)) for bucket in sorted(agents.buckets)] == [16, 16, 8]
    assert agents.dirty == set(agents.buckets)


def test_an_agent_not_heard_of_is_forgotten_and_its_time_stays() -> None:
    agents = Agents(Slices(), DimsTable())
    agents.tell(state(0, "busy"), 5)
    agents.forget(6, keep_ms=10**9)
    assert not agents.all
    assert agents.dump(0) == []
