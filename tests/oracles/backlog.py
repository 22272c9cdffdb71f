"""Which cases are open at an instant, for how long, and who still waits for a human."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from tests.oracles.cases import Story
from tests.oracles.formulas import OpenCase

ENDS = ("contact.resolved", "contact.closed", "contact.abandoned")


def open_cases(told: Iterable[Story], at: datetime) -> Iterator[OpenCase]:
    """The cases open at an instant, judged by the events up to and at it. Dimensions are the present ones."""
    for story in told:
        then = replace(story, seen=[seen for seen in story.seen if seen.at <= at])
        if then.opening is not None and _is_open(then, then.opening):
            yield OpenCase(story.case_id, story.dims, at - then.seen[then.opening].at, _wait(then, then.opening, at))


def _is_open(then: Story, opening: int) -> bool:
    """Whether nothing ended the case since it was opened or, later, reopened."""
    begin = max([opening, *(n for n in then.reopenings if n < len(then.seen))])
    return not any(seen.event["type"] in ENDS for seen in then.seen[begin + 1 :])


def _wait(then: Story, opening: int, at: datetime) -> timedelta | None:
    """How long the customer has waited; None where a human has connected, or answered since the opening."""
    if then.has("contact.connected") or then.first("message.agent", opening) is not None:
        return None
    queued = then.first("contact.queued")
    return at - then.seen[opening if queued is None else queued].at
