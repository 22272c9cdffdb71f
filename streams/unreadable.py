"""Record batches that cannot be decoded: passed over, so that one of them does not end the worker again and again.

aiokafka raises for such a batch and fetches it again. What brings one about: a codec that nobody here has, a header
whose name is not UTF-8 (brokers take it). The store reads the same topic and keeps the batch as a dead letter.
"""

from collections.abc import Iterator
from typing import Any

import structlog
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import ConsumerRecord
from faust.types import TP

log = structlog.get_logger(__name__)


class Decoder:
    """Puts itself between what aiokafka has fetched and who takes it. Uncommitted records are taken like any."""

    def __init__(self) -> None:
        self._corrupt: set[tuple[TP, int]] = set()

    def tolerate(self, fetcher: Any) -> None:
        """What the fetcher holds now can be taken without an error of decoding."""
        for result in fetcher._records.values():
            if isinstance(result, FetchResult) and isinstance(result._partition_records, PartitionRecords):
                result._partition_records = _Records(result._partition_records, self._corrupt)


class _Records:
    """The records of a fetch from one partition. One without a value stands for what cannot be decoded of a batch, at
    the last offset of that."""

    def __init__(self, found: Any, corrupt: set[tuple[TP, int]]) -> None:
        self.next_fetch_offset: int = found.next_fetch_offset
        self._found = found
        self._tp = TP(*found._tp)
        self._corrupt = corrupt
        self._records = self._unpack()

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def _unpack(self) -> Iterator[Any]:
        batches = self._found._records
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.is_control_batch:
                place = self._tp, batch.base_offset
                intact = batch.validate_crc()
                if not intact and place not in self._corrupt:
                    # On the way or in memory: what the broker has may be whole. It is fetched once more.
                    self._corrupt.add(place)
                    return
                yield from self._decode(batch, intact)
                self._corrupt.discard(place)
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)

    def _decode(self, batch: Any, intact: bool) -> Iterator[Any]:
        try:
            if not intact:
                raise CorruptRecordException("the checksum does not fit")
            for record in batch:
                if record.offset >= self.next_fetch_offset:
                    self.next_fetch_offset = record.offset + 1
                    yield self._found._consumer_record(self._tp, record)
        except Exception as error:  # each codec has errors of its own
            first, last = self.next_fetch_offset, max(self.next_fetch_offset, batch.next_offset - 1)
            log.error("records that cannot be decoded are passed over", topic=self._tp.topic,
                      partition=self._tp.partition, first=first, last=last, reason=repr(error)[:500])  # fmt: skip
            self.next_fetch_offset = last + 1
            yield ConsumerRecord(*self._tp, last, 0, 0, None, None, None, -1, -1, ())
