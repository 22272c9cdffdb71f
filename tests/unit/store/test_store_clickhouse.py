"""What ClickHouse answers to an insert: a row at fault, a full disk, or trouble that passes."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, Error, OperationalError

from schemas.settings import Settings
from services.store import clickhouse as module
from services.store.clickhouse import ClickHouseAway, DiskFull, RowsRefused, Tables


def insert(monkeypatch: pytest.MonkeyPatch, answer: Error) -> None:
    """Insert into a ClickHouse that answers so."""

    class Client:
        def raw_insert(self, *_: object, **__: object) -> None:
            raise answer

    monkeypatch.setattr(module, "connect", lambda _settings: Client())
    Tables(Settings()).insert("events", b"{}")


@pytest.mark.parametrize("code", [27, 38, 117, 469])
def test_a_row_at_fault_is_refused(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(RowsRefused):
        insert(monkeypatch, DatabaseError("Cannot parse input", code=code))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (None, "no answer"),
        (159, "TIMEOUT_EXCEEDED"),
        (164, "READONLY"),
        (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
        (241, "MEMORY_LIMIT_EXCEEDED"),
        (242, "TABLE_IS_READ_ONLY"),
        (252, "TOO_MANY_PARTS"),
        (319, "UNKNOWN_STATUS_OF_INSERT"),
        (516, "AUTHENTICATION_FAILED"),
        (999, "KEEPER_EXCEPTION"),
    ],
)
def test_trouble_of_the_server_refuses_no_row(monkeypatch: pytest.MonkeyPatch, code: int | None, name: str) -> None:
    with pytest.raises(ClickHouseAway) as caught:
        insert(monkeypatch, OperationalError(name, code=code))
    assert not isinstance(caught.value, DiskFull)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (243, "Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)"),
        (75, "Cannot write to file descriptor: errno: 28, strerror: No space left on device"),
        (None, "std::exception: filesystem error: in create_directories: No space left on device"),
    ],
)
def test_a_full_disk_is_told_from_other_trouble(monkeypatch: pytest.MonkeyPatch, code: int | None, text: str) -> None:
    with pytest.raises(DiskFull, match=r"space"):
        insert(monkeypatch, DatabaseError(text, code=code))


def test_a_bad_row_that_speaks_of_a_full_disk_is_a_bad_row(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RowsRefused):
        insert(monkeypatch, DatabaseError('Cannot parse "No space left on device" as DateTime64', code=41))
