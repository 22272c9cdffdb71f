"""Source partitions as a broker and its workers run them, without either: logs, checkpoint tables, owners, readers."""

import random
from collections.abc import Sequence

import msgspec

from schemas.policy import PolicyFile
from schemas.topics import Topic
from streams.engine.snapshot import Checkpoint
from streams.partition import Retention, Send, SourcePartition
from streams.transport import Chunk, Record
from tests.property.outputs import Told

PARTITIONS = 3
LATENESS = 300


class Cluster:
    """Logs, checkpoint tables and workers in one place. `wall` is the wall clock in ms."""

    def __init__(self, policy: PolicyFile, wall: int) -> None:
        self.wall = wall
        self.policy = policy
        self.logs: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
        self.told = Told()
        self.dead: set[bytes] = set()
        self.owners = [self.take_over(number) for number in range(PARTITIONS)]

    def take_over(self, number: int) -> SourcePartition:
        """A new owner of a partition, as the agent makes one."""
        retention = Retention(cases=10**12, slices=1_200_000)
        rows = self.tables[number].get
        owner = SourcePartition(number, PARTITIONS, self.policy, retention, rows, self.wall, LATENESS)
        self._manifest(owner, owner.checkpoint(self.wall, 1 << 62))
        return owner

    def read(self, number: int, rng: random.Random) -> None:
        """One chunk from somewhere at or before the next record, then time passes and outputs leave."""
        owner, log = self.owners[number], self.logs[number]
        begin = max(0, owner.position + 1 - rng.choice((0, 0, 0, 1, 3)))
        records = numbered(log)[begin : begin + rng.randrange(1, 8)]
        chunk = Chunk(records, begin + len(records), None, len(log))
        assert owner.accepts(chunk)
        self.send(owner.feed(chunk, self.wall))
        owner.advance(self.wall, LATENESS, len(log))
        self.send(owner.outcomes())
        if rng.randrange(2):
            self.send(owner.slices())

    def checkpoint(self, number: int, rng: random.Random, whole: bool = True) -> None:
        """A checkpoint; not `whole`: the worker is killed in the middle of it."""
        owner, table = self.owners[number], self.tables[number]
        self.send(owner.slices())
        checkpoint = owner.checkpoint(self.wall, len(self.logs[number]))
        for key, value in checkpoint.rows():
            if not whole and rng.randrange(3) == 0:
                break
            assert value is not None
            table[key] = value
        if not whole:
            self.owners[number] = self.take_over(number)
            return
        self._manifest(owner, checkpoint)
        for key, _ in checkpoint.garbage():
            table.pop(key, None)

    def _manifest(self, owner: SourcePartition, checkpoint: Checkpoint) -> None:
        for key, value in (*checkpoint.policies(), checkpoint.manifest_row()):
            assert value is not None
            self.tables[owner.number][key] = value
        owner.manifest = checkpoint.manifest

    def send(self, sends: list[Send]) -> None:
        """What a broker and its readers make of records."""
        for topic, partition, key, value, headers in sends:
            if topic is Topic.EVENTS:
                self.logs[partition].append(value)
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
    def behind(self) -> list[int]:
        """Partitions with something unread."""
        return [n for n, owner in enumerate(self.owners) if owner.position + 1 < len(self.logs[n])]


def numbered(values: Sequence[bytes]) -> list[Record]:
    """Records with their offsets from 0."""
    return [Record(offset, value) for offset, value in enumerate(values)]
