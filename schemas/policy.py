"""The policy file: calendars, and per kind of case the clocks that run and their targets.

`load_policy` reads YAML into `PolicyFile`; what is wrong with it first is a `PolicyError` naming file, line and field.
"""

import gc
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
)

from schemas.calendar import Calendar
from schemas.errors import PolicyError, quoted
from schemas.event import CASELESS_TYPES, EVENT_TYPES, Channel, Priority
from schemas.policy_faults import faults_of
from schemas.policy_source import Fault, Place, PolicySource, did_you_mean, read_policy

DAY_MS = 86_400_000
DURATION_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}
LONGEST_MS, LONGEST_DAYS = 3_650 * DAY_MS, 2_600
"""No promise lasts longer than ten years: a due instant must stay within what calendars and texts can hold."""
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_CLOCK_NAME = re.compile(r"[\w-]{1,64}")
_BUSINESS_DAYS = re.compile(r"([0-9]+)bd")
DURATION_PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
TARGET_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d)|[0-9]+bd)$"

STANDARD_CLOCKS = (
    "connect", "first_response", "next_response", "bot_response", "update", "resolution", "complaint_ack",
    "complaint_feedback", "callback",
)  # fmt: skip
"""Clocks whose start and stop the contract defines. Any other name is a custom clock, which says its own."""


class BusinessDays(NamedTuple):
    """A target in business days of the clock's calendar (`Calendar.business_days` of the engine says what they are)."""

    days: int


