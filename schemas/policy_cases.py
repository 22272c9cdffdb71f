"""Which cases a match takes, as sets: whether policies leave a case to another one, and which, is exact."""

from collections.abc import Iterable, Sequence
from typing import get_args

from schemas.event import Channel, Priority
from schemas.policy import Match, Policy
from schemas.rollup import DIMENSIONS

Cases = tuple[frozenset[str], ...]
"""A set of cases: per key the values they may have, each combined with each."""

_KEYS = (*DIMENSIONS, "complaint")
_REST = ""
"""Stands for every value that no policy names, and for none at all."""
_CLOSED = {"channel": get_args(Channel), "priority": (*get_args(Priority), _REST), "complaint": ("no", "yes")}
"""Keys whose values are known beforehand. A case has a channel always, a level perhaps."""


class Space:
    """All cases that the matches of `policies` can tell apart."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        named = [_values(policy.match) for policy in policies]
        self._all = tuple(
            frozenset(_CLOSED.get(key) or {_REST}.union(*(values.get(key, ()) for values in named))) for key in _KEYS
        )

    def taken_by(self, match: Match | None) -> Cases:
        """The cases that a match holds for."""
        values = _values(match)
        return tuple(
            frozenset(values[key]) if key in values else everything
            for key, everything in zip(_KEYS, self._all, strict=True)
        )

    def example(self, cases: Cases) -> str:
        """One of these cases in words, with as few values as tell it from others."""
        said = []
        for key, values, everything in zip(_KEYS, cases, self._all, strict=True):
            if key == "complaint":
                said += ["no complaint" if values == {"no"} else "complaint"] if values != everything else []
            elif _REST not in values and values != everything:
                said.append(f"{key} {next(value for value in _ordered(key, values))}")
        return ", ".join(said) or "any"


def both(one: Cases, other: Cases) -> Cases | None:
    """The cases in both sets; None where there are none."""
    common = tuple(a & b for a, b in zip(one, other, strict=True))
    return common if all(common) else None


def within(one: Cases, other: Cases) -> bool:
    """Whether all cases of one set are in the other."""
    return all(a <= b for a, b in zip(one, other, strict=True))


def left_by(takers: Sequence[Cases], cases: Cases) -> Cases | None:
    """Cases that none of the takers has; None where together they have all."""
    near = [taker for taker in takers if not any(map(frozenset.isdisjoint, cases, taker))]
    if not near:
        return cases
    taker = min(near, key=lambda taker: sum(map(bool, map(frozenset.difference, cases, taker))))
    for key, theirs in enumerate(taker):
        outside = cases[key] - theirs
        if outside:
            left = left_by(near, (*cases[:key], outside, *cases[key + 1 :]))
            if left is not None:
                return left
            cases = (*cases[:key], cases[key] & theirs, *cases[key + 1 :])
    return None


def needed(takers: dict[str, Cases], cases: Cases) -> list[str]:
    """Names of few takers that together have all these cases, where all of them do."""
    names = [name for name, taker in takers.items() if both(cases, taker)]
    alone = next((name for name in names if within(cases, takers[name])), None)
    if alone is not None:
        return [alone]
    for name in names[:]:
        fewer = [other for other in names if other != name]
        if left_by([takers[other] for other in fewer], cases) is None:
            names = fewer
    return names


def _values(match: Match | None) -> dict[str, tuple[str, ...]]:
    """The values that a match names, by key."""
    if match is None:
        return {}
    said = match.model_dump(exclude_none=True)
    if "complaint" in said:
        said["complaint"] = ["yes" if said["complaint"] else "no"]
    return {key: tuple(values) for key, values in said.items()}


def _ordered(key: str, values: frozenset[str]) -> list[str]:
    known = _CLOSED.get(key, ())
    return [value for value in known if value in values] or sorted(values)
