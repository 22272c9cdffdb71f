"""What a case tells of itself, and of its clocks, each time it changes."""

import pytest

from schemas.rollup import CaseRecord
from schemas.times import parse
from streams.engine.engine import Engine
from tests.oracles import engine as oracle
from tests.oracles.contract import Json
from tests.oracles.contract import parse as instant
from tests.property.driving import policy_file
from tests.support.stories import at, decoded, engine_of, events, policy_of

PLAIN = policy_of("p: resolution 60m customer")


def told(story: str) -> list[list[CaseRecord]]:
    """What is told after each event of a story."""
    engine, found = engine_of(PLAIN), []
    for version, event in enumerate(events(story)):
        engine.apply(decoded(event))
        _, records = engine.take_cases(0, 2 * version)
        found.append(records)
    return found


@pytest.mark.parametrize(
    ("story", "field", "want"),
    [
        ("0 opened; 5 resolved; 7 resolved", "resolved_at", [None, at("5"), at("7")]),
        ("0 opened; 2 queued; 3 queued", "queued_at", [None, at("2"), None]),
        ("0 opened; 2 connected; 3 connected", "connected_at", [None, at("2"), None]),
        ("0 opened; 2 agent; 3 agent", "answered_at", [None, at("2"), None]),
        ("0 opened; 2 filed; 3 filed", "complained_at", [None, at("2"), None]),
        ("0 opened; 2 filed | complaint_category.fee; 3 filed; 4 filed | complaint_category.delay",
         "complaint_category", [None, "fee", None, "delay"]),
        ("0 opened; 2 internal | team=a; 3 internal | team=a; 4 internal | team=b", "team", [None, "a", None, "b"]),
        ("0 opened; 2 internal | customer_id=kim; 3 internal", "customer_id", [None, "kim", None]),
        ("0 opened; 2 resolved; 3 reopened", "reopened", [0, 0, 1]),
        ("0 opened; 2 resolved; 3 reopened; 4 abandoned; 5 internal", "ends",
         [[], [at("2")], [at("2")], [at("2"), at("4")], None]),
    ],
)  # fmt: skip
def test_a_case_is_told_again_when_something_of_it_changed_and_only_then(story: str, field: str, want: list) -> None:
    found = told(story)
    assert [getattr(records[0], field) if records else None for records in found] == want
    assert [len(records) for records in found] == [int(n == 0 or value is not None) for n, value in enumerate(want)], (
        "nothing is told twice"
    )


def test_a_pause_and_its_end_are_told() -> None:
    engine, found = engine_of(PLAIN), []
    for event in events("0 opened; 10 pending; 20 internal; 30 resumed"):
        engine.apply(decoded(event))
        found.append([(o.state, o.due_at) for o in engine.take_outcomes(1)])
    assert found == [[("running", at("60"))], [("paused", None)], [], [("running", at("80"))]]


def test_a_case_heard_of_after_a_change_is_judged_by_the_policy_of_then() -> None:
    first, second = policy_of("p: resolution 5m"), policy_of("p: resolution 60m")
    story: list[Json] = events("0 opened")
    engine: Engine = engine_of(first)
    engine.advance(parse(at("10")))
    engine.change_policy(policy_file(second))
    engine.advance(parse(at("20")))
    engine.apply(decoded(story[0]))
    [record] = engine.outcomes()
    assert (record.state, record.breached_at, record.target_s) == ("breached", at("5"), 300)
    changes = [(instant(at("10.0000167")), second)]
    [want] = oracle.outcomes(story, first, instant(at("20")), changes)
    assert (record.state, record.breached_at, record.target_s) == (want["state"], want["breached_at"], want["target_s"])
