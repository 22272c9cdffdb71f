"""What a request asks for, read from its URL, headers and body as ClickHouse's HTTP interface does."""

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Final
from urllib.parse import parse_qsl

from services.clickhouse.config import Limits
from services.clickhouse.errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, REQUIRED_PASSWORD, QueryError
from services.clickhouse.place import Place
from services.clickhouse.users import User

# URL parameters that are no settings of the query.
_NO_SETTINGS: Final = frozenset(
    (
        "query", "user", "password", "database", "query_id", "quota_key", "default_format", "session_id",
        "session_timeout", "session_check", "close_session", "compress", "decompress", "stacktrace", "role",
        "buffer_size", "wait_end_of_query", "client_protocol_version",
    )
)  # fmt: skip
# Settings of the server's HTTP side: handled (or harmless to leave out) here, so they cost no SET.
_OURS: Final = frozenset(
    (
        "enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close", "http_wait_end_of_query",
        "http_response_buffer_size", "http_write_exception_in_output_format", "add_http_cors_header",
        "http_native_compression_disable_checksumming_on_decompress",
    )
)  # fmt: skip
_EXTERNAL: Final = ("_format", "_structure", "_types")
_MOST_FIELDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body."""

    place: Place
    query: bytes
    """The statement, or its beginning, from the URL."""
    params: Mapping[str, str]
    query_id: str
    default_format: str
    compress: bool
    """Whether the client takes a compressed answer."""
    protocol: int
    """client_protocol_version: which Native format the client reads; 0 where it does not say."""
    external: Mapping[str, str]
    """Formats and columns of tables sent along as files: NAME_format, NAME_structure, NAME_types."""
    close_session: bool = False


def parse_url_query(text: str) -> dict[str, str]:
    """Parameters of a URL; the last of equal names counts, bytes that are not UTF-8 survive as surrogates."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise QueryError(BAD_ARGUMENTS, f"Malformed URL parameters: {error}") from None


def credentials(headers: Message, url: Mapping[str, str]) -> tuple[str, str]:
    """User name and password: Basic authorisation, else X-ClickHouse-User and -Key, else the URL's user and password.

    Raises QueryError REQUIRED_PASSWORD where there are none or the header cannot be read.
    """
    authorization = headers.get("Authorization")
    if authorization:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "basic":
            raise QueryError(REQUIRED_PASSWORD, f"Authorization scheme {scheme!r} is not supported, use Basic")
        try:
            name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise QueryError(REQUIRED_PASSWORD, "Malformed Basic authorization header")
        return name, password
    if headers.get("X-ClickHouse-User") or headers.get("X-ClickHouse-Key"):
        return headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", "")
    if "user" in url or "password" in url:
        return url.get("user", "default"), url.get("password", "")
    raise QueryError(REQUIRED_PASSWORD, "default: Authentication failed: password is required")


def read_request(headers: Message, values: Mapping[str, str], user: User, files: frozenset[str]) -> Request:
    """A request from its parameters (of the URL and, where the body is a form, of that).

    `files` names the tables sent along. Raises QueryError for parameters that contradict each other or that this
    server does not know how to serve.
    """
    for name in ("compress", "decompress"):
        if values.get(name, "0") not in ("", "0", "false"):
            raise QueryError(
                NOT_IMPLEMENTED,
                f"{name}=1 (ClickHouse's own block compression) is not supported by the embedded server;"
                " use HTTP compression (gzip, zstd, lz4, deflate) or none",
            )
    for name, value in values.items():
        if name != "query" and not _is_text(name + value):
            raise QueryError(BAD_ARGUMENTS, "A parameter is not UTF-8 (only the query itself may be binary)")
    external = {name: value for name, value in values.items() if _external(name, files)}
    settings = {
        name: value
        for name, value in values.items()
        if name not in _NO_SETTINGS and name not in _OURS and name not in external and not name.startswith("param_")
    }
    return Request(
        place=Place(
            user=user,
            database=values.get("database") or headers.get("X-ClickHouse-Database") or None,
            settings=settings,
            session=values.get("session_id") or None,
            session_timeout_s=float(_number(values.get("session_timeout"), "session_timeout") or Limits().session_s),
            session_must_exist=values.get("session_check", "0") == "1",
        ),
        query=values.get("query", "").encode(errors="surrogateescape"),
        params={name.removeprefix("param_"): value for name, value in values.items() if name.startswith("param_")},
        query_id=values.get("query_id") or str(uuid.uuid4()),
        default_format=values.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        compress=values.get("enable_http_compression", "0") in ("1", "true"),
        protocol=_number(values.get("client_protocol_version"), "client_protocol_version"),
        external=external,
        close_session=values.get("close_session", "0") == "1",
    )


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in value)


def _external(name: str, files: frozenset[str]) -> bool:
    return any(name.endswith(ending) and name.removesuffix(ending) in files for ending in _EXTERNAL)


def _number(text: str | None, name: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise QueryError(BAD_ARGUMENTS, f"Invalid {name}: {text!r}")
    return int(text)
