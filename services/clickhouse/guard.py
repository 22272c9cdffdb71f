"""What a user may run, judged by the engine's own parser before anything runs.

The read-only user is held in three ways, so that no single one has to be perfect: the engine says the statement only
reads; the connection carries the reader role (no grant to write, nor to reach files, URLs or other servers) and the
setting readonly = 2; and two functions the engine offers as an embedded library without any grant are refused by name.
"""

from enum import Enum, auto
from typing import Final

from services.clickhouse.connection import EngineConnection
from services.clickhouse.errors import (
    ACCESS_DENIED,
    INTO_OUTFILE_NOT_ALLOWED,
    READONLY,
    SYNTAX_ERROR,
    QueryError,
)
from services.clickhouse.sql import first_word, words_outside_strings
from services.clickhouse.users import User

_READS: Final = frozenset(("SELECT", "WITH", "SHOW", "DESC", "DESCRIBE", "EXISTS", "EXPLAIN", "FROM", "("))
# file('/etc/passwd') reads any file, Python(name) any table of this process; as an embedded library the engine asks no
# grant for either.
_UNGUARDED: Final = frozenset(("file", "python"))


class Kind(Enum):
    """What a statement does."""

    READS = auto()
    WRITES = auto()
    LEAVES_STATE = auto()
    """It may leave something behind in the connection: SET, USE, a temporary table."""


def check(connection: EngineConnection, statement: bytes, user: User, *, may_write: bool) -> Kind:
    """What `statement` does; raises QueryError unless `user` may run it.

    `may_write` is False for a GET request, which never changes anything, whoever asks.
    """
    writer = may_write and not user.read_only
    word = first_word(statement)
    if word == "INSERT":
        if not writer:
            raise _read_only(user)
        # Not parsed here: its inline data may be long, and the engine parses it anyway.
        return Kind.WRITES
    kind, count = connection.classify(statement)
    if count > 1:
        raise QueryError(SYNTAX_ERROR, "Multi-statements are not allowed")
    if kind == "CONTROL" and word in _READS:
        raise QueryError(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
    if kind == "READ_ONLY" and (word in _READS or writer):
        if user.read_only:
            _refuse_unguarded(connection, statement, user)
        return Kind.READS
    if not writer:
        if kind == "UNKNOWN":
            # The engine's formatter says what is wrong with the text; nothing of it runs.
            _format(connection, statement)
        raise _read_only(user)
    return Kind.LEAVES_STATE if kind == "CONTROL" else Kind.WRITES


def _read_only(user: User) -> QueryError:
    return QueryError(READONLY, f"{user.name}: Cannot execute query in readonly mode")


def _refuse_unguarded(connection: EngineConnection, statement: bytes, user: User) -> None:
    forbidden = words_outside_strings(_format(connection, statement)) & _UNGUARDED
    if forbidden:
        raise QueryError(ACCESS_DENIED, f"{user.name}: Not enough privileges to use {min(forbidden)}()")


def _format(connection: EngineConnection, statement: bytes) -> str:
    text = statement.decode(errors="replace")
    result = connection.query(b"SELECT formatQuery({statement:String})", "TSVRaw", {"statement": _escaped(text)})
    return bytes(result.data).decode(errors="replace")


def _escaped(text: str) -> str:
    # Parameters travel in the escaped form of a TSV field.
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
