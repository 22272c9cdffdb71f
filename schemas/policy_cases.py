"""Which cases a match takes, as sets: whether policies leave a case to another one, and which, is exact."""

from collections.abc import Iterable, Mapping, Sequence
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
_MOST_TRIED = 64
"""Of more takers than this none is left out by way of trial: nobody reads on to see that all are needed."""


class Entangled(Exception):
    """Telling would take too long."""


class Work:
    """How much may still be done for an answer. A step is a look at one set of cases, a few microseconds."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def take(self, steps: int) -> None:
        """Does so many. Raises `Entangled` where no more may be done."""
        self._left -= steps
        if self._left < 0:
            raise Entangled


class Space:
    """All cases that the matches of `policies` can tell apart.

    `keys` are those of a match, `closed` those of which a case has one of few known values; `named` holds, a policy,
    the values it names by key, where those are not all there are.
    """

    keys = _KEYS
    closed = tuple(_CLOSED)

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.named = [_values(policy.match) for policy in policies]
        self._all = tuple(
            frozenset(_CLOSED.get(key) or {_REST}.union(*(values.get(key, ()) for values in self.named)))
            for key in _KEYS
        )
        for key, everything in zip(_KEYS, self._all, strict=True):
            if key in _CLOSED:
                for values in self.named:
                    if values.get(key) == everything:
                        del values[key]

    def taken_by(self, match: Match | None) -> Cases:
        """The cases that a match holds for."""
        return self._cases(_values(match), self._all)

    def telling(self, *named: Mapping[str, frozenset[str]]) -> Cases | None:
        """The cases with all these values, and of keys that none of them names the one value that no policy names.
        None where there are none."""
        common = [_common([values[key] for values in named if key in values]) for key in _KEYS]
        cases = tuple(
            (everything if key in _CLOSED else frozenset((_REST,))) if values is None else values
            for key, values, everything in zip(_KEYS, common, self._all, strict=True)
        )
        return cases if all(cases) else None

    def _cases(self, values: Mapping[str, frozenset[str]], rest: Cases) -> Cases:
        return tuple(values.get(key, everything) for key, everything in zip(_KEYS, rest, strict=True))

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


def left_by(takers: Sequence[Cases], cases: Cases, work: Work | None = None) -> Cases | None:
    """Cases that none of the takers has; None where together they have all. Raises `Entangled`.

    Each step takes a taker out of the cases at hand: what is outside of it by one key or another is gone through by
    itself, with as many takers less.
    """
    waiting = [(cases, takers)]
    while waiting:
        cases, takers = waiting.pop()
        if work is not None:
            work.take(1 + len(takers))
        near = [taker for taker in takers if not any(map(frozenset.isdisjoint, cases, taker))]
        if not near:
            return cases
        taker = max(near, key=lambda taker: sum(map(frozenset.issubset, cases, taker)))
        parts = []
        for key, theirs in enumerate(taker):
            outside = cases[key] - theirs
            if outside:
                parts.append(((*cases[:key], outside, *cases[key + 1 :]), near))
                cases = (*cases[:key], cases[key] & theirs, *cases[key + 1 :])
        waiting += reversed(parts)
    return None


def needed(takers: dict[str, Cases], cases: Cases, work: Work | None = None) -> list[str]:
    """Names of few takers that together have all these cases, where all of them do. Raises `Entangled`."""
    names = [name for name, taker in takers.items() if both(cases, taker)]
    alone = next((name for name in names if within(cases, takers[name])), None)
    if alone is not None:
        return [alone]
    if len(names) > _MOST_TRIED:
        return names
    for name in names[:]:
        fewer = [other for other in names if other != name]
        if left_by([takers[other] for other in fewer], cases, work) is None:
            names = fewer
    return names


def _values(match: Match | None) -> dict[str, frozenset[str]]:
    """The values that a match names, by key."""
    if match is None:
        return {}
    named = {key: frozenset(values) for key in DIMENSIONS if (values := getattr(match, key)) is not None}
    if match.complaint is not None:
        named["complaint"] = frozenset(("yes" if match.complaint else "no",))
    return named


def _common(values: Sequence[frozenset[str]]) -> frozenset[str] | None:
    """What is in all; None of nothing."""
    return frozenset.intersection(*values) if values else None


def _ordered(key: str, values: frozenset[str]) -> list[str]:
    known = _CLOSED.get(key, ())
    return [value for value in known if value in values] or sorted(values)
