"""Rows that ClickHouse refuses: found by halving the block, so that the others arrive; kept as dead letters."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import PartitionHalted
from schemas.settings import Settings
from schemas.topics import Topic
from services.provision import DEAD_HEADROOM_BYTES, MAX_RECORD_BYTES
from services.store.clickhouse import RowsRefused

MAX_REASON = 1000
"""Characters. A reason may quote what it is about (a key of megabytes); that must not make the letter too large."""


class Refused(NamedTuple):
    """A row as it came, with the topic-partition-offset of its record and the reason it was refused for."""

    origin: str
    row: bytes
    reason: str


def insert_around(lines: Sequence[tuple[str, bytes]], insert: Callable[[bytes], None], limit: int) -> list[Refused]:
    """Insert all lines but the bad ones, and return those. About 2 x log2(lines) inserts for each.

    `insert` raises `RowsRefused` for a block with a bad row. Raises `PartitionHalted` once more than `limit` lines are
    refused: so many mean that tables and workers do not fit together, and that the rest must not be drained.
    """
    refused: list[Refused] = []
    pending = [lines]
    while pending:
        part = pending.pop()
        try:
            insert(b"\n".join(line for _, line in part))
        except RowsRefused as error:
            if len(part) > 1:
                middle = len(part) // 2
                pending += (part[middle:], part[:middle])
                continue
            refused.append(Refused(*part[0], str(error)))
            if len(refused) > limit:
                raise PartitionHalted(
                    f"ClickHouse refused more than {limit} of {len(lines)} rows, last {part[0][0]}: {error}; "
                    "do tables and workers have the same version? Nothing of it was committed"
                ) from error
    return refused


def refused_limit(rows: int) -> int:
    """How many rows of a block may be bad: a tenth, but never fewer than a hundred."""
    return max(100, rows // 10)


class DeadLetters:
    """The dead-letter topic. Its producer starts with the first letter: most stores never write one."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka.split(",")
        self._topic = settings.topic(Topic.DEAD)
        self._producer: KafkaProducer | None = None

    def send(self, letters: Sequence[Refused]) -> None:
        """Write the letters and wait for the brokers. Raises kafka-python's `KafkaError` where they do not answer."""
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._servers,
                acks="all",
                # A row may fill its record; beside it stand our headers.
                max_request_size=MAX_RECORD_BYTES + DEAD_HEADROOM_BYTES,
            )
        sent = [
            self._producer.send(
                self._topic,
                letter.row,
                key=letter.origin.encode(),
                headers=[("reason", letter.reason[:MAX_REASON].encode()), ("field", b""), ("origin", b"store")],
            )
            for letter in letters
        ]
        for future in sent:
            future.get(timeout=10)

    def close(self) -> None:
        """Close the producer; everything sent has been waited for."""
        if self._producer is not None:
            with suppress(KafkaError):
                self._producer.close(timeout=0.5)
