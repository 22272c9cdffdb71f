"""Errors in ClickHouse's own words and codes, and the HTTP status that belongs to each code.

Clients show the text and act on the code, so both follow the server's: `Code: N. DB::Exception: text. (NAME)`.
"""

import re
from typing import Final

SYNTAX_ERROR: Final = 62
UNSUPPORTED_METHOD: Final = 1
BAD_ARGUMENTS: Final = 36
NOT_IMPLEMENTED: Final = 48
READONLY: Final = 164
REQUIRED_PASSWORD: Final = 194
TOO_MANY_QUERIES: Final = 202
QUERY_IS_TOO_LARGE: Final = 229
INTO_OUTFILE_NOT_ALLOWED: Final = 358
SESSION_NOT_FOUND: Final = 372
SESSION_IS_LOCKED: Final = 373
CANNOT_DECOMPRESS: Final = 271
ACCESS_DENIED: Final = 497
AUTHENTICATION_FAILED: Final = 516
UNKNOWN_EXCEPTION: Final = 1002
ABORTED: Final = 236
QUERY_WAS_CANCELLED: Final = 394
NOT_ENOUGH_SPACE: Final = 243

_NAMES: Final = {
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNSUPPORTED_METHOD: "UNSUPPORTED_METHOD",
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    READONLY: "READONLY",
    REQUIRED_PASSWORD: "REQUIRED_PASSWORD",
    TOO_MANY_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    INTO_OUTFILE_NOT_ALLOWED: "INTO_OUTFILE_NOT_ALLOWED",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
    ABORTED: "ABORTED",
    QUERY_WAS_CANCELLED: "QUERY_WAS_CANCELLED",
    NOT_ENOUGH_SPACE: "NOT_ENOUGH_SPACE",
}

# As the server maps them (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); every other code is a 500.
_STATUS: Final = {
    **dict.fromkeys((REQUIRED_PASSWORD,), 401),
    **dict.fromkeys((192, 193, ACCESS_DENIED, AUTHENTICATION_FAILED, 512), 403),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
        400,
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511), 404),
    QUERY_IS_TOO_LARGE: 413,
    NOT_IMPLEMENTED: 501,
    209: 503,
    76: 503,
    381: 411,
    159: 408,
    439: 503,
    779: 415,
    ABORTED: 503,
}

_PREFIX = re.compile(r"Code: (\d+)\. (?:DB::\w+: )?")
_VERSION = re.compile(r" \(version [^()]*(?:\([^()]*\))?\)")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")


class QueryError(Exception):
    """A request that ends in a ClickHouse exception: its `code`, and its text without code and name."""

    def __init__(self, code: int, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name or _NAMES.get(code, "")

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return _STATUS.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """The answer's body, as a server of `version` words it."""
        name = f" ({self.name})" if self.name else ""
        end = "" if self.message.endswith((".", "!", "?")) else "."
        return f"Code: {self.code}. DB::Exception: {self.message}{end}{name} (version {version})\n".encode()


def from_engine(text: str) -> QueryError:
    """The engine's exception text as an error.

    The engine wraps an exception once for every layer it crosses (`Code: 73. DB::Exception: Code: 73. ...`): the
    repeated prefixes and trailing names are taken off.
    """
    match = _PREFIX.search(text)
    if match is None:
        return QueryError(UNKNOWN_EXCEPTION, text.strip() or "the engine failed without a message")
    code = int(match.group(1))
    message = text[match.end() :]
    while (repeated := _PREFIX.match(message)) is not None and int(repeated.group(1)) == code:
        message = message[repeated.end() :]
    message = _VERSION.sub("", message).strip()
    names = _NAME.findall(message)
    name = names[-1] if names and message.rstrip(". ").endswith(f"({names[-1]})") else None
    while name is not None and message.rstrip(". ").endswith(f"({name})"):
        message = message.rstrip(". ").removesuffix(f"({name})").rstrip()
    return QueryError(code, message, name)
