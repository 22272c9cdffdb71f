"""Ends a worker that stands still, so that whoever started it starts it again and its partitions go on.

A worker that does nothing is worse than one that is dead: the group thinks it alive and waits. Whatever holds it up, in
our code, in Faust or in aiokafka, the watchdog sees from outside: it runs in a thread of its own and asks the broker
over a connection of its own.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog
from faust.types import TP
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

log = structlog.get_logger(__name__)

STUCK_S = 60.0
"""A chunk takes tenths of a second, an election of a new leader by the broker seconds. A worker that waits longer ends:
starting again from the last checkpoints costs seconds, waiting for ever costs the day."""
JOINING_S = 150.0
"""Kafka waits up to a minute for members that answer late, twice where another one comes meanwhile."""
LOOK_S = 5.0


class Standing(NamedTuple):
    """How a partition stands: when it last did what it should, on the monotonic clock, and up to which offset it has
    been fetched."""

    alive_at: float
    reached: int


class View(NamedTuple):
    """What there is to see of a worker. `joined`: it has its place in the group, be it without partitions."""

    partitions: Mapping[TP, Standing]
    joined: bool


class Watchdog:
    """Judges what it is shown, look by look. Knows no clock."""

    def __init__(self, stuck_s: float = STUCK_S, joining_s: float = JOINING_S) -> None:
        self._stuck_s = stuck_s
        self._joining_s = joining_s
        self._out_since: float | None = None
        self._short: dict[TP, tuple[int, float]] = {}

    def stuck(self, now: float, view: View, ends: Mapping[TP, int] | None) -> str | None:
        """Says what stands still for too long, or None.

        `ends` are the broker's ends of the partitions, None while it does not answer: then nobody gets anywhere, and
        only what needs no broker is judged.
        """
        for tp, standing in view.partitions.items():
            if now - standing.alive_at > self._stuck_s:
                return f"{tp.topic} partition {tp.partition} has not moved for {self._stuck_s:.0f} s"
        if ends is None:
            self._out_since = None
            self._short.clear()
            return None
        if view.joined:
            self._out_since = None
        elif self._out_since is None:
            self._out_since = now
        elif now - self._out_since > self._joining_s:
            return f"no place in the consumer group for {self._joining_s:.0f} s"
        return self._not_fetched(now, view.partitions, ends)

    def _not_fetched(self, now: float, partitions: Mapping[TP, Standing], ends: Mapping[TP, int]) -> str | None:
        short = {tp: standing.reached for tp, standing in partitions.items() if standing.reached < ends.get(tp, 0)}
        self._short = {
            tp: last if (last := self._short.get(tp)) is not None and last[0] == reached else (reached, now)
            for tp, reached in short.items()
        }
        for tp, (reached, since) in self._short.items():
            if now - since > self._stuck_s:
                return f"{tp.topic} partition {tp.partition} is not fetched beyond {reached} for {now - since:.0f} s"
        return None


def watch(brokers: str, look: Callable[[], View]) -> None:
    """Looks every few seconds until something is stuck; ends the process then, with exit code 70. Blocks."""
    watchdog, asker = Watchdog(), _Asker(brokers)
    while True:
        time.sleep(LOOK_S)
        try:
            view = look()
            found = watchdog.stuck(time.monotonic(), view, asker.ends(list(view.partitions)))
        except Exception:  # it must not be the watchdog that stands still
            log.exception("the watchdog could not look")
            continue
        if found is not None:
            log.critical("worker stops: its partitions go on from their last checkpoints", reason=found)
            os._exit(70)


def start(brokers: str, look: Callable[[], View]) -> None:
    """Runs `watch` in a thread that ends with the process."""
    threading.Thread(target=watch, args=(brokers, look), name="watchdog", daemon=True).start()


class _Asker:
    """Asks the broker where partitions end."""

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers.split(",")
        self._consumer: Any = None

    def ends(self, tps: list[TP]) -> dict[TP, int] | None:
        """None where the broker does not answer."""
        try:
            if self._consumer is None:
                self._consumer = KafkaConsumer(bootstrap_servers=self._brokers, client_id="contactpulse-watchdog",
                                               metrics_enabled=False)  # fmt: skip
            found = self._consumer.end_offsets([TopicPartition(*tp) for tp in tps]) if tps else {}
        except KafkaError:
            return None
        return {TP(tp.topic, tp.partition): end for tp, end in found.items()}