def parse_duration(text: object) -> int:
    """Milliseconds of `15s`, `5m`, `2h` or `5d` (24 h each). Raises ValueError."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{quoted(text)} is not a duration; write 15s, 5m, 2h or 5d")
    ms = float(match[1]) * DURATION_UNITS[match[2]]
    if ms >= LONGEST_MS + 0.5:  # infinite, where there are hundreds of digits
        raise ValueError(f"{quoted(text)} is longer than ten years ({LONGEST_MS // DAY_MS}d)")
    return round(ms)


def parse_target(text: object) -> int | BusinessDays:
    """Milliseconds, or the business days of `5bd`. Raises ValueError."""
    match = _BUSINESS_DAYS.fullmatch(text) if isinstance(text, str) else None
    if match is None and not (isinstance(text, str) and _DURATION.fullmatch(text)):
        raise ValueError(f"{quoted(text)} is not a duration; write 15s, 5m, 2h, 5d or 5bd (whole business days)")
    if match and float(match[1]) > LONGEST_DAYS:
        raise ValueError(f"{quoted(text)} is more than ten years ({LONGEST_DAYS}bd)")
    target = BusinessDays(int(match[1])) if match else parse_duration(text)
    if target in (0, BusinessDays(0)):
        raise ValueError("a target must be longer than nothing")
    return target


DurationMs = Annotated[int, BeforeValidator(parse_duration)]
Target = Annotated[
    int | BusinessDays,
    PlainValidator(parse_target),
    WithJsonSchema({"type": "string", "pattern": TARGET_PATTERN, "examples": ["15s", "5m", "2h", "5bd"]}),
]
PauseReason = Literal["customer", "third_party", "internal"]
PAUSE_REASONS: tuple[str, ...] = get_args(PauseReason)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MilestoneTrigger(_Strict):
    """A `milestone.reached` event of this name."""

    milestone: Annotated[str, Field(min_length=1, max_length=128)]


if TYPE_CHECKING:  # no type checker follows a Literal that is computed
    CaseEventType = str
else:
    CaseEventType = Literal[tuple(name for name in EVENT_TYPES if name not in CASELESS_TYPES)]
Trigger = CaseEventType | MilestoneTrigger


class Clock(_Strict):
    """One promise: how long it may take. `target` in milliseconds or business days, `warn_at` in shares of it.

    `start` and `stop` belong to custom clocks: an event type, or a milestone.
    """

    target: Target | None = None
    calendar: str = "always"
    # Made by functions: pydantic copies a list that is a default deeply for every clock, a third of all validation.
    pause_on: Annotated[list[PauseReason], Field(default_factory=list, json_schema_extra={"default": []})]
    warn_at: Annotated[
        list[Annotated[float, Field(gt=0, lt=1)]],
        Field(default_factory=lambda: [0.8], json_schema_extra={"default": [0.8]}),
    ]
    start: Trigger | None = None
    stop: Trigger | None = None


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


MOST_FAULTS = 100
"""Faults of one kind that are worked out for a file; to whom a hundred say nothing, thousands do not either."""
NOTHING = "(none)"
"""The policy of cases that no policy of the file matches."""


def _with_default(policies: list[Policy]) -> list[Policy]:
    return policies if policies[-1].match is None else [*policies, Policy(name=NOTHING, clocks={})]


class MetricSettings(_Strict):
    """Limits that metric formulas read, in milliseconds (csat_pass: the least answer that passes)."""

    short_abandon: DurationMs = 5_000
    repeat_window: DurationMs = 7 * DAY_MS
    csat_pass: Annotated[int, Field(ge=1, le=5)] = 4
    answer_within: DurationMs = 20_000


class PolicyFile(_Strict):
    """A whole policy file. First matching policy wins; the last takes what is left. Where the file gives none without
    `match`, that is one that promises nothing.

    What must hold between its parts `parse_policy` checks.
    """

    version: Literal[1]
    calendars: dict[str, Calendar] = {"always": Calendar()}
    policies: Annotated[list[Policy], Field(min_length=1), AfterValidator(_with_default)]
    metrics: MetricSettings = MetricSettings()
    _text: str = PrivateAttr("")

    @property
    def text(self) -> str:
        """The YAML that this was read from."""
        return self._text


def load_policy(path: Path) -> PolicyFile:
    """The policy file at `path`. Raises `PolicyError` naming file, line and field."""
    return parse_policy(read_policy(path), str(path))


def parse_policy(text: str, name: str = "policy") -> PolicyFile:
    """As `load_policy`, from a text; `name` stands for the file in messages."""
    with collector_at_rest():
        source = PolicySource(text, name)
        file, faults = judge(source)
    if file is None:
        raise PolicyError(source.show(faults[0].line, faults[0].said))
    return file


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Without garbage collection. What is made of a file stays alive, and 20,000 policies make two million objects:
    going through them again and again takes six times as long as making them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def judge(source: PolicySource) -> tuple[PolicyFile | None, list[Fault]]:
    """The policy file that a source makes; where it makes none, what is wrong, in order of lines: everything up to
    `MOST_FAULTS`, and how much more."""
    file, found = None, source.repeated[:MOST_FAULTS]
    more = len(source.repeated) - len(found)
    try:
        file = PolicyFile.model_validate(source.content)
        file._text = source.text
    except ValidationError as error:
        found += islice(faults_of(error, source, PolicyFile), MOST_FAULTS)
        more += max(0, error.error_count() - MOST_FAULTS)
    across = _across(source.content)
    found += (source.fault(place, reason) for place, reason in islice(across, MOST_FAULTS))
    more += sum(1 for _ in across)
    # What stands in one place of the file counts once, however many policies merge it in.
    by_place = {(fault.line, fault.reason): fault for fault in reversed(found)}
    faults = sorted(by_place.values())
    if more:
        faults.append(Fault(faults[-1].line, "", f"and about {more:,} more faults of this file"))
    return (None if found else file), faults


def _across(content: dict[Any, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong between the parts of a file. Parts that are wrong in themselves are passed over."""
    calendars, policies = content.get("calendars"), content.get("policies")
    calendars = calendars if isinstance(calendars, dict) else {}
    always = calendars.get("always")
    if isinstance(always, dict) and always.keys() - {"timezone"}:
        yield ("calendars", "always"), "this is the 24x7 calendar: give other hours another name"
    known = dict.fromkeys((*map(str, calendars), "always"))
    names: set[str] = set()
    policies = policies if isinstance(policies, list) else []
    for i, policy in enumerate(policies):
        if not isinstance(policy, dict):
            continue
        name, clocks = policy.get("name"), policy.get("clocks")
        if isinstance(name, str):
            if name in names:
                yield ("policies", i, "name"), f"two policies are named {quoted(name)}"
            names.add(name)
        for clock_name, clock in clocks.items() if isinstance(clocks, dict) else ():
            if isinstance(clock_name, str) and isinstance(clock, dict):
                for key, reason in _of_clock(clock_name, clock, known):
                    yield ("policies", i, "clocks", clock_name, *key), reason


def _of_clock(name: str, clock: dict[Any, Any], calendars: Collection[str]) -> Iterator[tuple[Place, str]]:
    """What a clock of this name needs and may have."""
    calendar = clock.get("calendar")
    if isinstance(calendar, str) and calendar not in calendars:
        yield ("calendar",), f"no calendar {quoted(calendar)}{did_you_mean(calendar, calendars)}"
    if name == "callback":
        if clock.get("pause_on"):
            yield ("pause_on",), "a call-back is due at the promised time, nothing pauses it"
    elif clock.get("target") is None:
        yield ("target",), "is missing"
    if name in STANDARD_CLOCKS:
        for key in ("start", "stop"):
            if clock.get(key) is not None:
                yield (key,), f"is for custom clocks; what starts and stops {name} is fixed"
    elif not _CLOCK_NAME.fullmatch(name):
        yield (), "a clock's name has letters, digits, - and _ only, 64 at most"
    elif clock.get("stop") is None:
        hint = did_you_mean(name, [*STANDARD_CLOCKS]) or f"; standard clocks are {', '.join(STANDARD_CLOCKS)}"
        yield (), f"a custom clock says what stops it (stop){hint}"


def default_policy() -> PolicyFile:
    """The policy that ships."""
    return parse_policy(files("schemas").joinpath("default_policy.yaml").read_text("utf-8"), "default policy")
