"""Sets of policies as bits of an integer: which policies meet, or have all cases of, another one is a few operations on
whole numbers, where going through all pairs of 20,000 policies would be 200 million steps."""

from collections.abc import Hashable, Iterable, Iterator, Sequence

_FEW = 8
"""Sets of fewer than this are made again whenever they are asked for: one takes n / 8 bytes."""


class Bits:
    """Which of `n` policies have which value."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._members: dict[Hashable, list[int]] = {}
        self._made: dict[Hashable, int] = {}

    def add(self, value: Hashable, member: int) -> None:
        """Policy `member` has it."""
        self._members.setdefault(value, []).append(member)

    def having(self, value: Hashable) -> int:
        """The policies that have it."""
        found = self._made.get(value)
        if found is None:
            having = self._members.get(value, ())
            if len(having) < _FEW:
                return sum(1 << member for member in having)
            found = self._made[value] = bits(having, self._n)
        return found


def bits(members: Iterable[int], n: int) -> int:
    """The set of these of `n` policies."""
    made = bytearray(n // 8 + 1)
    for member in members:
        made[member >> 3] |= 1 << (member & 7)
    return int.from_bytes(made, "little")


def members(found: int) -> Iterator[int]:
    """The policies of a set, in order."""
    while found:
        lowest = found & -found
        yield lowest.bit_length() - 1
        found ^= lowest


def before(found: int, i: int) -> int:
    """Those of a set that stand before policy i."""
    return found & ((1 << i) - 1)


def after(found: int, i: int) -> int:
    """Those of a set that stand after policy i."""
    return found >> (i + 1) << (i + 1)


class Meetings:
    """Who meets whom: `named` are the values that each policy names, by key; one that names none of a key takes all.

    `closed` are the keys that every case has one of few values for.
    """

    def __init__(self, named: Sequence[dict[str, frozenset[str]]], keys: Sequence[str], closed: Iterable[str]) -> None:
        self._named, self._keys, self._closed = named, keys, frozenset(closed)
        n = len(named)
        self._naming = {key: Bits(n) for key in keys}
        free: dict[str, list[int]] = {key: [] for key in keys}
        for i, values in enumerate(named):
            for key in keys:
                for value in values.get(key, ()):
                    self._naming[key].add(value, i)
                if key not in values:
                    free[key].append(i)
        self._all = (1 << n) - 1
        self._free = {key: bits(found, n) for key, found in free.items()}

    def meet(self, i: int) -> int:
        """Those that share a case with policy i."""
        found = self._all
        for key, values in self._named[i].items():
            found &= self._any(key, values)
        return found

    def have_all(self, i: int) -> int:
        """Those that have all cases of policy i."""
        found, named = self._all, self._named[i]
        for key in self._keys:
            if key not in named:
                found &= self._free[key]
                continue
            naming = self._all
            for value in named[key]:
                naming &= self._naming[key].having(value)
            found &= naming | self._free[key]
        return found

    def may_leave_none(self, *those: int) -> int:
        """Of the cases that all `those` policies share, those policies which count for whether any is left.

        Where no key of them names a value, a case may have one that no policy names. Only who takes that one counts;
        and who does takes every other as well.
        """
        found = self._all
        for i in those:
            found &= self.meet(i)
        for key in self._keys:
            if key not in self._closed and not any(key in self._named[i] for i in those):
                found &= self._free[key]
        return found

    def _any(self, key: str, values: Iterable[str]) -> int:
        found = self._free[key]
        for value in values:
            found |= self._naming[key].having(value)
        return found
