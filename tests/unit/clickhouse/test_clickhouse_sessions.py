"""Sessions: whose they are, how long they live, and that they are closed."""

from collections.abc import Mapping
from typing import cast

import pytest

from services.clickhouse.config import Limits
from services.clickhouse.connection import EngineConnection
from services.clickhouse.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, TOO_MANY_QUERIES, QueryError
from services.clickhouse.place import Place
from services.clickhouse.sessions import Sessions
from services.clickhouse.users import User

FULL, READER = User("default", read_only=False), User("grafana", read_only=True)


class Connection:
    """Stands for an engine connection: remembers whether it is open and what it was prepared for."""

    has_state = False

    def __init__(self) -> None:
        self.open = True
        self.database: str | None = None

    def prepare(self, database: str | None, settings: Mapping[str, str]) -> None:
        self.database = database

    def close(self) -> None:
        assert self.open
        self.open = False


class Bench:
    """Sessions with a clock that the test moves."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 0.0
        self.made: list[Connection] = []
        self.sessions = Sessions(self._make, limits or Limits(), clock=lambda: self.now)

    def _make(self, user: User) -> EngineConnection:
        self.made.append(Connection())
        return cast(EngineConnection, self.made[-1])

    def use(self, place: Place) -> object:
        with self.sessions.lend(place) as connection:
            return connection


def test_a_session_is_one_users_and_keeps_its_connection() -> None:
    bench = Bench()
    first = bench.use(Place(FULL, session="s"))
    assert bench.use(Place(FULL, session="s")) is first
    assert bench.use(Place(READER, session="s")) is not first
    assert bench.use(Place(FULL, session="other")) is not first


def test_an_idle_session_ends_after_its_own_time() -> None:
    bench = Bench()
    bench.use(Place(FULL, session="short", session_timeout_s=10))
    bench.use(Place(FULL, session="long", session_timeout_s=1e9))
    bench.now = 9.9
    bench.sessions.expire()
    assert [connection.open for connection in bench.made] == [True, True]
    bench.now = 10
    bench.sessions.expire()
    assert [connection.open for connection in bench.made] == [False, True]
    bench.now = Limits().session_max_s
    bench.sessions.expire()
    assert [connection.open for connection in bench.made] == [False, False]


def test_a_session_in_use_neither_ends_nor_serves_another_request() -> None:
    bench = Bench()
    place = Place(FULL, session="s", session_timeout_s=1)
    bench.use(place)
    with bench.sessions.lend(place):
        bench.now = 100
        bench.sessions.expire()
        bench.sessions.end(place)
        with pytest.raises(QueryError) as raised:
            bench.use(place)
        assert raised.value.code == SESSION_IS_LOCKED
    assert bench.made[0].open
    bench.sessions.end(place)
    assert not bench.made[0].open


def test_a_session_that_must_exist_is_not_made_and_there_are_not_too_many() -> None:
    bench = Bench(Limits(sessions=1))
    with pytest.raises(QueryError) as raised:
        bench.use(Place(FULL, session="s", session_must_exist=True))
    assert raised.value.code == SESSION_NOT_FOUND
    bench.use(Place(FULL, session="s"))
    with pytest.raises(QueryError) as raised:
        bench.use(Place(FULL, session="t"))
    assert raised.value.code == TOO_MANY_QUERIES


def test_closing_closes_them_all() -> None:
    bench = Bench()
    for name in "abc":
        bench.use(Place(FULL, session=name))
    bench.sessions.close()
    assert not any(connection.open for connection in bench.made)
