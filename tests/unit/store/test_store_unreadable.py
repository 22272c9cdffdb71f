"""A batch that cannot be decoded is handed over as it came, and what stands round it is read."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition, codec
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c

from services.store.unreadable import Unreadable, _PartitionRecords

PARTITION = TopicPartition("t", 0)
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
SIZE = 5
"""Records in a batch."""


class NotUtf8(str):
    """The name of a header as a client may send it that thinks in another encoding."""

    def encode(self, *_: Any) -> bytes:
        return b"caf\xe9"


def batch(base: int, kind: int = 0, name: str = "h") -> bytearray:
    """A batch of SIZE records that begins at offset `base`; the headers of its third record are called `name`."""
    builder = DefaultRecordBatchBuilder(2, kind, False, -1, -1, -1, 1_000_000)
    for at in range(SIZE):
        headers = [(name if at == 2 else "h", b"x")]
        builder.append(at, 1_767_225_600_000, b"k", b"%d" % (base + at) * 20, headers)
    built = bytearray(builder.build())
    built[:8] = base.to_bytes(8, "big")
    return built


def read(fetched: bytes, at: int = 0, records: int = 3) -> tuple[list[Any], int]:
    """All that a fetch at an offset brings, a few records at a time, and where the next one begins."""
    given = MemoryRecords(bytes(fetched))
    part = _PartitionRecords(at, PARTITION, given, check_crcs=True)
    assert given.has_next(), "kafka-python takes a fetch for one without a whole batch"
    found: list[Any] = []
    for _ in range(len(fetched)):
        if not part:
            return found, part.next_fetch_offset
        found += part.take(records)
    raise AssertionError("it does not end")


def corrupt(fetched: bytearray) -> bytearray:
    fetched[-1] ^= 1
    return fetched


@pytest.mark.parametrize("kind", CODECS.values(), ids=CODECS.keys())
def test_every_codec_is_read(kind: int) -> None:
    found, after = read(batch(0, kind) + batch(SIZE, kind))
    assert [record.offset for record in found] == list(range(2 * SIZE))
    assert [record.value for record in found] == [b"%d" % at * 20 for at in range(2 * SIZE)]
    assert after == 2 * SIZE


@pytest.mark.parametrize(
    ("bad", "first", "reason"),
    [
        (lambda: corrupt(batch(SIZE)), SIZE, "checksum"),
        (lambda: batch(SIZE, name=NotUtf8("x")), SIZE + 2, "caf"),
        (lambda: batch(SIZE, 1, name=NotUtf8("x")), SIZE + 2, "caf"),
        (lambda: garbled(batch(SIZE), kind=7), SIZE, "compression type: 7"),
        (lambda: garbled(batch(SIZE, 1)), SIZE, "gzip"),
        (lambda: garbled(batch(SIZE, 2)), SIZE, "Error"),
        (lambda: garbled(batch(SIZE, 3)), SIZE, "Error"),
        (lambda: garbled(batch(SIZE, 4)), SIZE, "Error"),
    ],
    ids=["checksum", "header", "header in gzip", "no such codec", "gzip", "snappy", "lz4", "zstd"],
)
def test_a_batch_that_cannot_be_decoded_stands_between_its_neighbours(
    bad: Callable[[], bytearray], first: int, reason: str
) -> None:
    raw = bad()
    found, after = read(batch(0) + raw + batch(2 * SIZE))
    assert [record.offset for record in found] == [*range(first), 2 * SIZE - 1, *range(2 * SIZE, 3 * SIZE)]
    assert after == 3 * SIZE
    (rest,) = [record.value for record in found if isinstance(record.value, Unreadable)]
    assert (bytes(rest), rest.first) == (raw, first)
    assert reason in rest.reason and "\n" not in rest.reason


def test_a_single_batch_is_read() -> None:
    found, after = read(batch(0))
    assert ([record.offset for record in found], after) == (list(range(SIZE)), SIZE)


def test_a_codec_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = batch(0, CODECS["snappy"]) + batch(SIZE)
    monkeypatch.setattr(codec, "snappy", None)
    found, _ = read(fetched)
    assert "snappy" in found[0].value.reason
    assert [record.offset for record in found] == [SIZE - 1, *range(SIZE, 2 * SIZE)]


def test_reading_that_begins_within_such_a_batch_gets_past_it() -> None:
    found, after = read(corrupt(batch(0)) + batch(SIZE), at=3)
    assert ([record.offset for record in found], after) == ([SIZE - 1, *range(SIZE, 2 * SIZE)], 2 * SIZE)


@pytest.mark.parametrize("at", [0, 3])
def test_a_head_that_does_not_fit_together_passes_one_offset_only(at: int) -> None:
    torn = batch(0)
    torn[23:27] = (10**6).to_bytes(4, "big")  # the last offset, as the batch has it
    found, after = read(torn, at)
    assert ([record.offset for record in found], after) == ([at], at + 1)


def test_where_no_batch_can_be_made_out_it_is_the_broker_that_is_unwell() -> None:
    with pytest.raises(CorruptRecordError):
        read(bytes(8) + (30).to_bytes(4, "big") + bytes(4) + b"\x02" + bytes(25))
    found, after = read(batch(0) + bytes(8) + (4).to_bytes(4, "big") + bytes(4))
    assert ([record.offset for record in found], after) == (list(range(SIZE)), SIZE)


@given(kind=st.sampled_from(sorted(CODECS.values())), at=st.integers(12, 10_000), flip=st.integers(1, 255))
def test_whatever_byte_of_a_batch_is_wrong_all_others_are_read(kind: int, at: int, flip: int) -> None:
    bad = batch(SIZE, kind)
    at = 12 + at % (len(bad) - 12)  # offset and length are what the broker finds batches by
    bad[at] ^= flip
    found, _ = read(batch(0) + bad + batch(2 * SIZE))
    offsets = [record.offset for record in found]
    assert offsets[:SIZE] == list(range(SIZE))
    assert offsets[-SIZE:] == list(range(2 * SIZE, 3 * SIZE))
    assert offsets == sorted(offsets)


def garbled(fetched: bytearray, kind: int | None = None) -> bytearray:
    """With rubbish for records (of another codec, where one is named), under the length and checksum that fit."""
    head = DefaultRecordBatch
    fetched[head.HEADER_STRUCT.size :] = b"\xf5rubbish" * 20
    fetched[8:12] = (len(fetched) - head.AFTER_LEN_OFFSET).to_bytes(4, "big")
    if kind is not None:
        fetched[head.ATTRIBUTES_OFFSET + 1] = kind
    crc = calc_crc32c(memoryview(bytes(fetched))[head.ATTRIBUTES_OFFSET :])
    fetched[head.CRC_OFFSET : head.CRC_OFFSET + 4] = crc.to_bytes(4, "big")
    return fetched
