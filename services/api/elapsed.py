"""What a running clock has counted up to now: its record says what it had when it was last told."""

from collections.abc import Iterable
from functools import lru_cache

from schemas import times
from schemas.policy import parse_policy
from services.api.database import Row
from services.api.policy_in_force import PolicyInForce
from streams.engine.calendar import AlwaysOpen, Calendar
from streams.engine.policies import calendars_of


def count_up(rows: Iterable[Row], moment: int, policy: PolicyInForce) -> None:
    """Puts into running clock records what has elapsed at `moment` (ms): the target less the open time that is left.

    A clock whose calendar the policy in force does not know any more keeps what it was told with.
    """
    watch = policy.look()
    known: dict[str, Calendar] = {"always": AlwaysOpen()} if watch is None else _calendars(watch.file.text)
    for row in rows:
        if row["state"] != "running" or row["due_at"] is None:
            continue
        calendar, due = known.get(row["calendar"]), times.parse(row["due_at"])
        if calendar is not None:
            left = calendar.elapsed(moment, due) if moment <= due else -calendar.elapsed(due, moment)
            row["elapsed_s"] = row["target_s"] - left / 1000


@lru_cache(maxsize=2)
def _calendars(text: str) -> dict[str, Calendar]:
    """The calendars of a policy file. Making one takes longer than an answer."""
    return calendars_of(parse_policy(text, "policy in force"))
