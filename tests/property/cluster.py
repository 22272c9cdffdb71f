"""Both stages as a broker and its workers run them, without either: logs, checkpoint tables, owners, readers."""

import random
from collections.abc import Sequence

import msgspec

from schemas.policy import PolicyFile
from schemas.topics import Topic
from streams.customer_partition import CustomerPartition
from streams.engine.checkpoint import Checkpoint
from streams.partition import SourcePartition
from streams.stage import Retention, Send, Stage
from streams.transport import Chunk, Record
from tests.property.outputs import Told

PARTITIONS = 3
LATENESS = 300
RETENTION = Retention(cases=10**12, slices=1_200_000)


class Line:
    """One partition of a stage: its log, its checkpoint table, its owner."""

    def __init__(self, owner: Stage, table: dict[str, bytes]) -> None:
        self.log: list[Record] = []
        self.table = table
        self.owner = owner

    def append(self, value: bytes, at: int) -> None:
        """Adds a record that the broker takes at `at` (ms)."""
        self.log.append(Record(len(self.log), value, at))

    @property
    def behind(self) -> bool:
        """Whether something is unread."""
        return self.owner.position + 1 < len(self.log)


class Cluster:
    """Logs, checkpoint tables and workers in one place. `wall` is the wall clock in ms."""

    def __init__(self, policy: PolicyFile, wall: int) -> None:
        self.wall = wall
        self.policy = policy
        self.told = Told()
        self.dead: set[bytes] = set()
        self.cases: list[Line] = []
        self.customers: list[Line] = []
        for number in range(PARTITIONS):
            for lines, make in ((self.cases, self._source), (self.customers, self._customer)):
                table: dict[str, bytes] = {}
                lines.append(Line(make(number, table), table))
                self._claim(lines[-1])

    @property
    def owners(self) -> list[SourcePartition]:
        """The owners of the source partitions."""
        return [line.owner for line in self.cases if isinstance(line.owner, SourcePartition)]

    def take_over(self, line: Line) -> None:
        """A new owner of a partition, as the agent makes one."""
        make = self._source if isinstance(line.owner, SourcePartition) else self._customer
        line.owner = make(line.owner.number, line.table)
        self._claim(line)

    def _source(self, number: int, table: dict[str, bytes]) -> Stage:
        return SourcePartition(number, PARTITIONS, self.policy, RETENTION, table.get, self.wall, LATENESS)

    def _customer(self, number: int, table: dict[str, bytes]) -> Stage:
        return CustomerPartition(number, PARTITIONS, RETENTION, table.get, self.wall)

    def _claim(self, line: Line) -> None:
        self._manifest(line, line.owner.checkpoint(self.wall, 1 << 62))

    def read(self, line: Line, rng: random.Random) -> None:
        """One chunk from somewhere at or before the next record, then time passes and outputs leave."""
        owner, log = line.owner, line.log
        begin = max(0, owner.position + 1 - rng.choice((0, 0, 0, 1, 3)))
        records = log[begin : begin + rng.randrange(1, 8)]
        chunk = Chunk(records, begin + len(records), None, len(log))
        assert owner.accepts(chunk)
        self.send(owner.feed(chunk, self.wall))
        owner.advance(self.wall, LATENESS, len(log))
        self.send(owner.outcomes())
        if rng.randrange(2):
            self.send(owner.slices())

    def checkpoint(self, line: Line, rng: random.Random, whole: bool = True) -> None:
        """A checkpoint; not `whole`: the worker is killed in the middle of it."""
        self.send(line.owner.outcomes() + line.owner.slices())
        checkpoint = line.owner.checkpoint(self.wall, len(line.log))
        for key, value in checkpoint.rows():
            if not whole and rng.randrange(3) == 0:
                break
            assert value is not None
            line.table[key] = value
        if not whole:
            self.take_over(line)
            return
        self._manifest(line, checkpoint)
        for key, _ in checkpoint.garbage():
            line.table.pop(key, None)

    def _manifest(self, line: Line, checkpoint: Checkpoint) -> None:
        for key, value in (*checkpoint.policies(), checkpoint.manifest_row()):
            assert value is not None
            line.table[key] = value
        line.owner.manifest = checkpoint.manifest

    def send(self, sends: list[Send]) -> None:
        """What a broker and its readers make of records."""
        for topic, partition, key, value, headers in sends:
            if topic is Topic.EVENTS:
                self.cases[partition].append(value, self.wall)
            elif topic is Topic.CUSTOMERS:
                self.customers[partition].append(value, self.wall)
                for line in value.split(b"\n"):
                    self.told.case(msgspec.json.decode(line))
            elif topic is Topic.DEAD:
                assert headers["origin"] == key
                assert headers["reason"]
                self.dead.add(value)
            elif topic is Topic.OUTCOMES:
                for line in value.split(b"\n"):
                    self.told.outcome(msgspec.json.decode(line))
            else:
                for line in value.split(b"\n"):
                    self.told.slice(key.decode(), msgspec.json.decode(line))

    @property
    def behind(self) -> list[Line]:
        """Partitions with something unread."""
        return [line for line in (*self.cases, *self.customers) if line.behind]


def numbered(values: Sequence[bytes]) -> list[Record]:
    """Records with their offsets from 0."""
    return [Record(offset, value) for offset, value in enumerate(values)]
