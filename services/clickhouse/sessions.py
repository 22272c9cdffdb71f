"""HTTP sessions: what a client keeps between its requests (SET, USE, temporary tables), each in its own connection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.clickhouse.config import Limits
from services.clickhouse.connection import EngineConnection
from services.clickhouse.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, TOO_MANY_QUERIES, QueryError
from services.clickhouse.place import Place
from services.clickhouse.users import User


@dataclass(slots=True)
class _Session:
    connection: EngineConnection
    database: str = "default"
    expires: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def try_lock(self) -> bool:
        return self.lock.acquire(blocking=False)


class Sessions:
    """Sessions by user and id. One request at a time may use one; idle ones end after their time."""

    def __init__(
        self, connect: Callable[[User], EngineConnection], limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], _Session] = {}

    @contextmanager
    def lend(self, place: Place) -> Iterator[EngineConnection]:
        """The connection of the session that `place` names, prepared for it; made where it is new.

        Raises QueryError SESSION_IS_LOCKED while another request uses it, SESSION_NOT_FOUND where it must exist and
        does not, TOO_MANY_SIMULTANEOUS_QUERIES where there are too many.
        """
        session = self._take(place)
        connection = session.connection
        try:
            connection.prepare(place.database or session.database, place.settings)
            yield connection
            if connection.has_state and place.database is None:
                session.database = connection.database_after_use()
        finally:
            session.expires = self._clock() + min(place.session_timeout_s, self._limits.session_max_s)
            session.lock.release()

    def expire(self) -> None:
        """Close the sessions whose time is over."""
        with self._lock:
            now = self._clock()
            # One that is in use has its expiry set anew when it is given back.
            over = [key for key, session in self._open.items() if session.expires <= now and session.try_lock()]
            ended = [self._open.pop(key) for key in over]
        for session in ended:
            session.connection.close()

    def close(self) -> None:
        """Close every session that is not in use."""
        with self._lock:
            idle = [session for session in self._open.values() if session.try_lock()]
            self._open.clear()
        for session in idle:
            session.connection.close()

    def _take(self, place: Place) -> _Session:
        assert place.session is not None
        key = (place.user.name, place.session)
        with self._lock:
            session = self._open.get(key)
            if session is None:
                if place.session_must_exist:
                    raise QueryError(SESSION_NOT_FOUND, f"Session {place.session} not found")
                if len(self._open) >= self._limits.sessions:
                    raise QueryError(TOO_MANY_QUERIES, f"Too many sessions: {self._limits.sessions}")
                session = self._open[key] = _Session(self._connect(place.user))
            if not session.try_lock():
                raise QueryError(SESSION_IS_LOCKED, f"Session {place.session} is locked by a concurrent client")
            return session

    def end(self, place: Place) -> None:
        """Close the session that `place` names now (close_session=1), unless another request uses it."""
        with self._lock:
            session = self._open.get((place.user.name, place.session or ""))
            if session is None or not session.try_lock():
                return
            del self._open[place.user.name, place.session or ""]
        session.connection.close()
