"""The process behind `contactpulse up --demo`: sends what a simulated operation does, as it happens.

At its first start it sends the hours before, so that charts are full at once. Started again it goes on with the same
operation where it stopped, so that contacts under way are finished: the operation is run once more from its start,
silently, which is quick and gives the same events. What was sent twice meanwhile has the same ids and counts once.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from schemas.settings import Settings
from schemas.times import text
from services.demo.operation import Event, Operation
from services.send import MAX_EVENTS, Door

STATE_FILE = "demo.json"
_HOUR_MS = 3_600_000
_STRIDE_MS = 120_000
"""How much of the past is sent in one go while catching up: about 4,000 events at the default rate."""
_TICK_S = 0.2
_SAVE_EVERY_MS = 2_000
_REPEATABLE_MS = 8 * _HOUR_MS
"""An operation older than this is not run again at a restart (8 h take about 15 s) but begun anew."""


class _State(msgspec.Struct):
    """Which operation was running and how far it had been sent."""

    seed: int
    rate: float
    start_ms: int
    sent_ms: int


class Traffic:
    """An operation and how far it has been sent. `clock` gives the present in milliseconds."""

    def __init__(
        self, door: Door, state_file: Path, seed: int, rate: float, history_h: float, clock: Callable[[], int]
    ) -> None:
        self._door = door
        self._state_file = state_file
        self._clock = clock
        self._saved_ms = 0
        self._encode = msgspec.json.Encoder().encode
        self._log = structlog.get_logger("demo")
        now_ms = clock()
        old = _load(state_file)
        self._state = _continued(old, seed, rate, now_ms - round(history_h * _HOUR_MS), now_ms)
        self._operation = Operation(seed, self._state.start_ms, rate)
        if self._state.sent_ms > self._state.start_ms:
            self._log.info("going on with the sample traffic of the last run", sent_until=text(self._state.sent_ms))
        at_ms = self._state.start_ms
        while at_ms < self._state.sent_ms:
            at_ms = min(at_ms + _STRIDE_MS, self._state.sent_ms)
            self._operation.advance(at_ms)

    def send_next(self) -> bool:
        """Sends the next stretch up to the present; True when there is none left. Blocks while the server is away."""
        now_ms = self._clock()
        until_ms = min(now_ms, self._state.sent_ms + _STRIDE_MS)
        if until_ms > self._state.sent_ms:
            self._send(self._operation.advance(until_ms))
            self._state.sent_ms = until_ms
            if until_ms - self._saved_ms >= _SAVE_EVERY_MS:
                self._saved_ms = until_ms
                self._save()
        return until_ms >= now_ms

    def _send(self, events: list[Event]) -> None:
        for first in range(0, len(events), MAX_EVENTS):
            part = events[first : first + MAX_EVENTS]
            answer = self._door.post(b"\n".join(map(self._encode, part)) + b"\n", len(part))
            if answer.rejected:
                one = answer.rejected[0]
                self._log.warning(
                    "sample events were rejected", count=len(answer.rejected), field=one.field, reason=one.reason
                )

    def _save(self) -> None:
        # Without the file a restart begins a new operation: a pity, not a failure.
        with contextlib.suppress(OSError):
            self._state_file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._state_file.with_suffix(".new")
            fresh.write_bytes(self._encode(self._state))
            fresh.replace(self._state_file)


def run(settings: Settings, url: str, api_key: str, seed: int = 1, rate: float = 30.0, history_h: float = 0.4) -> None:
    """Sends sample traffic to the product at `url` until the process is ended.

    `rate`: events/s, averaged over a day. `history_h`: how many hours before now the first start sends. A server that
    is away is waited for, without end; a refused key raises `WorkFailed`.
    """
    log = structlog.get_logger("demo")

    def trouble(reason: str) -> None:
        if reason:
            log.warning("waiting for the product", reason=reason)
        else:
            log.info("the product is back")

    door = Door(url, api_key, patience_s=None, on_trouble=trouble)
    try:
        traffic = Traffic(door, settings.data_dir / STATE_FILE, seed, rate, history_h, _now_ms)
        while True:
            if traffic.send_next():
                time.sleep(_TICK_S)
    finally:
        door.close()


def _continued(old: _State | None, seed: int, rate: float, earliest_ms: int, now_ms: int) -> _State:
    """The state to begin with: the old one where its operation can go on, else a new operation's."""
    if old is None or old.sent_ms > now_ms:
        start_ms = earliest_ms if old is None else now_ms
    elif old.sent_ms < earliest_ms:
        start_ms = earliest_ms
    elif (old.seed, old.rate) == (seed, rate) and old.sent_ms - old.start_ms <= _REPEATABLE_MS:
        return old
    else:
        start_ms = old.sent_ms
    return _State(seed, rate, start_ms, start_ms)


def _load(state_file: Path) -> _State | None:
    try:
        return msgspec.json.decode(state_file.read_bytes(), type=_State)
    except (OSError, msgspec.DecodeError):
        return None


def _now_ms() -> int:
    return round(time.time() * 1000)
