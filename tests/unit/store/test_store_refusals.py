"""A bad row is found among its neighbours; too many bad rows stop the store."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaError, NotEnoughReplicasError

from schemas.errors import PartitionHalted
from schemas.settings import Settings
from services.provision import DEAD_HEADROOM_BYTES
from services.store import refusals
from services.store.clickhouse import RowsRefused
from services.store.refusals import Refused, insert_around, refused_limit


class Table:
    """Takes blocks without the line b"bad", like ClickHouse: all of a block or nothing."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.tries = 0

    def insert(self, block: bytes) -> None:
        self.tries += 1
        lines = block.split(b"\n")
        if b"bad" in lines:
            raise RowsRefused("cannot parse")
        self.rows += lines


@given(st.lists(st.sampled_from([b"a", b"b", b"bad"]), min_size=1, max_size=60))
def test_every_good_row_arrives_once_and_every_bad_one_is_returned(rows: list[bytes]) -> None:
    table = Table()
    lines = [(f"topic-0-{n}", row) for n, row in enumerate(rows)]
    refused = insert_around(lines, table.insert, limit=100)
    assert sorted(table.rows) == sorted(row for row in rows if row != b"bad")
    assert [letter.origin for letter in refused] == [origin for origin, row in lines if row == b"bad"]
    assert {letter.reason for letter in refused} <= {"cannot parse"}


def test_one_bad_row_of_many_costs_few_inserts() -> None:
    table = Table()
    lines = [("topic-0-0", b"bad" if n == 777 else b"a") for n in range(10_000)]
    insert_around(lines, table.insert, limit=1)
    assert table.tries < 2 * 14 + 2


def test_more_bad_rows_than_the_limit_halt_and_say_why() -> None:
    lines = [("topic-3-17", b"bad")] * 12
    with pytest.raises(PartitionHalted, match=r"more than 10 of 12 rows, last topic-3-17: cannot parse"):
        insert_around(lines, Table().insert, limit=10)


@pytest.mark.parametrize(("rows", "limit"), [(1, 100), (1000, 100), (50_000, 5_000)])
def test_a_tenth_may_be_bad_but_never_fewer_than_a_hundred(rows: int, limit: int) -> None:
    assert refused_limit(rows) == limit


def test_a_letter_is_written_once_the_brokers_have_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[bytes] = []

    class Future:
        def __init__(self, row: bytes) -> None:
            self._row = row

        def get(self, timeout: float) -> None:
            assert timeout > 0
            waited.append(self._row)
            if self._row == b"lost":
                raise NotEnoughReplicasError

    class Producer:
        def __init__(self, **options: Any) -> None:
            assert options["acks"] == "all"

        def send(self, _topic: str, row: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> Future:
            assert key == b"t-0-7" and sum(len(value) for _, value in headers) < DEAD_HEADROOM_BYTES
            return Future(row)

    monkeypatch.setattr(refusals, "KafkaProducer", Producer)
    dead = refusals.DeadLetters(Settings())
    reason = "a key of megabytes: " + "x" * 2_000_000
    dead.send([Refused("t-0-7", row, reason) for row in (b"a", b"b")])
    assert waited == [b"a", b"b"]
    with pytest.raises(KafkaError):
        dead.send([Refused("t-0-7", row, reason) for row in (b"c", b"lost")])
