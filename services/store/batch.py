"""What goes into ClickHouse next: NDJSON by table, and how far each Kafka partition is once it is in."""

from dataclasses import dataclass, field
from typing import NamedTuple

from kafka import TopicPartition

MAX_ROWS = 100_000
MAX_BYTES = 32 * 2**20
"""A batch is flushed early at these bounds. ClickHouse likes 10,000 to 100,000 rows an insert."""


class Piece(NamedTuple):
    """The rows that one Kafka record holds for one table, as NDJSON. `origin` is its topic-partition-offset."""

    origin: str
    ndjson: bytes
    rows: int

    def lines(self) -> list[tuple[str, bytes]]:
        """Each row with its origin."""
        return [(self.origin, line) for line in self.ndjson.split(b"\n") if line.strip()]


@dataclass(slots=True)
class Batch:
    """Pieces gathered since the last flush."""

    tables: dict[str, list[Piece]] = field(default_factory=dict)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """Per partition the offset to go on at, once everything here is inserted."""
    rows: int = 0
    size: int = 0
    oldest_ms: int | None = None
    """When the first record was appended to Kafka."""

    def add(self, table: str, piece: Piece) -> None:
        """Take the rows of a piece along."""
        if piece.rows:
            self.tables.setdefault(table, []).append(piece)
            self.rows += piece.rows
            self.size += len(piece.ndjson)

    def passed(self, partition: TopicPartition, offset: int, appended_ms: int) -> None:
        """Note that the record at `offset` has been looked at, whether or not it held rows."""
        self.offsets[partition] = offset + 1
        if self.oldest_ms is None or appended_ms < self.oldest_ms:
            self.oldest_ms = appended_ms

    @property
    def full(self) -> bool:
        """Whether it should be flushed before the time."""
        return self.rows >= MAX_ROWS or self.size >= MAX_BYTES

    def __bool__(self) -> bool:
        return bool(self.offsets)
