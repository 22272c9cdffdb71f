"""The call log of the "Anonymous Bank" call centre (Technion, 1999) as contract v1 events.

One row of the log is one phone call. What each column becomes, and why, stands in docs/data.md. The log's local time is
UTC+2 without daylight saving: right for the winter months (January to March), which is what is shipped and tested.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from operator import itemgetter
from typing import Any

from schemas.errors import InputError
from services.convert.output import listed

COLUMNS = (
    "vru+line", "call_id", "customer_id", "priority", "type", "date", "vru_entry", "vru_exit", "vru_time",
    "q_start", "q_exit", "q_time", "outcome", "ser_start", "ser_exit", "ser_time", "server",
)  # fmt: skip

_ZONE = timezone(timedelta(hours=2))
_DAY_S = 86_400
_HALF_DAY_S = 43_200
_OVERLAP_S = 2
"""Nine calls in ten have the agent's clock start 1 or 2 s before the queue's clock stops; beyond 2 s it is a handful
of rows that scatter over minutes."""

_row = itemgetter(*range(len(COLUMNS)))


class Skip(StrEnum):
    """Why a row gives no events."""

    PHANTOM = "phantom call"
    VRU_BACKWARDS = "left the VRU before entering it"
    QUEUE_BACKWARDS = "left the queue before joining it"
    SERVICE_EARLY = "service began while still waiting"
    SERVICE_BACKWARDS = "service ended before it began"
    SERVED_WITHOUT_SERVICE = "answered by an agent but no service time"
    HUNG_UP_WITH_SERVICE = "hung up but has a service time"
    DURATION_DISAGREES = "a duration is not the difference of its times"
    REPEATED = "the same call again"


@dataclass(slots=True)
class Counts:
    """What became of the rows. `rows` = `calls` + all of `skipped`."""

    rows: int = 0
    calls: int = 0
    events: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.events:,} events of {self.calls:,} calls; "
            f"{self.rows - self.calls:,} rows skipped: {listed(self.skipped)}"
        )


@dataclass(slots=True, frozen=True)
class _Call:
    """A call whose times hold together, in seconds since the midnight that its date begins with."""

    name: str
    midnight: datetime
    opened: int
    queued: int | None
    left: int
    served_until: int | None
    customer_id: str
    tier: str
    category: str
    server: str


def convert(lines: Iterable[str], counts: Counts | None = None, name: str = "log") -> Iterator[dict[str, Any]]:
    """Events of a call log (header first), ordered by time and, within a second, by event_id.

    All rows are read before the first event leaves, because the log is ordered by line, not by time. `counts` is kept
    up to date; `name` stands for the file in messages. Raises `InputError` where the text is no such log.
    """
    counts = counts if counts is not None else Counts()
    calls = list(_calls(lines, counts, name))
    calls.sort(key=lambda call: (call.midnight + timedelta(seconds=call.opened), call.name))
    # A call's events begin at its opening, so a heap of the calls under way is enough to merge all in time order.
    pending: list[tuple[datetime, str, dict[str, Any]]] = []
    for call in calls:
        start = call.midnight + timedelta(seconds=call.opened)
        while pending and pending[0][0] < start:
            counts.events += 1
            yield heapq.heappop(pending)[2]
        for at, event in _events(call):
            heapq.heappush(pending, (at, event["event_id"], event))
    while pending:
        counts.events += 1
        yield heapq.heappop(pending)[2]


def _calls(lines: Iterable[str], counts: Counts, name: str) -> Iterator[_Call]:
    rows = iter(lines)
    header = next(rows, "").strip("\r\n").split("\t")
    if tuple(header) != COLUMNS:
        raise InputError(f"{name}:1: not the header of an Anonymous Bank call log; expected {' '.join(COLUMNS)}")
    seen: set[str] = set()
    for number, line in enumerate(rows, start=2):
        cells = line.rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        counts.rows += 1
        call = _call(cells, f"{name}:{number}")
        if isinstance(call, _Call) and call.name in seen:
            call = Skip.REPEATED
        if isinstance(call, Skip):
            counts.skipped[call] += 1
            continue
        seen.add(call.name)
        counts.calls += 1
        yield call


def _call(cells: list[str], where: str) -> _Call | Skip:
    """One row as a call, or why not. Raises `InputError` where a cell is not what its column says."""
    if len(cells) != len(COLUMNS):
        raise InputError(f"{where}: {len(cells)} columns instead of {len(COLUMNS)}")
    (line, call_id, customer, priority, category, day, *times_and_durations) = _row(cells)
    (vru_in, vru_out, vru_s, q_in, q_out, q_s, outcome, ser_in, ser_out, ser_s, server) = times_and_durations
    if outcome == "PHANTOM":
        return Skip.PHANTOM
    if outcome not in ("AGENT", "HANG"):
        raise InputError(f"{where}: outcome: {outcome!r} is not AGENT, HANG or PHANTOM")
    opened = _second(vru_in, where, "vru_entry")
    handed_over = _unwrapped(_second(vru_out, where, "vru_exit"), opened)
    if handed_over < opened:
        return Skip.VRU_BACKWARDS
    queue = _span(q_in, q_out, opened, where, "q_start", "q_exit")
    service = _span(ser_in, ser_out, opened, where, "ser_start", "ser_exit")
    if queue and queue[1] < queue[0]:
        return Skip.QUEUE_BACKWARDS
    if service and service[1] < service[0]:
        return Skip.SERVICE_BACKWARDS
    spans = (((opened, handed_over), vru_s, "vru_time"), (queue, q_s, "q_time"), (service, ser_s, "ser_time"))
    for span, stated, column in spans:
        if span and span[1] - span[0] != _number(stated, where, column):
            return Skip.DURATION_DISAGREES
    if outcome == "AGENT" and service is None:
        return Skip.SERVED_WITHOUT_SERVICE
    if outcome == "HANG" and service is not None:
        return Skip.HUNG_UP_WITH_SERVICE
    wait_from, wait_until = queue or (handed_over, handed_over)
    if service and service[0] < wait_until - _OVERLAP_S:
        return Skip.SERVICE_EARLY
    begun = _date(day, where)
    left = service[0] if service else wait_until
    return _Call(
        name=f"bank-{begun:%Y%m%d}-{line}-{call_id}",
        midnight=datetime(begun.year, begun.month, begun.day, tzinfo=_ZONE),
        opened=min(opened, left),
        # Answered at once: a person was asked for when the VRU let go of the call. Hung up in the VRU: never asked for.
        queued=min(wait_from, left) if queue or service else None,
        left=left,
        served_until=service[1] if service else None,
        customer_id="" if customer == "0" else customer,
        tier="vip" if priority == "2" else "standard",
        category=category,
        server="" if server == "NO_SERVER" else server,
    )


def _events(call: _Call) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """The events of one call in their order, which the digit in the event_id keeps where the second is the same."""

    def event(step: str, second: int, type_: str, **more: Any) -> tuple[datetime, dict[str, Any]]:
        at = call.midnight + timedelta(seconds=second)
        head = {"event_id": f"{call.name}-{step}", "type": type_, "occurred_at": at.isoformat(), "case_id": call.name}
        return at, head | more

    who = {"customer_id": call.customer_id} if call.customer_id else {}
    # TT: the bank calls back a customer who left a message.
    direction = "outbound" if call.category == "TT" else "inbound"
    yield event(
        "1-opened", call.opened, "contact.opened", channel="phone", **who, customer_tier=call.tier,
        category=call.category, source="anonymous-bank", data={"direction": direction},
    )  # fmt: skip
    if call.queued is not None:
        yield event("2-queued", call.queued, "contact.queued")
    if call.served_until is None:
        yield event("3-abandoned", call.left, "contact.abandoned")
        yield event("6-closed", call.left, "contact.closed")
        return
    agent = {"agent_id": call.server} if call.server else {}
    end = call.served_until
    yield event("3-connected", call.left, "contact.connected", **agent)
    yield event("4-wrapped", end, "call.wrapped", data={"talk_s": end - call.left})
    yield event("5-resolved", end, "contact.resolved")
    yield event("6-closed", end, "contact.closed")


def _span(first: str, last: str, after: int, where: str, *columns: str) -> tuple[int, int] | None:
    """Two times of a row; None where both are 0:00:00, which is how the log says that there was none."""
    begin, end = _second(first, where, columns[0]), _second(last, where, columns[1])
    if begin == end == 0:
        return None
    return _unwrapped(begin, after), _unwrapped(end, after)


def _unwrapped(second: int, opened: int) -> int:
    """A time of day that lies half a day or more before the call's begin is one of the next day."""
    return second + _DAY_S if opened - second > _HALF_DAY_S else second


def _second(text: str, where: str, column: str) -> int:
    try:
        hours, minutes, seconds = map(int, text.split(":"))
    except ValueError:
        raise InputError(f"{where}: {column}: {text!r} is not a time such as 7:02:47") from None
    return hours * 3600 + minutes * 60 + seconds


def _number(text: str, where: str, column: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{where}: {column}: {text!r} is not a whole number of seconds") from None


def _date(text: str, where: str) -> date:
    try:
        return datetime.strptime(f"19{text}", "%Y%m%d").date()
    except ValueError:
        raise InputError(f"{where}: date: {text!r} is not a day such as 990201") from None
