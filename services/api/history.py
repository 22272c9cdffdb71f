"""Clock records, slices and cases as they were known at an instant.

`outcomes` holds the newest version of each record, `outcome_history` every version that was told; slices and cases have
such a pair of tables too. A record about which nothing was told after the instant is the same now as it was then; only
the others are looked up in the history. So a question about a recent instant costs little more than one about the
present.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import times
from services.api.ranges import instant, refused

HISTORY_DAYS = 90
"""How long the tables of told versions (`*_history`) keep one, where the operator sets nothing else; their TTL in
deploy/clickhouse/migrations says the same."""

KEY = "clock, case_id, seq"
"""What makes a clock instance."""

_DAY_MS = 86_400_000
AS_OF = "fromUnixTimestamp64Milli({as_of_ms:Int64}, 'UTC')"


@dataclass(frozen=True, slots=True)
class Known:
    """What was known at `as_of_ms`, of all that was told up to then; None: what is known now."""

    as_of_ms: int | None = None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What `outcomes` names in its SQL."""
        return {} if self.as_of_ms is None else {"as_of_ms": self.as_of_ms}

    def moment(self, now_ms: int) -> int:
        """The instant that is the present of the answer."""
        return now_ms if self.as_of_ms is None else self.as_of_ms

    def stated(self) -> dict[str, str]:
        """As answers carry it: `as_of`, where one was asked for."""
        return {} if self.as_of_ms is None else {"as_of": times.text(self.as_of_ms)}

    def outcomes(self, columns: Sequence[str], of: str = "1") -> str:
        """A relation with `columns` of each clock record, to stand after FROM. `of` is a condition on the key (clock,
        case_id, seq) that spares looking at the others."""
        if self.as_of_ms is None:
            # A condition on the key may come before FINAL: all versions of a row share it.
            return "outcomes FINAL" if of == "1" else f"outcomes FINAL PREWHERE {of}"
        changed = f"SELECT instance FROM outcome_history WHERE told_at > {AS_OF} AND {of}"
        names = ", ".join(columns)
        told = ", ".join(f"said.{number} AS {name}" for number, name in enumerate(columns, 2))
        return (
            f"(SELECT {names} FROM outcomes FINAL PREWHERE {of}"
            f" WHERE told_at <= {AS_OF} AND cityHash64({KEY}) NOT IN ({changed})"
            f" UNION ALL SELECT {told} FROM (SELECT argMax(tuple(withdrawn, {names}), version) AS said"
            f" FROM outcome_history WHERE told_at <= {AS_OF} AND {of} AND instance IN ({changed}) GROUP BY {KEY})"
            " WHERE said.1 = 0)"
        )

    def newest(self, table: str, history: str, key: str, columns: Sequence[str], of: str) -> str:
        """A relation with `columns` of each row of a versioned table that keeps its versions in `history`, to stand
        after FROM. `key` is what makes a row; `of` is a condition on what all versions of a row share."""
        names = ", ".join(columns)
        if self.as_of_ms is None:
            return f"(SELECT {names} FROM {table} FINAL PREWHERE {of})"
        told = ", ".join(f"said.{number} AS {name}" for number, name in enumerate(columns, 1))
        return (
            f"(SELECT {names} FROM {table} FINAL PREWHERE {of} WHERE told_at <= {AS_OF}"
            f" UNION ALL SELECT {told} FROM (SELECT argMax(tuple({names}), version) AS said"
            f" FROM {history} WHERE told_at <= {AS_OF} AND {of}"
            f" AND ({key}) IN (SELECT {key} FROM {table} FINAL PREWHERE {of} WHERE told_at > {AS_OF}) GROUP BY {key}))"
        )


NOW_KNOWN = Known()


def known_at(as_of: str | None, now_ms: int, kept_days: int) -> Known:
    """What was known at the instant `as_of` (RFC 3339); of the future no more is known than now.

    Raises Problem 422 where the history, which keeps `kept_days` (0: all), does not reach back that far.
    """
    if as_of is None:
        return NOW_KNOWN
    return Known(check_kept("as_of", min(instant("as_of", as_of), now_ms), now_ms, kept_days))


def check_kept(parameter: str, ms: int, now_ms: int, kept_days: int) -> int:
    """The instant itself. Raises Problem 422 naming the parameter where what was told then is kept no more."""
    if kept_days and ms < now_ms - kept_days * _DAY_MS:
        raise refused(parameter, f"what was told when is kept for {kept_days} days; ask for a later time.")
    return ms
