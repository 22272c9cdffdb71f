"""Which event made a record what it is, where several late ones arrive before anything is told."""

from streams.engine.engine import Engine
from streams.engine.policies import PolicyBook
from tests.property.driving import decoded, policy_file
from tests.support.stories import events

POLICY = {"version": 1, "policies": [{"name": "p", "clocks": {"first_response": {"target": "10m"}}}]}


def test_a_later_arrival_that_changes_nothing_is_not_the_cause() -> None:
    told = events("0 opened; 5 agent; 2 internal; 1 scored | score.0")
    engine = Engine(PolicyBook(policy_file(POLICY)))
    opened, answer, internal, scored = (decoded(event) for event in told)
    engine.apply(opened)
    engine.advance(round(opened.occurred_at.timestamp() * 1000) + 1_800_000)
    assert [outcome.state for outcome in engine.take_outcomes(1)] == ["breached"]
    for event in (answer, internal, scored):
        engine.apply(event)
    [outcome] = engine.take_outcomes(2)
    assert (outcome.state, outcome.cause) == ("met", answer.event_id)


def test_of_two_that_change_it_the_last_is() -> None:
    told = events("0 opened; 5 agent; 4 agent")
    engine = Engine(PolicyBook(policy_file(POLICY)))
    for event in told[:1]:
        engine.apply(decoded(event))
    engine.take_outcomes(1)
    for event in told[1:]:
        engine.apply(decoded(event))
    [outcome] = engine.take_outcomes(2)
    assert (outcome.state, outcome.cause) == ("met", told[2]["event_id"])
