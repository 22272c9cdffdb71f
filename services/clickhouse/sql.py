"""Just enough reading of SQL to route a request. What a statement *is*, the engine's own parser says (see guard.py)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# One token; `skip` is white space and comments. A quoted name or string may hold anything, escaped by backslash or
# doubled quotes. Unterminated quotes fall through to `other`: the engine reports them.
_TOKEN: Final = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
    |(?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    |(?P<word>[A-Za-z_]\w*)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_FORMAT_AT_END: Final = re.compile(
    rb"\bFORMAT\s+(\w+)\s*(?:SETTINGS\s+\w+\s*=\s*[^;]*)?(?:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*$",
    re.IGNORECASE | re.DOTALL,
)
_TAIL_BYTES: Final = 1024
_CANONICAL: Final = re.compile(r"""'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\w+""", re.DOTALL)
_WORD: Final = re.compile(r"\w+")
_BEFORE_DATA: Final = re.compile(rb"[ \t\f]*\r?\n?")
_OPENING: Final = frozenset((b"(", b"[", b"{"))
_CLOSING: Final = frozenset((b")", b"]", b"}"))
_BEFORE_A_NAME: Final = frozenset((b"INTO", b"TABLE", b"FUNCTION", b"."))
_NO_DATA_IN_A_FORMAT: Final = frozenset((b"VALUES", b"SELECT", b"WITH", b"FROM"))


@dataclass(frozen=True, slots=True)
class Insert:
    """The head of an INSERT with data in a format: `statement` ends before FORMAT, the data start at byte `data`."""

    statement: bytes
    format: str
    data: int


def first_word(text: bytes) -> str:
    """The first keyword in upper case; "(" for a parenthesised statement, "" where there is none."""
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            return token.group().decode().upper()
        if token.lastgroup != "skip":
            return token.group().decode(errors="replace")[:1]
    return ""


def read_insert(text: bytes) -> Insert | None:
    """Find the data of `INSERT INTO ... FORMAT name <data>`; None for every other statement.

    Reads no further than FORMAT, VALUES or SELECT, so that data of any size and kind may follow.
    """
    tokens = _significant(text)
    first = next(tokens, None)
    if first is None or first.group().upper() != b"INSERT":
        return None
    depth = 0
    previous = b"INSERT"
    for token in tokens:
        word = token.group().upper()
        if word in _OPENING:
            depth += 1
        elif word in _CLOSING:
            depth -= 1
        # A table may be called `format` or `values`: names follow INTO, TABLE, FUNCTION or a dot.
        elif depth == 0 and previous not in _BEFORE_A_NAME:
            if word in _NO_DATA_IN_A_FORMAT:
                return None
            if word == b"FORMAT":
                name = next(tokens, None)
                return None if name is None else _insert(text[: token.start()], name)
        previous = word
    return None


def reading_from(statement: bytes, path: str, input_format: str) -> bytes:
    """The INSERT of `read_insert`, its data in a file: FROM INFILE stands before SETTINGS."""
    depth, at, previous = 0, len(statement), b""
    for token in _significant(statement):
        word = token.group().upper()
        depth += (word in _OPENING) - (word in _CLOSING)
        if word == b"SETTINGS" and depth == 0 and previous not in _BEFORE_A_NAME:
            at = token.start()
            break
        previous = word
    source = f" FROM INFILE {quote(path)} COMPRESSION 'none' ".encode()
    return statement[:at] + source + statement[at:] + f" FORMAT {input_format}".encode()


def _significant(text: bytes) -> Iterator[re.Match[bytes]]:
    return (token for token in _TOKEN.finditer(text) if token.lastgroup != "skip")


def _insert(statement: bytes, name: re.Match[bytes]) -> Insert:
    # As the server: blanks and one line end separate the format's name from the data.
    gap = _BEFORE_DATA.match(name.string, name.end())
    return Insert(statement, name.group().decode(errors="replace"), gap.end() if gap else name.end())


def output_format(text: bytes) -> str | None:
    """The name in a FORMAT clause that ends the statement, if it has one."""
    match = _FORMAT_AT_END.search(text[-_TAIL_BYTES:])
    return None if match is None else match.group(1).decode()


def without_format(text: bytes) -> bytes:
    """The statement without its closing FORMAT clause (and what follows it) and without closing semicolons."""
    tail = max(0, len(text) - _TAIL_BYTES)
    match = _FORMAT_AT_END.search(text[tail:])
    return (text if match is None else text[: tail + match.start()]).rstrip(b"; \t\r\n")


def words_outside_strings(canonical: str) -> set[str]:
    """Every word in lower case, outside string literals, of a statement that the engine's own formatter has written.

    Such a statement has no comments and one way of quoting, so nothing can hide from this reading; the words inside
    quoted names count.
    """
    return {
        word.lower()
        for token in _CANONICAL.finditer(canonical)
        if not token.group().startswith("'")
        for word in _WORD.findall(token.group())
    }


def quote(value: str) -> str:
    """`value` as a ClickHouse string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_name(name: str) -> str:
    """`name` as a ClickHouse identifier."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
