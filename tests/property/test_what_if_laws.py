"""What-if says of each policy what the engine says that has lived under it."""

import copy
import random
from collections import Counter
from typing import Any

from hypothesis import given

from schemas.times import to_ms
from streams.engine.engine import Engine
from streams.what_if.compare import GROUPS, Comparison, Counted, Flip
from tests.oracles import histories
from tests.oracles.contract import Json
from tests.property.driving import policy_file, run
from tests.property.stored import stored

STATES = ("met", "breached", "cancelled", "running", "paused")
Groups = dict[tuple[Any, ...], Counter[str]]


@given(histories.randoms)
def test_both_policies_judge_as_replay_under_each_does(rng: random.Random) -> None:
    base, events = histories.policy(rng), histories.history(rng, most=15, cases=5)
    new = histories.policy(rng) if rng.randrange(2) else changed(rng, base)
    now, coming = histories.final(rng, events), histories.arrivals(rng, events)
    by = rng.sample(GROUPS, rng.randrange(3))
    lived = [run(coming, policy, now) for policy in (base, new)]
    opened = [case.opened for case in lived[0].cases.values() if case.opened >= 0] or [0]
    window = rng.choice((0, min(opened), max(opened))), rng.choice((1 << 60, max(opened), max(opened) + 1))
    flips: list[Flip] = []
    comparison = Comparison(policy_file(base), policy_file(new), *window, to_ms(now), by, flips.append)
    comparison.add_all(stored(coming, rng))

    rows = comparison.rows()
    assert counts(rows, "before") == ends(lived[0], window, by)
    assert counts(rows, "after") == ends(lived[1], window, by)
    assert comparison.flips == len(flips)
    assert sum(row.to_breached for row in rows) == sum(flip.after == "breached" for flip in flips)
    assert sum(row.to_met for row in rows) == sum(flip.after == "met" for flip in flips)
    total = comparison.total()
    moved = states(total.before)
    for flip in flips:
        assert flip.before != flip.after
        moved[flip.before] -= 1
        moved[flip.after] += 1
    assert sum(moved.values()) - total.removed + total.added == sum(states(total.after).values())
    if not total.added and not total.removed:
        assert +moved == states(total.after)


@given(histories.randoms)
def test_flips_are_the_clocks_whose_records_differ(rng: random.Random) -> None:
    # Only targets differ and no policy counts on another clock's end: numbers then name the same clock under both.
    base, events = histories.policy(rng), histories.history(rng, cases=3)
    new = changed(rng, base)
    now = histories.final(rng, events)
    records = [
        {(o.case_id, o.clock, o.seq): o for o in run(events, policy, now).outcomes() if o.ref is None}
        for policy in (base, new)
    ]
    flips: list[Flip] = []
    comparison = Comparison(policy_file(base), policy_file(new), 0, 1 << 60, to_ms(now), (), flips.append)
    comparison.add_all(stored(events, rng))
    found = {(f.case_id, f.clock, f.seq): (f.before, f.after) for f in flips if f.clock != "callback"}
    before, after = records
    unopened = {case.id for case in run(events, base, now).cases.values() if case.opened < 0}
    assert found == {
        key: (before[key].state, after[key].state)
        for key in before.keys() & after.keys()
        if before[key].state != after[key].state and key[0] not in unopened
    }
    for flip in flips:
        if flip.clock == "callback":
            continue
        record = after[flip.case_id, flip.clock, flip.seq]
        assert (flip.target_after_s, flip.policy_after) == (record.target_s, record.policy)
        assert flip.ended_after == (record.breached_at or record.stopped_at)
        assert (flip.channel, flip.team, flip.queue) == (record.channel, record.team, record.queue)


@given(histories.randoms)
def test_the_same_policy_flips_nothing_and_is_judged_once(rng: random.Random) -> None:
    base, events = histories.policy(rng), histories.history(rng, cases=3)
    now = to_ms(histories.final(rng, events))
    comparison = Comparison(policy_file(base), policy_file(copy.deepcopy(base)), 0, 1 << 60, now)
    comparison.add_all(stored(events, rng))
    assert (comparison.flips, comparison.twice) == (0, 0)
    assert all(row.before == row.after for row in comparison.rows())


def changed(rng: random.Random, policy: Json) -> Json:
    """The policy with other targets for some of its clocks."""
    other = copy.deepcopy(policy)
    for told in other["policies"]:
        for clock in told["clocks"].values():
            if "target" in clock and rng.randrange(3) == 0:
                clock["target"] = rng.choice(("30s", "1m", "4m", "3h", "1bd"))
    return other


def ends(engine: Engine, window: tuple[int, int], by: list[str]) -> Groups:
    """Counts of an engine's records of the cases opened in a window."""
    counted: Groups = {}
    for outcome in engine.outcomes():
        if window[0] <= engine.cases[outcome.case_id].opened < window[1] and engine.cases[outcome.case_id].opened >= 0:
            group = (outcome.clock, *(getattr(outcome, name) for name in by))
            counted.setdefault(group, Counter())[outcome.state] += 1
    return counted


def counts(rows: list[Any], side: str) -> Groups:
    """The same of a comparison's rows."""
    found = {(row.clock, *row.group): states(getattr(row, side)) for row in rows}
    return {group: count for group, count in found.items() if count}


def states(counted: Counted) -> Counter[str]:
    """Counts by state, none where 0."""
    return +Counter({name: getattr(counted, name) for name in STATES})
