"""Who may ask: the full user and the read-only user."""

import hmac
from dataclasses import dataclass

from services.clickhouse.errors import AUTHENTICATION_FAILED, QueryError

FULL_USER = "default"
READ_ONLY_USER = "grafana"


@dataclass(frozen=True, slots=True)
class User:
    """A user that gave the right password."""

    name: str
    read_only: bool


class Users:
    """The two users and their passwords."""

    def __init__(self, password: str, grafana_password: str) -> None:
        self._passwords = {FULL_USER: password.encode(), READ_ONLY_USER: grafana_password.encode()}

    def authenticate(self, name: str, password: str) -> User:
        """The user of that name; raises QueryError AUTHENTICATION_FAILED for an unknown name or a wrong password."""
        expected = self._passwords.get(name)
        # Compare in any case, so that the time taken does not tell which names exist.
        right = hmac.compare_digest(
            password.encode(errors="surrogateescape"), expected if expected is not None else b"\0"
        )
        if expected is None or not right:
            raise QueryError(
                AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name",
            )
        return User(name, read_only=name == READ_ONLY_USER)
