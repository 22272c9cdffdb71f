"""How long a column is in ClickHouse's Native format: enough of every type to step over its data."""

import re
from functools import lru_cache
from struct import unpack_from
from typing import Final, Protocol

from services.clickhouse.errors import NOT_IMPLEMENTED, QueryError

_WIDTHS: Final = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1,
    "Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
    "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "DateTime32": 4, "IPv4": 4, "Time": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8,
    "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16,
    "Int256": 32, "UInt256": 32,
}  # fmt: skip
_ALIASES: Final = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_NAMED: Final = re.compile(r"(?:`(?:[^`\\]|\\.)*`|\w+)\s+(?P<type>\S.*)", re.DOTALL)
_PART: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^(),'`]+")


class Column(Protocol):
    """A column's type. Both methods take a position in the data and give the one behind."""

    def prefix(self, at: int) -> int:
        """Step over what comes once before a block's data."""

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        """Step over `rows` values."""


class _Fixed:
    def __init__(self, width: int) -> None:
        self.width = width

    def prefix(self, at: int) -> int:
        return at

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        return at + self.width * rows


class _Text:
    def prefix(self, at: int) -> int:
        return at

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        for _ in range(rows):
            length, at = varint(buffer, at)
            at += length
        return at


class _Nullable:
    def __init__(self, inner: Column) -> None:
        self.inner = inner

    def prefix(self, at: int) -> int:
        return self.inner.prefix(at)

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        return self.inner.data(buffer, at + rows, rows)


class _Array:
    def __init__(self, inner: Column) -> None:
        self.inner = inner

    def prefix(self, at: int) -> int:
        return self.inner.prefix(at)

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        if rows == 0:
            return at
        end = at + 8 * rows
        # Offsets are running totals: the last one is the number of elements.
        return self.inner.data(buffer, end, unpack_from("<Q", buffer, end - 8)[0])


class _Tuple:
    def __init__(self, parts: list[Column]) -> None:
        self.parts = parts

    def prefix(self, at: int) -> int:
        for part in self.parts:
            at = part.prefix(at)
        return at

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        if not self.parts:
            return at + rows
        for part in self.parts:
            at = part.data(buffer, at, rows)
        return at


class _LowCardinality:
    def __init__(self, inner: Column) -> None:
        # A null is one of the dictionary's values, not a mask.
        self.inner = inner.inner if isinstance(inner, _Nullable) else inner

    def prefix(self, at: int) -> int:
        return at + 8

    def data(self, buffer: memoryview, at: int, rows: int) -> int:
        if rows == 0:
            return at
        flags, keys = unpack_from("<QQ", buffer, at)
        at = self.inner.data(buffer, at + 16, keys)
        (indexes,) = unpack_from("<Q", buffer, at)
        return int(at + 8 + (indexes << (flags & 0xFF)))


@lru_cache(maxsize=1024)
def column(kind: str) -> Column:
    """The type of that name. Raises QueryError NOT_IMPLEMENTED for one whose values cannot be stepped over."""
    name, arguments = _split(kind)
    if name in _ALIASES:
        return column(_ALIASES[name])
    if name in _WIDTHS:
        return _Fixed(_WIDTHS[name])
    if name.startswith("Interval"):
        return _Fixed(8)
    if name == "String":
        return _Text()
    if name == "FixedString":
        return _Fixed(int(arguments[0]))
    if name == "Decimal":
        digits = int(arguments[0])
        return _Fixed(next(width for most, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if digits <= most))
    if name == "Nullable":
        return _Nullable(column(arguments[0]))
    if name == "Array":
        return _Array(column(arguments[0]))
    if name == "LowCardinality":
        return _LowCardinality(column(arguments[0]))
    if name == "SimpleAggregateFunction":
        return column(arguments[1])
    if name in ("Tuple", "Nested", "Map"):
        inside = _Tuple([column(_without_name(argument)) for argument in arguments])
        return inside if name == "Tuple" else _Array(inside)
    raise QueryError(
        NOT_IMPLEMENTED,
        f"The embedded server cannot send {kind} in this client's protocol; use toString() or CAST",
    )


def varint(buffer: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and the position behind it."""
    byte = buffer[at]
    at += 1
    if byte < 0x80:
        return byte, at
    number, shift = byte & 0x7F, 7
    while True:
        byte = buffer[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _split(kind: str) -> tuple[str, list[str]]:
    name, bracket, rest = kind.strip().partition("(")
    if not bracket:
        return name, []
    arguments: list[str] = []
    current = ""
    depth = 0
    for part in _PART.findall(rest):
        depth += (part == "(") - (part == ")")
        if depth < 0:
            break
        if part == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
        else:
            current += part
    return name, [*arguments, current.strip()]


def _without_name(argument: str) -> str:
    named = _NAMED.fullmatch(argument)
    return named["type"] if named else argument
