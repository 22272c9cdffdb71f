"""What is said of a case's past is what the engine says of its present, and leaves no second out."""

import random
from itertools import pairwise

from hypothesis import given

from schemas.calendar import Calendar
from schemas.times import to_ms
from streams.engine import waterfall
from streams.engine.calendar import AlwaysOpen, make_calendar
from streams.engine.engine import Engine
from streams.engine.explain import explain
from streams.engine.facts import DimsTable, FactMaker
from tests.oracles import histories
from tests.property.driving import book, decoded


@given(histories.randoms)
def test_the_last_step_is_what_the_engine_says(rng: random.Random) -> None:
    policy, told = histories.policy(rng), histories.history(rng, cases=1)
    now = to_ms(histories.final(rng, told))
    table = DimsTable()
    make = FactMaker(table).make
    of_case = [event for event in told if event.get("case_id")]
    engine = Engine(book(policy))
    for event in of_case:
        engine.apply(decoded(event))
    engine.advance(now)
    found = explain({e["event_id"]: make(decoded(e)) for e in of_case}, book(policy), table, now)
    endings = {"met": "met", "late": "breached", "breached": "breached", "cancelled": "cancelled"}
    last: dict[tuple[str, int], str] = {}
    for step in found.steps:
        if step.what in endings:
            last[step.clock, step.seq] = endings[step.what]
        elif step.what == "restarted":  # the queue begins the wait for a connection anew
            last.pop((step.clock, step.seq), None)
    ended = {(o.clock, o.seq): o.state for o in engine.outcomes() if o.state not in ("running", "paused")}
    assert ended == {key: state for key, state in last.items() if key in found.waterfalls}
    assert found.waterfalls.keys() == {(o.clock, o.seq) for o in engine.outcomes()}


@given(histories.randoms)
def test_the_parts_add_up(rng: random.Random) -> None:
    make = FactMaker(DimsTable()).make
    told = sorted((make(decoded(event)) for event in histories.history(rng)), key=lambda fact: fact.t)
    calendar = rng.choice((AlwaysOpen(), make_calendar("o", Calendar(hours={"mon": ["00:00-00:07", "00:20-24:00"]}))))
    start = rng.choice(told).t - rng.choice((0, 1, 60_000)) if told else 0
    end = start + rng.choice((0, 1, 600_000, 90_000_000))
    spans = list(waterfall.spans(told, calendar, start, end))
    assert [s.begin for s in spans] == ([start] if end > start else []) + [s.end for s in spans][:-1]
    assert not spans or spans[-1].end == end
    assert all(a.holder != b.holder for a, b in pairwise(spans))
    sums: dict[str, int] = {}
    for span in spans:
        sums[span.holder] = sums.get(span.holder, 0) + span.end - span.begin
    assert waterfall.held(told, calendar, start, end) == sums
