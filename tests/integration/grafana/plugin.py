"""What Grafana and its ClickHouse plugin (4.x) make of a board's query before it is sent, written from their source."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ALL = "$__all"
Value = str | Sequence[str]
Row = dict[str, Any]

_CONDITIONAL = "$__conditionalAll("
_NAME = re.compile(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+")
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
_MACRO = re.compile(r"\$__(\w+)(?:\((.*?)\))?")


@dataclass(frozen=True)
class View:
    """A board as someone looks at it: the range in ms, the step of a panel in s, what the variables say."""

    from_ms: int
    to_ms: int
    step_s: int = 300
    variables: Mapping[str, Value] = field(default_factory=dict)

    def expand(self, sql: str) -> str:
        """The statement as it is sent. Raises KeyError for a variable that the board lacks."""
        return self._macros(self._variables(self._conditions(sql)))

    def _conditions(self, sql: str) -> str:
        while (start := sql.rfind(_CONDITIONAL)) >= 0:
            condition, variable, end = _arguments(sql, start + len(_CONDITIONAL))
            name = _NAME.search(variable)
            assert name, f"no variable in {variable!r}"
            value = self.variables[name[0]]
            all_of_them = value in ("", ALL) or list(value) == [ALL]
            sql = sql[:start] + ("1=1" if all_of_them else condition) + sql[end:]
        return sql

    def _variables(self, sql: str) -> str:
        def text(found: re.Match[str]) -> str:
            value = self.variables[found[1] or found[3]]
            if found[2] == "singlequote":
                values = [value] if isinstance(value, str) else value
                return ",".join("'" + one.replace("'", "\\'") + "'" for one in values)
            assert found[2] is None and isinstance(value, str), found[0]
            return value

        return _VARIABLE.sub(text, sql)

    def _macros(self, sql: str) -> str:
        def text(found: re.Match[str]) -> str:
            column = found[2]
            start, end = self.from_ms // 1000, self.to_ms // 1000
            return {
                "timeFilter": f"{column} >= toDateTime({start}) AND {column} <= toDateTime({end})",
                "timeFilter_ms": f"{column} >= fromUnixTimestamp64Milli({self.from_ms})"
                f" AND {column} <= fromUnixTimestamp64Milli({self.to_ms})",
                "timeInterval": f"toStartOfInterval(toDateTime({column}), INTERVAL {self.step_s} second)",
                "toTime_ms": f"fromUnixTimestamp64Milli({self.to_ms})",
            }[found[1]]

        return _MACRO.sub(text, sql)


def _arguments(sql: str, start: int) -> tuple[str, str, int]:
    """The two arguments of the macro whose parenthesis opens before `start`, and where the macro ends."""
    depth, at, parts = 1, start, [start]
    while depth:
        if sql[at] == "," and depth == 1:
            parts.append(at + 1)
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        at += 1
    assert len(parts) == 2, "two arguments"
    return sql[start : parts[1] - 1], sql[parts[1] : at - 1], at
