"""Workers come and go under load, by every way there is: started, killed, frozen and thawed, asked to stop.

A worker that a change of members leaves standing is what a supervisor cannot see: it lives and does nothing. So events
keep coming, 2,200 a second, while the members change, every partition must go on soon after each change, and in the end
the newest of all that was told must be the oracle's.

The short form is one round. `make soak` goes round after round: SOAK_MINUTES says for how long.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

from schemas.settings import Settings
from schemas.topics import Topic
from services.demo.operation import Operation
from tests.support.kafka import RunningBroker
from tests.support.stream import (
    POLICY,
    Reader,
    Worker,
    assert_told_as_the_oracle_says,
    environment,
    fresh_settings,
    wait_until_done,
)

pytestmark = pytest.mark.slow
SOAK_MINUTES = float(os.environ.get("SOAK_MINUTES", "0"))
RATE = 2_200
CHANGES = 9
MOST_WORKERS = 3
STANDS_S = 45.0
"""A frozen member's partitions move after the session of 2 s, or when a worker that started meanwhile is in; seconds
again until the first watermark. What stands longer stands until somebody helps."""


class Load:
    """Sends a history of ten days ago, RATE events a second, whatever becomes of the workers."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._over = Event()
        begin = datetime.now(UTC) - timedelta(days=10)
        self._now_ms = round(begin.timestamp() * 1000)
        self._operation = Operation(seed, self._now_ms, rate=30.0)
        self.sent: list[dict[str, Any]] = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self._settings.kafka, acks="all", linger_ms=5)
        topic = self._settings.topic(Topic.EVENTS)
        pending: list[dict[str, Any]] = []
        due = time.monotonic()
        while not self._over.is_set():
            while len(pending) < RATE // 10:
                self._now_ms += 5_000
                pending += self._operation.advance(self._now_ms)
            now, pending = pending[: RATE // 10], pending[RATE // 10 :]
            for event in now:
                key = event.get("case_id") or event.get("agent_id") or event["event_id"]
                producer.send(topic, value=msgspec.json.encode(event), key=key.encode())
            self.sent += now
            due += 0.1
            time.sleep(max(0.0, due - time.monotonic()))
        producer.close()

    def stop(self) -> list[dict[str, Any]]:
        """Ends it; returns all that was sent."""
        self._over.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.sent


class Members:
    """The workers of a group, and what a seed makes of them."""

    def __init__(self, settings: Settings, directory: Path, seed: int) -> None:
        self._env = environment(settings)
        self._directory = directory
        self._random = random.Random(seed)
        self._made = 0
        self._frozen: dict[Worker, float] = {}
        self.alive: list[Worker] = []
        self.story: list[str] = []
        self.join()

    def join(self) -> None:
        self._made += 1
        self.alive.append(Worker(self._env, self._directory / f"worker-{self._made}.log"))
        self.story.append(f"{self._made} joins")

    def change(self) -> None:
        """One change, of a kind that can be made now."""
        working = [worker for worker in self.alive if worker not in self._frozen]
        kinds = ["join"] * (len(self.alive) < MOST_WORKERS) + ["kill", "freeze", "stop"] * (len(working) > 1)
        kind = self._random.choice(kinds or ["restart"])
        worker = self._random.choice(working)
        self.story.append(kind)
        if kind == "join":
            self.join()
        elif kind == "freeze":
            worker.signal(signal.SIGSTOP)
            self._frozen[worker] = time.monotonic() + self._random.uniform(1.0, 10.0)
        elif kind == "kill":
            worker.kill()
            self.alive.remove(worker)
        elif kind == "stop":
            worker.signal(signal.SIGTERM)
            code = worker.process.wait(30)
            assert code in (0, -signal.SIGTERM), f"asked to stop, it ended with {code}"  # by the signal while it starts
            self.alive.remove(worker)
        else:
            worker.kill()
            worker.start()

    def thaw(self, *, all_: bool = False) -> None:
        """Lets those go on whose time has come."""
        for worker, until in list(self._frozen.items()):
            if all_ or time.monotonic() >= until:
                worker.signal(signal.SIGCONT)
                del self._frozen[worker]
                self.story.append("thaw")

    def assert_none_ended_by_itself(self) -> None:
        codes = [worker.process.poll() for worker in self.alive]
        assert not any(code is not None for code in codes), f"workers ended by themselves: {codes}"

    def close(self) -> None:
        for worker in self.alive:
            worker.signal(signal.SIGCONT)
            worker.close()


class Progress:
    """When each partition's watermark last moved to another position."""

    def __init__(self, settings: Settings) -> None:
        self._marks = Reader(settings, Topic.WATERMARKS)
        now = time.monotonic()
        self._moved = dict.fromkeys(range(settings.partitions), (-1, now))

    def assert_moving(self) -> None:
        now = time.monotonic()
        for record in self._marks.poll():
            mark = msgspec.json.decode(record.value)
            number, position = mark["partition"], mark["position"]
            if number in self._moved and position > self._moved[number][0]:
                self._moved[number] = (position, now)
        standing = {number: now - at for number, (_, at) in self._moved.items() if now - at > STANDS_S}
        assert not standing, f"partitions stand still, for so many seconds: {standing}"


@contextmanager
def running(settings: Settings, directory: Path, seed: int) -> Iterator[Members]:
    """Members that are gone afterwards, with what became of them where the test fails."""
    members = Members(settings, directory, seed)
    try:
        yield members
    finally:
        print("seed", seed, "story", "; ".join(members.story))
        members.close()


def one_round(broker: RunningBroker, directory: Path, seed: int) -> None:
    directory.mkdir()
    settings = fresh_settings(broker, directory)
    random_ = random.Random(seed)
    load = Load(settings, seed)
    progress = Progress(settings)
    with running(settings, directory, seed) as members:
        for change in range(CHANGES + 1):
            until = time.monotonic() + random_.uniform(1.5, 6.0 if change else 10.0)
            while time.monotonic() < until:
                members.thaw()
                members.assert_none_ended_by_itself()
                progress.assert_moving()
                time.sleep(0.1)
            if change < CHANGES:
                members.change()
        members.thaw(all_=True)
        events = load.stop()
        wait_until_done(settings, 120)
    assert_told_as_the_oracle_says(settings, events, POLICY)


@pytest.mark.timeout(300 + SOAK_MINUTES * 120)
def test_members_change_under_load_and_all_goes_on(kafka: RunningBroker, tmp_path: Path) -> None:
    end = time.monotonic() + SOAK_MINUTES * 60
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        rounds += 1
        one_round(kafka, tmp_path / f"round-{rounds}", random.SystemRandom().randrange(1 << 30))
