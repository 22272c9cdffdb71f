"""An old log played as of now: all times shifted alike, its cases kept apart from those of other plays."""

from hashlib import blake2b
from typing import Any

import msgspec

from schemas.times import text
from services.send.source import instant_of

_MAX_ID = 128
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Rebase:
    """Shifts `occurred_at` and `data.due_at` by `shift_ms` and gives cases and events ids of this play.

    Playing a file twice makes two sets of cases: were the ids kept, the second play would be dropped as duplicates or
    mixed into the cases of the first. The mark goes in front of event ids, so that events of one case at the same
    instant keep their order, and behind case ids, where people still read the old one. Customers stay who they are.
    """

    def __init__(self, shift_ms: int, mark: str) -> None:
        self._shift_ms = shift_ms
        self._mark = mark

    def __call__(self, raw: bytes) -> bytes:
        """The event (one JSON object) moved. What has no readable time or id is left for the server to refuse."""
        event = _decode(raw)
        self._move(event, "occurred_at")
        data = event.get("data")
        if isinstance(data, dict):
            self._move(data, "due_at")
        event_id, case_id = event.get("event_id"), event.get("case_id")
        if isinstance(event_id, str) and event_id:
            event["event_id"] = _fitting(f"{self._mark}~{event_id}")
        if isinstance(case_id, str) and case_id:
            event["case_id"] = _fitting(f"{case_id}~{self._mark}")
        return _encode(event)

    def _move(self, holder: dict[str, Any], field: str) -> None:
        at = instant_of(holder.get(field))
        if at is not None:
            holder[field] = text(at + self._shift_ms)


def shift_of(first_ms: int, last_ms: int | None, speed: float, now_ms: int) -> int:
    """How far to move times so that nothing is ever sent before it has happened.

    At its own pace or slower the first event happens now. Faster, the log's time outruns the clock, so the last event
    falls on the instant at which the play ends: now, where it is sent as fast as it goes (`speed` 0).
    `last_ms` may be None only at its own pace or slower.
    """
    if 0 < speed <= 1:
        return now_ms - first_ms
    assert last_ms is not None
    length_ms = last_ms - first_ms
    return now_ms - last_ms + (round(length_ms / speed) if speed else 0)


def mark_of(now_ms: int) -> str:
    """A short mark for the play that begins at `now_ms`, e.g. mb3k9x1c."""
    digits = ""
    while now_ms:
        now_ms, digit = divmod(now_ms, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _fitting(identifier: str) -> str:
    """The id, within the contract's length: what is over is replaced by a digest, so that ids stay distinct."""
    if len(identifier) <= _MAX_ID:
        return identifier
    digest = blake2b(identifier.encode(), digest_size=10).hexdigest()
    return identifier[: _MAX_ID - len(digest) - 1] + "~" + digest
