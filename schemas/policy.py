"""The policy file: calendars, and per kind of case the clocks that run and their targets.

`load_policy` reads YAML into `PolicyFile`; whatever is wrong with it is one `PolicyError` naming file, line and field.
"""

import re
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import PolicyError
from schemas.event import Channel, Priority

DAY_MS = 86_400_000
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")

STANDARD_CLOCKS = ("connect", "first_response", "next_response", "bot_response", "resolution")
"""Clocks whose start and stop the contract defines."""


def parse_duration(text: object) -> int:
    """Milliseconds of `15s`, `5m`, `2h` or `5d` (24 h each). Raises ValueError."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write 15s, 5m, 2h or 5d")
    return round(float(match[1]) * _UNITS[match[2]])


def _target(text: object) -> int:
    ms = parse_duration(text)
    if ms <= 0:
        raise ValueError("a target must be longer than nothing")
    return ms


DurationMs = Annotated[int, BeforeValidator(parse_duration)]
TargetMs = Annotated[int, BeforeValidator(_target)]
PauseReason = Literal["customer", "third_party", "internal"]
PAUSE_REASONS: tuple[str, ...] = get_args(PauseReason)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calendar(_Strict):
    """When a clock runs. Without hours: always."""

    timezone: str = "UTC"
    hours: dict[str, list[str]] | None = None
    holidays: str | None = None
    closed: list[date] = []
    open: dict[date, list[str]] = {}

    @property
    def always(self) -> bool:
        """Open around the clock, every day."""
        return self.hours is None and self.holidays is None and not self.closed and not self.open


class Clock(_Strict):
    """One promise: how long it may take. `target` in milliseconds."""

    target: TargetMs
    calendar: str = "always"
    pause_on: list[PauseReason] = []
    warn_at: list[Annotated[float, Field(gt=0, lt=1)]] = [0.8]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Labels = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class Match(_Strict):
    """Which cases a policy is for: every key must hold; a key holds when the case's value is in its list."""

    channel: Annotated[list[Channel], BeforeValidator(_listed)] | None = None
    priority: Annotated[list[Priority], BeforeValidator(_listed)] | None = None
    team: Labels | None = None
    agent_id: Labels | None = None
    customer_tier: Labels | None = None
    category: Labels | None = None
    queue: Labels | None = None
    complaint: bool | None = None


class Policy(_Strict):
    """The clocks of the cases it matches."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    match: Match | None = None
    clocks: dict[str, Clock]
    reopen: Literal["restart", "subtract", "continue"] = "restart"


class MetricSettings(_Strict):
    """Limits that metric formulas read, in milliseconds (csat_pass: the least answer that passes)."""

    short_abandon: DurationMs = 5_000
    repeat_window: DurationMs = 7 * DAY_MS
    csat_pass: Annotated[int, Field(ge=1, le=5)] = 4
    answer_within: DurationMs = 20_000


class PolicyFile(_Strict):
    """A whole policy file. First matching policy wins; the last has no `match` and takes what is left."""

    version: Literal[1]
    calendars: dict[str, Calendar] = {"always": Calendar()}
    policies: Annotated[list[Policy], Field(min_length=1)]
    metrics: MetricSettings = MetricSettings()

    @model_validator(mode="after")
    def _hangs_together(self) -> "PolicyFile":
        if self.policies[-1].match is not None:
            raise ValueError("the last policy must have no match: it is the default")
        known = {"always": Calendar()} | self.calendars
        for name, calendar in known.items():
            if not calendar.always:
                raise ValueError(f"calendar {name!r}: only the 24x7 calendar {{}} is supported in this version")
        for policy in self.policies:
            for name, clock in policy.clocks.items():
                if name not in STANDARD_CLOCKS:
                    raise ValueError(
                        f"policy {policy.name!r}: clock {name!r} is not supported in this version; "
                        f"there are {', '.join(STANDARD_CLOCKS)}"
                    )
                if clock.calendar not in known:
                    raise ValueError(f"policy {policy.name!r}, clock {name!r}: no calendar {clock.calendar!r}")
        names = [policy.name for policy in self.policies]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two policies are named {twice!r}")
        return self


def load_policy(path: Path) -> PolicyFile:
    """The policy file at `path`. Raises `PolicyError` naming file, line and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_policy(text, str(path))


def parse_policy(text: str, name: str = "policy") -> PolicyFile:
    """As `load_policy`, from a text; `name` stands for the file in messages."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}: " if mark else " "
        raise PolicyError(f"{name}:{line}not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict):
        raise PolicyError(f"{name}:1: a policy file is a mapping with version, calendars and policies")
    try:
        return PolicyFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        where = f"{field}: " if field else ""
        raise PolicyError(f"{name}:{_line_of(root, first['loc'])}: {where}{reason}") from None


def _line_of(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """The line (from 1) of the deepest node of `path` that exists."""
    line = 1
    for part in path:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if str(key.value) == str(part):
                    line, child = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            line = child.start_mark.line + 1
        if child is None:
            return line
        node = child
    return line


def default_policy() -> PolicyFile:
    """The policy that ships."""
    return parse_policy(files("schemas").joinpath("default_policy.yaml").read_text("utf-8"), "default policy")


def describe_policy(file: PolicyFile) -> str:
    """What a policy file promises, in words, a line a policy and clock."""
    lines = []
    for policy in file.policies:
        match = policy.match.model_dump(exclude_none=True) if policy.match else {}
        when = " and ".join(f"{key} is {_words(value)}" for key, value in match.items()) or "all other cases"
        lines.append(f"{policy.name}: {when}")
        for name, clock in policy.clocks.items():
            pauses = f", pauses while waiting on {' or '.join(clock.pause_on)}" if clock.pause_on else ""
            lines.append(f"  {name} within {_duration(clock.target)} ({clock.calendar}){pauses}")
    return "\n".join(lines)


def _words(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value).lower()


def _duration(ms: int) -> str:
    for unit in ("d", "h", "m", "s"):
        if ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms}ms"
