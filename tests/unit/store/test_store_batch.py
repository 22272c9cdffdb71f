"""A batch knows its rows, its bounds and how far Kafka may be committed."""

from kafka import TopicPartition

from services.store.batch import MAX_BYTES, MAX_ROWS, Batch, Piece

P = TopicPartition("t", 3)


def test_an_empty_batch_has_nothing_to_flush() -> None:
    assert not Batch()


def test_a_record_without_rows_still_moves_the_offset() -> None:
    batch = Batch()
    batch.add("events", Piece("t-3-41", b"", 0))
    batch.passed(P, 41, 1000)
    assert batch
    assert batch.offsets == {P: 42}
    assert batch.tables == {}


def test_the_oldest_record_gives_the_delay() -> None:
    batch = Batch()
    for offset, appended_ms in enumerate((2000, 1000, 3000)):
        batch.passed(P, offset, appended_ms)
    assert batch.oldest_ms == 1000


def test_it_is_full_at_the_bounds() -> None:
    by_rows, by_size = Batch(), Batch()
    by_rows.add("outcomes", Piece("t-3-0", b"{}", MAX_ROWS))
    by_size.add("outcomes", Piece("t-3-0", b"x" * MAX_BYTES, 1))
    assert by_rows.full
    assert by_size.full
    assert not Batch().full


def test_lines_keep_the_origin_of_their_record() -> None:
    assert Piece("t-3-7", b'{"a":1}\n\n{"a":2}\n', 2).lines() == [("t-3-7", b'{"a":1}'), ("t-3-7", b'{"a":2}')]
