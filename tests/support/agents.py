"""A stage's agent in this process, between a log it reads and a broker that a test acknowledges for.

Reading goes through the product's own transport, over records in memory. What is sent is written down in order and is
durable once acknowledged, within a partition in order, as with Kafka: `tests/integration/streams/test_producer.py`
holds this producer and Faust's to the same contract. Steps are synchronous: a step ends when the agent waits for the
next chunk, or for an acknowledgement.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.types import TP

from schemas.policy import PolicyFile
from schemas.settings import Settings
from schemas.topics import StateTopic, Topic
from streams import agent as agent_module
from streams import transport
from streams.agent import Load, PartitionAgent
from streams.transport import Chunk, Polled

CHANGELOG = StateTopic.CHECKPOINTS


class Exited(BaseException):
    """The process has ended itself with this code."""


class Clock:
    """Both clocks of a process: the wall's in ms, the monotonic one in s."""

    def __init__(self) -> None:
        self.ms = 0
        self._leapt = 0

    def wall(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return (self.ms - self._leapt) / 1000

    def show(self, wall: int, passed: int = 0) -> None:
        """The wall shows this instant, of the ms until which only so many passed."""
        self._leapt += wall - self.ms - passed
        self.ms = wall

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@dataclass(eq=False)
class Sent:
    """A record sent; `acknowledged` ends when the broker says so."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: dict[str, bytes]
    acknowledged: "asyncio.Future[None]" = field(repr=False)
    waiting: "list[Sent]" = field(repr=False)
    """What was sent before and not acknowledged then."""

    @property
    def durable(self) -> bool:
        future = self.acknowledged
        return future.done() and not future.cancelled() and future.exception() is None

    @property
    def is_manifest(self) -> bool:
        return self.topic.endswith("-changelog") and self.key.partition(b".")[2].startswith(b"m")

    @property
    def is_row(self) -> bool:
        """A checkpoint row that is no manifest."""
        return self.topic.endswith("-changelog") and not self.is_manifest


class Broker:
    """A producer that writes down what is sent, in order. `holds` says what is not acknowledged at once."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._open: list[Sent] = []
        self.told: list[Sent] = []
        """What was acknowledged, in that order."""
        self.holds: Callable[[Sent], bool] = lambda sent: False

    async def send(
        self, topic: str, key: bytes, value: bytes | None, partition: int, timestamp: None, headers: Any
    ) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        sent = Sent(topic, partition, key, value, dict(headers or ()), future, self.unacknowledged)
        waits = any(one.topic == topic and one.partition == partition for one in sent.waiting)
        self.sent.append(sent)
        self._open.append(sent)
        if not waits and not self.holds(sent):
            self.acknowledge(sent)
        return sent.acknowledged

    @property
    def unacknowledged(self) -> list[Sent]:
        self._open = [one for one in self._open if not one.acknowledged.done()]
        return list(self._open)

    def acknowledge(self, *records: Sent) -> None:
        """Acknowledges these and what was sent before them to the same partitions."""
        for record in records:
            for one in self.unacknowledged:
                if (one.topic, one.partition) == (record.topic, record.partition):
                    one.acknowledged.set_result(None)
                    self.told.append(one)
                if one is record:
                    break

    def fail(self, record: Sent) -> None:
        """The broker does not take this record."""
        record.acknowledged.set_exception(KafkaTimeoutError())

    def of(self, *topics: str) -> list[Sent]:
        """What was sent to these topics."""
        return [one for one in self.sent if one.topic in topics]

    def lose_unacknowledged(self) -> None:
        """What was sent and is not durable never will be: its sender is dead."""
        for one in self.unacknowledged:
            one.acknowledged.cancel()

    def rows(self, changelog: str = CHANGELOG) -> dict[bytes, bytes]:
        """What is durable of a changelog, as a worker recovers it."""
        rows: dict[bytes, bytes] = {}
        for one in self.told:
            if one.topic == changelog:
                if one.value is None:
                    rows.pop(one.key, None)
                else:
                    rows[one.key] = one.value
        return rows


class Log:
    """A source partition: records by offset. `skip` leaves a natural gap, as compaction and transactions do."""

    def __init__(self, tp: TP) -> None:
        self.tp = tp
        self.records: list[Any] = []
        self.end = 0

    def append(self, *values: bytes | None) -> None:
        for value in values:
            self.records.append(ConsumerRecord(*self.tp, self.end, 0, 1, None, value, None, -1, -1, ()))
            self.end += 1

    def skip(self, offsets: int = 1) -> None:
        self.end += offsets


class Consumer(transport.Consumer):
    """The transport's consumer, fetching from logs. It writes down what the agent asks of it."""

    def __init__(self, app: Any, logs: Iterable[Log], most: int = 500) -> None:
        super().__init__()
        self.app = app
        self.logs = {log.tp: log for log in logs}
        self.assigned = set(self.logs)
        self.at = dict.fromkeys(self.logs, 0)
        self.most = most
        self.flow_active = True
        self._read_offset: dict[TP, int | None] = {}
        self.rewinds: list[int] = []
        self.commits: list[dict[TP, int]] = []
        self.committed: dict[TP, int] = {}
        self.commits_succeed = True

    should_stop = False

    def rewind(self, tp: TP, offset: int) -> None:
        self.rewinds.append(offset)
        super().rewind(tp, offset)

    async def commit_position(self, tp: TP, offset: int) -> bool:
        if tp not in self.assigned:
            return False
        self.commits.append({tp: offset})
        if self.commits_succeed:
            self.committed[tp] = offset
        return self.commits_succeed

    async def confirm(self, tp: TP, _: int) -> bool:
        return tp in self.assigned and self.commits_succeed

    def _get_active_partitions(self) -> set[TP]:
        return set(self.assigned)

    def _has_room(self, tp: TP) -> bool:
        return True

    async def sleep(self, _: float) -> None:
        await asyncio.sleep(0)

    async def _in_thread(self, work: Any) -> Any:
        return await work

    async def _poll(self, wanted: set[TP], rewinds: Mapping[TP, int]) -> Polled:
        sought = {tp: offset for tp, offset in rewinds.items() if tp in wanted}
        self.at.update(sought)
        fetched = {}
        for tp in sorted(wanted):
            there = [one for one in self.logs[tp].records if one.offset >= self.at[tp]]
            if there:
                fetched[tp] = there[: self.most]
            self.at[tp] = fetched[tp][-1].offset + 1 if len(there) > self.most else self.logs[tp].end
        return Polled(fetched, {tp: (self.at[tp], self.logs[tp].end) for tp in wanted}, sought)


class Stream:
    """What Faust gives the agent to read."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.waits = False

    async def events(self) -> AsyncIterator[Any]:
        while True:
            self.waits = not self.messages
            if self.messages:
                yield SimpleNamespace(message=self.messages.pop(0))
            else:
                await asyncio.sleep(0)


class Worker:
    """A worker process as far as one stage goes. `load` makes its partitions."""

    def __init__(
        self,
        broker: Broker,
        load: Load,
        logs: Iterable[Log],
        clock: Clock,
        policy: PolicyFile,
        settings: Settings,
        changelog: StateTopic = CHANGELOG,
    ) -> None:
        self.broker = broker
        self.app: Any = SimpleNamespace(producer=broker, consumer_generation_id=1)
        self.consumer = self.app.consumer = Consumer(self.app, logs)
        self.policy: Any = SimpleNamespace(file=policy, look=lambda clock, tell: None)
        source = Topic(next(iter(self.consumer.logs)).topic)
        self.agent = PartitionAgent(self.app, settings, self.policy, source, changelog, load, clock.wall)

        async def durable(tp: TP) -> dict[bytes, bytes]:
            return broker.rows(changelog)

        self.agent._read_changelog = durable  # type: ignore[method-assign]
        self.agent.on_assigned(self.app, set(self.consumer.logs))
        self._stream = Stream()
        self._loop = asyncio.get_event_loop_policy().get_event_loop()
        self._task = self._loop.create_task(self.agent.run(self._stream))

    def step(self) -> None:
        """Lets the agent go on until it waits."""

        async def until_it_waits() -> None:
            seen, quiet = len(self.broker.sent), 0
            while quiet < 20 and not self._task.done():
                await asyncio.sleep(0)
                still = seen == len(self.broker.sent) and (self._stream.waits or bool(self.broker.unacknowledged))
                seen, quiet = len(self.broker.sent), quiet + 1 if still else 0

        self._loop.run_until_complete(until_it_waits())

    def hand(self, chunk: Chunk, partition: int = 0) -> None:
        """Gives the agent a chunk of a partition, past the transport."""
        tp = next(tp for tp in self.consumer.logs if tp.partition == partition)
        generation = self.app.consumer_generation_id
        message = SimpleNamespace(topic=tp.topic, partition=partition, value=chunk, generation_id=generation)
        self._stream.messages.append(message)
        self.step()

    def fetch(self, lose: Callable[[Chunk], bool] = lambda chunk: False) -> None:
        """What the transport hands over at once; what `lose` names is lost on the way, as in a recovery of Faust."""

        async def fetched() -> list[Any]:
            return [message async for _, message in self.consumer.getmany(0.1)]

        for message in self._loop.run_until_complete(fetched()):
            if not lose(message.value):
                self._stream.messages.append(message)
        self.step()

    def acknowledge(self, *records: Sent) -> None:
        """The broker acknowledges these, or all that it has not yet, until it has acknowledged everything."""
        if records:
            self.broker.acknowledge(*records)
            self.step()
        while not records and self.broker.unacknowledged:
            self.broker.acknowledge(*self.broker.unacknowledged)
            self.step()

    def revoke(self) -> None:
        """A rebalance takes all partitions away."""
        self.consumer.assigned = set()
        self._stream.messages.clear()  # as Faust does
        self._loop.run_until_complete(self.agent.on_revoked(self.app, set(self.consumer.logs)))

    def reassign(self, generations: int = 2) -> None:
        """Brings them back; the consumer reads on from what was committed. By default they have been through another
        worker; where only one generation of the group lies between, they have not."""
        self.consumer.assigned = set(self.consumer.logs)
        for tp in self.consumer.logs:
            self.consumer.at[tp] = self.consumer.committed.get(tp, 0)
        self.app.consumer_generation_id += generations
        self.agent.on_assigned(self.app, set(self.consumer.logs))

    def rebalance(self, generations: int = 2) -> None:
        """All are taken away and come back."""
        self.revoke()
        self.reassign(generations)

    def kill(self) -> None:
        """SIGKILL."""
        self._task.cancel()
        self.step()

    @property
    def exit_code(self) -> int | None:
        """What the process has ended itself with; None while it runs."""
        error = self._task.exception() if self._task.done() and not self._task.cancelled() else None
        assert error is None or isinstance(error, Exited), error
        return error.args[0] if error else None


@contextmanager
def surroundings(patch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of agents and consumers, who also get a loop, and a process to end."""
    clock = Clock()

    def end(code: int) -> None:
        raise Exited(code)

    patch.setattr(agent_module, "time", clock)
    patch.setattr(transport, "time", clock)
    patch.setattr(agent_module, "HANDOVER_S", 0.01)
    patch.setattr(agent_module, "gc", SimpleNamespace(collect=int, freeze=int, set_threshold=lambda *n: None))
    patch.setattr(agent_module, "os", SimpleNamespace(_exit=end))
    patch.setattr(AIOKafkaConsumer, "__init__", lambda self: None)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield clock
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
        patch.undo()


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A test's surroundings."""
    with surroundings(pytest.MonkeyPatch()) as clock:
        yield clock
