"""Both stages as worker processes run them: agents, the transport, a broker that acknowledges when it likes. What
becomes of a record sent but not acknowledged when its sender is killed is the broker's whim, but in order."""

import random
from collections.abc import Callable

import msgspec
from faust.types import TP

from schemas.policy import PolicyFile
from schemas.settings import Settings
from schemas.topics import StateTopic, Topic
from streams.customer_partition import CustomerPartition
from streams.partition import SourcePartition
from streams.stage import Retention
from streams.transport import Chunk
from tests.property.outputs import Told
from tests.support.agents import Broker, Clock, Log, Worker

PARTITIONS = 2
LATENESS = 300
SETTINGS = Settings(partitions=PARTITIONS, checkpoint_s=0.5, lateness_s=LATENESS / 1000)
RETENTION = Retention(cases=10**12)


class Process:
    """One worker: an agent of each stage."""

    def __init__(self, world: "World") -> None:
        self.stages = [
            Worker(world.broker, load, logs, world.clock, world.policy, SETTINGS, changelog)
            for changelog, load, logs in (
                (StateTopic.CHECKPOINTS, world.load_cases, world.events),
                (StateTopic.CUSTOMER_CHECKPOINTS, world.load_customers, world.customers),
            )
        ]

    @property
    def settled(self) -> bool:
        """Whether it has taken all over."""
        return all(len(stage.agent.owned) == PARTITIONS for stage in self.stages) and not any(
            sent.is_manifest for sent in self.stages[0].broker.unacknowledged
        )

    def all(self, do: Callable[[Worker], None]) -> None:
        for stage in self.stages:
            do(stage)
            assert stage.exit_code is None


class World:
    """Logs, a broker, the worker that owns all partitions, perhaps one that does not know it owns none, and readers.
    The wall clock ends at `until`."""

    def __init__(self, policy: PolicyFile, clock: Clock, rng: random.Random, until: int) -> None:
        self.policy, self.clock, self.rng, self.until = policy, clock, rng, until
        self.broker = Broker()
        self.events = [Log(TP(Topic.EVENTS, n)) for n in range(PARTITIONS)]
        self.customers = [Log(TP(Topic.CUSTOMERS, n)) for n in range(PARTITIONS)]
        self.told = Told()
        self.dead: set[bytes] = set()
        self._read = 0
        self.worker = Process(self)
        self.zombie: Process | None = None

    def load_cases(self, number: int, read: Callable[[str], bytes | None], now: int) -> SourcePartition:
        return SourcePartition(number, PARTITIONS, self.policy, RETENTION, read, now, LATENESS)

    def load_customers(self, number: int, read: Callable[[str], bytes | None], now: int) -> CustomerPartition:
        return CustomerPartition(number, PARTITIONS, RETENTION, read, now)

    def step(self) -> None:
        """Something happens."""
        rng = self.rng
        what = rng.randrange(24)
        lose: Callable[[Chunk], bool] = lambda chunk: rng.randrange(8) == 0  # noqa: E731
        if what == 0:
            self.kill()
        elif what == 1:
            generations = rng.choice((1, 2))
            self.worker.all(lambda stage: stage.rebalance(generations))
        elif what == 2 and self.zombie is None and self.worker.settled:
            self.replace_unnoticed()
        elif what == 3:
            self.broker.holds = rng.choice((lambda sent: False, lambda sent: rng.randrange(3) == 0, lambda sent: True))
        elif what < 12:
            self.acknowledge_some()
        else:
            wait = rng.choice((0, 50, 150, 600))
            self.clock.show(min(self.clock.ms + wait, self.until), wait)
            for stage in self.worker.stages:
                stage.consumer.most = rng.choice((1, 2, 500))
            self.worker.all(lambda stage: stage.fetch(lose))
            if self.zombie:
                self.zombie.all(lambda stage: stage.fetch(lose))
                if rng.randrange(4) == 0:
                    self.zombie.all(Worker.kill)
                    self.zombie = None
        self.deliver()

    def acknowledge_some(self) -> None:
        waiting = self.broker.unacknowledged
        for record in self.rng.sample(waiting, self.rng.randrange(len(waiting) + 1)):
            self.broker.acknowledge(record)
        self.worker.all(Worker.step)

    def kill(self) -> None:
        """The worker is killed and another started."""
        committed = self._committed()
        self.worker.all(Worker.kill)
        if self.zombie:
            self.zombie.all(Worker.kill)
            self.zombie = None
        self.acknowledge_some()
        self.broker.lose_unacknowledged()
        self._start(committed)

    def replace_unnoticed(self) -> None:
        """Another worker owns all, and the one before does not know yet."""
        committed = self._committed()
        self.zombie = self.worker
        for stage in self.zombie.stages:
            stage.consumer.commits_succeed = False
        self._start(committed)

    def _committed(self) -> dict[TP, int]:
        return {tp: at for stage in self.worker.stages for tp, at in stage.consumer.committed.items()}

    def _start(self, committed: dict[TP, int]) -> None:
        self.worker = Process(self)
        for stage in self.worker.stages:
            stage.consumer.committed.update({tp: at for tp, at in committed.items() if tp in stage.consumer.logs})
            stage.reassign()

    def finish(self) -> None:
        """Nothing bad happens any more, and all is read."""
        if self.zombie:
            self.zombie.all(Worker.kill)
        self.broker.holds = lambda sent: False
        self.clock.show(self.until)
        for _ in range(12):
            self.broker.acknowledge(*self.broker.unacknowledged)
            for stage in self.worker.stages:
                stage.consumer.most = 500
            for owned in self.worker.stages[0].agent.owned.values():
                assert isinstance(owned.partition, SourcePartition)
                owned.partition.engine.settle()
            self.worker.all(Worker.fetch)
            self.deliver()
            self.clock.show(self.until, 60_000)  # past five times any checkpoint's length

    def deliver(self) -> None:
        """Readers take what is durable."""
        for sent in self.broker.told[self._read :]:
            self._read += 1
            value = sent.value or b""
            if sent.topic == Topic.EVENTS:
                self.events[sent.partition].append(value)
            elif sent.topic == Topic.CUSTOMERS:
                self.customers[sent.partition].append(value)
                for line in value.split(b"\n"):
                    self.told.case(msgspec.json.decode(line))
            elif sent.topic == Topic.DEAD:
                self.dead.add(value)
            elif sent.topic == Topic.OUTCOMES:
                for line in value.split(b"\n"):
                    self.told.outcome(msgspec.json.decode(line))
            elif sent.topic == Topic.ROLLUPS:
                for line in value.split(b"\n"):
                    self.told.slice(sent.key.decode(), msgspec.json.decode(line))
