"""Batches as they may come from a broker, and what is taken of them."""

from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from streams.unreadable import Decoder

TP = TopicPartition("events", 0)


def batch(first: int, *values: bytes, header: str = "h") -> bytearray:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=0, key=None, value=value, headers=[(header, b"")])
    built = bytearray(builder.build())
    built[:8] = first.to_bytes(8, "big")
    return built


class Fetcher:
    """Holds one fetch, as aiokafka's does."""

    def __init__(self, data: bytes, position: int) -> None:
        found = PartitionRecords(TP, MemoryRecords(data), [], position, None, None, True, READ_UNCOMMITTED)
        self._records: dict[Any, Any] = {
            TP: FetchResult(TP, assignment=None, partition_records=found, backoff=0),
            TopicPartition("events", 1): ValueError("an error of a fetch is left as it is"),
        }


def taken(decoder: Decoder, data: bytes, position: int = 0) -> tuple[list[tuple[int, bytes | None]], int]:
    fetcher = Fetcher(data, position)
    decoder.tolerate(fetcher)
    records = fetcher._records[TP]._partition_records
    return [(record.offset, record.value) for record in records], records.next_fetch_offset


def test_whole_batches_are_taken_from_the_position_on() -> None:
    data = bytes(batch(5, b"a", b"b", b"c") + batch(8, b"d"))
    assert taken(Decoder(), data, 6) == ([(6, b"b"), (7, b"c"), (8, b"d")], 9)


def test_what_cannot_be_decoded_is_one_record_without_a_value_at_its_end() -> None:
    bad = batch(1, b"x", b"y", b"z")
    at = bad.index(b"h")
    bad[at] = 0xE9  # not UTF-8
    recrc(bad)
    data = bytes(batch(0, b"a") + bad + batch(4, b"b"))
    assert taken(Decoder(), data) == ([(0, b"a"), (3, None), (4, b"b")], 5)


def test_a_checksum_that_does_not_fit_is_given_a_second_chance() -> None:
    bad = batch(1, b"x", b"y")
    bad[-1] ^= 1
    decoder, data = Decoder(), bytes(batch(0, b"a") + bad + batch(3, b"b"))
    assert taken(decoder, data) == ([(0, b"a")], 1)
    assert taken(decoder, bytes(batch(1, b"x", b"y")), 1) == ([(1, b"x"), (2, b"y")], 3)


def test_one_that_never_fits_is_passed_over() -> None:
    bad = batch(1, b"x", b"y")
    bad[-1] ^= 1
    decoder, data = Decoder(), bytes(batch(0, b"a") + bad + batch(3, b"b"))
    assert taken(decoder, data) == ([(0, b"a")], 1)
    assert taken(decoder, data, 1) == ([(2, None), (3, b"b")], 4)


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_made_tolerant_stays_so(times: int) -> None:
    fetcher = Fetcher(bytes(batch(0, b"a")), 0)
    for _ in range(times):
        Decoder().tolerate(fetcher)
    assert [record.value for record in fetcher._records[TP]._partition_records] == [b"a"]


def recrc(data: bytearray) -> None:
    """Makes the checksum fit what was changed behind it."""
    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
