"""Judging a request's events and packing the good ones: one record a partition, its events as NDJSON lines. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from schemas.errors import EventRejected
from schemas.event import decode_event
from schemas.routing import partition_of
from services.ingest.limits import MAX_EVENT_BYTES, MAX_RECORD_BYTES

FLAG_AHEAD = timedelta(minutes=5)
"""Events dated further ahead of the wall clock are taken and counted: some source's clock is wrong."""

REFUSE_AHEAD = timedelta(hours=1)
"""Events dated further ahead are refused."""


class Rejection(msgspec.Struct):
    """Why one event of a request was not taken; `index` counts the request's events from 0."""

    index: int
    event_id: str | None
    field: str
    reason: str


@dataclass(slots=True)
class Sorted:
    """A request's events: the good ones by partition, why the others are not, how many are dated ahead."""

    by_partition: dict[int, list[bytes]] = field(default_factory=dict)
    accepted: int = 0
    ahead: int = 0
    rejected: list[Rejection] = field(default_factory=list)


def sort(
    raws: Sequence[bytes], partitions: int, now: datetime, convert: Callable[[bytes], bytes] | None = None
) -> Sorted:
    """Judge raw events and sort the good ones by partition, each untouched (or as `convert` makes it), in order."""
    out = Sorted()
    flag_after, refuse_after = now + FLAG_AHEAD, now + REFUSE_AHEAD
    groups = out.by_partition
    for index, given in enumerate(raws):
        try:
            raw = given if convert is None else convert(given)
            if len(raw) > MAX_EVENT_BYTES:
                raise EventRejected(f"{len(raw):,} bytes are more than an event may have ({MAX_EVENT_BYTES:,})")
            event = decode_event(raw)
            if event.occurred_at > flag_after:
                if event.occurred_at > refuse_after:
                    raise EventRejected("lies more than 1 h in the future", "occurred_at", event.event_id)
                out.ahead += 1
        except EventRejected as error:
            out.rejected.append(Rejection(index, error.event_id, error.field, error.reason))
            continue
        except RecursionError:
            out.rejected.append(Rejection(index, None, "", "nested too deeply"))
            continue
        partition = partition_of(event.key, partitions)
        group = groups.get(partition)
        if group is None:
            groups[partition] = [raw]
        else:
            group.append(raw)
    out.accepted = len(raws) - len(out.rejected)
    return out


def pack(lines: Sequence[bytes]) -> list[bytes]:
    """NDJSON values holding all lines in order, each at most MAX_RECORD_BYTES unless a single line is longer."""
    values: list[bytes] = []
    begin, size = 0, 0
    for at, line in enumerate(lines):
        if size and size + len(line) + 1 > MAX_RECORD_BYTES:
            values.append(b"\n".join(lines[begin:at]))
            begin, size = at, 0
        size += len(line) + 1
    if begin < len(lines):
        values.append(b"\n".join(lines[begin:]))
    return values
