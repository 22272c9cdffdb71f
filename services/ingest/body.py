"""From the bytes of a request to the raw events in it: unpacking, checking, splitting. Pure.

Everything raised here is a `Problem` about the request as a whole; single events are judged later.
"""

import re
import sys
import zlib
from http import HTTPStatus
from typing import NoReturn, TypeVar

import msgspec

from services.ingest.limits import MAX_EVENTS
from services.web.problems import Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

JSON = "application/json"
NDJSON = "application/x-ndjson"
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS_BATCH = "application/cloudevents-batch+json"
CONTENT_TYPES = (JSON, NDJSON, CLOUDEVENT, CLOUDEVENTS_BATCH)

_ALIASES = {"application/ndjson": NDJSON, "application/jsonl": NDJSON, "application/x-jsonlines": NDJSON}
_ENCODINGS = ("gzip", "zstd")

# A body may be several packed parts in a row; real ones are a handful, and each costs a copy of the rest.
_MAX_PARTS = 64
# RFC 9659 allows windows up to 8 MiB in the zstd content encoding.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}

T = TypeVar("T")

_POSITION = re.compile(r" ?\((?:byte|char) (\d+)\)")


def media_type(header: str | None) -> str:
    """The content type, lower case, without parameters, aliases resolved. 415 where the door does not take it."""
    name, *parameters = (part.strip().lower() for part in (header or "").split(";"))
    name = _ALIASES.get(name, name)
    charset = next(
        (value.partition("=")[2].strip('"') for value in parameters if value.startswith("charset=")), "utf-8"
    )
    if name not in CONTENT_TYPES or charset not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type {header!r} is not taken; send one of {', '.join(CONTENT_TYPES)}, in UTF-8",
            headers={"Accept-Post": ", ".join(CONTENT_TYPES)},
        )
    return name


def encoding(header: str | None) -> str:
    """The content encoding: "", gzip or zstd. 415 for any other."""
    name = (header or "").strip().lower()
    if name in ("", "identity"):
        return ""
    if name == "x-gzip":
        return "gzip"
    if name not in _ENCODINGS:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding {header!r} is not taken; send gzip, zstd or none",
            headers={"Accept-Encoding": ", ".join(_ENCODINGS)},
        )
    return name


def unpack(body: bytes, packed: str, limit: int) -> bytes:
    """The body without its content encoding, at most `limit` bytes; never unpacks more than that.

    Raises `Problem`: 413 beyond the limit, 400 where the packing is broken or ends early.
    """
    if not packed:
        return body if len(body) <= limit else refuse_size(limit)
    parts: list[bytes] = []
    room, rest, count = limit, body, 0
    while rest:
        count += 1
        if count > _MAX_PARTS:
            raise Problem(HTTPStatus.BAD_REQUEST, f"the {packed} body is made of more than {_MAX_PARTS} parts")
        at = len(body) - len(rest)
        part, rest = _unpack_one(rest, packed, room, at, limit)
        parts.append(part)
        room -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unpack_one(data: bytes, packed: str, room: int, at: int, limit: int) -> tuple[bytes, bytes]:
    unpacker = zlib.decompressobj(wbits=31) if packed == "gzip" else zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
    try:
        # One byte more than there is room for tells "fits exactly" from "too large"; nothing beyond it is inflated.
        out = unpacker.decompress(data, room + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the {packed} body is broken: {error}", position=at) from None
    if len(out) > room:
        refuse_size(limit)
    if not unpacker.eof:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the {packed} body ends before its end", position=at + len(data))
    # gzip files may be padded with zeros.
    return out, unpacker.unused_data.lstrip(b"\0") if packed == "gzip" else unpacker.unused_data


def refuse_size(limit: int) -> NoReturn:
    """Raises the `Problem` (413) of a body over `limit` bytes."""
    raise Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a body may have up to {limit:,} bytes, unpacked too; send the events in several requests",
        limit_bytes=limit,
    )


def split(body: bytes, media: str) -> list[bytes]:
    """The raw JSON texts of the events in an unpacked body, in order, none of them with a line break in it.

    Raises `Problem`: 400 where the body is not readable at all (with the position of the first fault), 413 for too
    many events. A broken line among NDJSON lines stays in the list: it is refused alone.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    _check_utf8(body)
    if media == NDJSON:
        raws = [line for line in body.replace(b"\r", b"\n").split(b"\n") if line and not line.isspace()]
        if not raws:
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is empty", position=0)
        _check_count(len(raws))
        return raws
    first = body.lstrip()[:1]
    if not first:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is empty", position=0)
    if first == b"[" and media != CLOUDEVENT:
        elements = _parse(body, list[msgspec.Raw])
        _check_count(len(elements))
        return [one_line(bytes(element)) for element in elements]
    if first == b"{" and media != CLOUDEVENTS_BATCH:
        _parse(body, msgspec.Raw)
        return [one_line(body.strip())]
    wanted = {CLOUDEVENT: "an object", CLOUDEVENTS_BATCH: "an array"}.get(media, "an event object or an array of them")
    _parse(body, msgspec.Raw)
    raise Problem(HTTPStatus.BAD_REQUEST, f"the body must be {wanted}", position=body.index(first))


def json_text(body: bytes) -> bytes:
    """A body that is one JSON text of any kind. Raises `Problem` (400) where it is not."""
    _check_utf8(body)
    _parse(body, msgspec.Raw)
    return body


def one_line(raw: bytes) -> bytes:
    """A valid JSON text without line breaks; as it is where it has none."""
    if b"\n" in raw or b"\r" in raw:
        return msgspec.json.format(raw, indent=-1)
    return raw


def unreadable(raw: bytes) -> Problem | None:
    """The problem with one text that is not JSON at all; None where it is JSON."""
    try:
        _parse(raw, msgspec.Raw)
    except Problem as problem:
        return problem
    return None


def _parse(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except RecursionError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is nested too deeply", position=0) from None
    except msgspec.DecodeError as error:
        text = str(error)
        found = _POSITION.search(text)
        # Without a position the text ended too early.
        position = int(found[1]) if found else len(body)
        line = body.count(b"\n", 0, position) + 1
        reason = _POSITION.sub("", text)
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"not JSON: {reason} (line {line}, byte {position})", position=position, line=line
        ) from None


def _check_utf8(body: bytes) -> None:
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"not UTF-8 (line {line}, byte {error.start})", position=error.start, line=line
        ) from None


def _check_count(count: int) -> None:
    if count > MAX_EVENTS:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{count:,} events are more than a request may hold ({MAX_EVENTS:,}); send them in several requests",
            limit_events=MAX_EVENTS,
        )
