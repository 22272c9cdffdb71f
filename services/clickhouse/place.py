"""Where a statement runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.clickhouse.users import User


@dataclass(frozen=True, slots=True)
class Place:
    """User, database and settings of a statement, and the client's session if it named one."""

    user: User
    database: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    session_timeout_s: float = 60.0
    session_must_exist: bool = False
