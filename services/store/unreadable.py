"""Record batches that cannot be decoded: handed over as they came, so that one of them does not end the reading.

kafka-python (3.0) raises for such a batch, and its next poll never returns: it goes on asking an iterator that has
ended. What brings one about: a codec that nobody here has, a checksum that does not fit, a header whose name is not
UTF-8 (brokers take it).
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from time import time
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, KafkaError
from kafka.record import MemoryRecords

_MAGIC: Final = 2
"""Of the record format since Kafka 0.11. Only its batches say which offset is their last."""


class Unreadable(bytes):
    """Stands as the value of a record for what could not be decoded of a batch: the whole batch as fetched, with its
    head, its records still compressed. The record's offset is the last one of the batch."""

    first: int
    """The first offset that could not be decoded."""
    reason: str

    @classmethod
    def of(cls, batch: bytes, first: int, error: Exception) -> "Unreadable":
        """The batch, and why it is here."""
        value = cls(batch)
        said = str(error) if isinstance(error, KafkaError) else f"{type(error).__name__}: {error}"
        value.first, value.reason = first, " ".join(said.split())[:500]
        return value


def keep_unreadable(consumer: KafkaConsumer) -> None:
    """From now on the consumer hands over an `Unreadable` value where it would have raised."""
    consumer._fetcher.PartitionRecords = _PartitionRecords


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What a fetch brought of a partition. Raises `CorruptRecordError` where not even a batch's length can be read:
    there is no telling then where the next one begins, and it is for the broker to mend."""

    def __init__(self, fetch_offset: int, tp: TopicPartition, records: MemoryRecords, **options: Any) -> None:
        super().__init__(fetch_offset, tp, _Batches(records, fetch_offset), **options)


class _Batches:
    """The batches of a fetch. It is one ahead, so that it raises before kafka-python iterates, or not at all."""

    def __init__(self, records: MemoryRecords, fetch_offset: int) -> None:
        # A reader of our own: kafka-python asks its own afterwards whether there is a whole batch in it.
        self._records = MemoryRecords(records._buffer)
        self._fetch_offset = fetch_offset
        try:
            self._next = self._records.next_batch()
        except struct.error as error:
            raise CorruptRecordError(f"no record batch begins at offset {fetch_offset}: {error}") from error

    def next_batch(self) -> "_Batch | None":
        batch, self._next = self._next, None
        if batch is None:
            return None
        # What follows is fetched again from its own beginning, and raises there.
        with suppress(CorruptRecordError, struct.error):
            self._next = self._records.next_batch()
        return _Batch(batch, self._fetch_offset)


class _Batch:
    """A batch all of whose records can be had: after those that can be decoded comes one that stands for the rest."""

    def __init__(self, batch: Any, fetch_offset: int) -> None:
        self._batch = batch
        self._records: list[Any] = []
        self._last: int | None = None
        if batch.magic >= _MAGIC and batch.is_control_batch:
            return
        fetched = batch._buffer  # Decoding puts another in its place.
        first, intact = batch.base_offset, False
        try:
            intact = batch.validate_crc()
            if not intact:
                raise CorruptRecordError("the checksum does not fit")
            for record in batch:
                self._records.append(record)
                first = record.offset + 1
        except Exception as error:  # zlib's, lz4's, snappy's and zstd's own are among them
            self._last = max(first, fetch_offset, _last_offset(batch, intact))
            self._records.append(_Rest(self._last, Unreadable.of(bytes(fetched), first, error)))

    def validate_crc(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(self._records)

    @property
    def next_offset(self) -> int:
        return int(self._batch.next_offset) if self._last is None else self._last + 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)


def _last_offset(batch: Any, intact: bool) -> int:
    """The last offset of a batch. The head may be what is corrupt, and must not make us skip what the batch does not
    hold: where it does not fit together, only one offset is passed, and the broker says what comes next."""
    if batch.magic >= _MAGIC and (intact or batch.last_offset_delta == batch.records_count - 1):
        return int(batch.last_offset)
    return int(batch.base_offset)


@dataclass(slots=True)
class _Rest:
    """The record that stands for what could not be decoded."""

    offset: int
    value: Unreadable
    timestamp: int = field(default_factory=lambda: round(time() * 1000))
    """The batch's own may be what is corrupt."""
    timestamp_type: int = 0
    key: None = None
    checksum: None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    size_in_bytes: int = 0

    def validate_crc(self) -> bool:
        return True
