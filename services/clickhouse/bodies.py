"""Bodies: read off the wire (by length or in chunks), decompressed within a bound, and answers compressed."""

from collections.abc import Iterator
from io import BufferedIOBase
from typing import Final

from services.clickhouse.compression import PREFERRED, Decoder, compress, decoding_errors, new_decoder
from services.clickhouse.errors import BAD_ARGUMENTS, CANNOT_DECOMPRESS, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, QueryError

_READ_BYTES: Final = 1 << 20
_WORTH_COMPRESSING: Final = 1024


def raw_chunks(stream: BufferedIOBase, length: str | None, transfer: str) -> Iterator[bytes]:
    """The bytes of a request body as they come.

    Raises EOFError where the client went away before the end, QueryError where the framing is wrong.
    """
    if transfer.lower() == "chunked":
        while size := _chunk_size(stream):
            yield from _exactly(stream, size)
            if _line(stream) != b"":
                raise QueryError(BAD_ARGUMENTS, "Malformed chunked request body")
        while _line(stream) != b"":
            continue
    elif transfer and transfer.lower() != "identity":
        raise QueryError(NOT_IMPLEMENTED, f"Transfer-Encoding {transfer} is not supported")
    elif length:
        if not length.isdecimal():
            raise QueryError(BAD_ARGUMENTS, "Malformed Content-Length")
        yield from _exactly(stream, int(length))


def _chunk_size(stream: BufferedIOBase) -> int:
    digits = _line(stream).partition(b";")[0].strip()
    try:
        size = int(digits, 16)
    except ValueError:
        size = -1
    if size < 0:
        raise QueryError(BAD_ARGUMENTS, "Malformed chunked request body")
    return size


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(8192)
    if not line.endswith(b"\n"):
        raise EOFError
    return line.rstrip(b"\r\n")


def _exactly(stream: BufferedIOBase, size: int) -> Iterator[bytes]:
    while size:
        chunk = stream.read(min(size, _READ_BYTES))
        if not chunk:
            raise EOFError
        size -= len(chunk)
        yield chunk


def decoded(chunks: Iterator[bytes], encoding: str, limit: int) -> list[bytes]:
    """A request body without its Content-Encoding, at most `limit` bytes of it.

    Compressed bodies may consist of several frames or members one after the other, as clickhouse-connect sends them
    (one a block). Raises QueryError QUERY_IS_TOO_LARGE beyond the limit, CANNOT_DECOMPRESS for damaged data.
    """
    encoding = encoding.strip().lower()
    parts: list[bytes] = []
    size = 0
    # Gathered into pieces of a MiB, however small they came, so that the first holds the head of any statement.
    gathered = bytearray()
    for part in chunks if encoding in ("", "identity") else _decompressed(chunks, encoding):
        size += len(part)
        if size > limit:
            raise QueryError(QUERY_IS_TOO_LARGE, f"Request body is larger than {limit} bytes")
        if not gathered and len(part) >= _READ_BYTES:
            parts.append(part)
            continue
        gathered += part
        if len(gathered) >= _READ_BYTES:
            parts.append(bytes(gathered))
            gathered.clear()
    return [*parts, bytes(gathered)] if gathered else parts


def _decompressed(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder: Decoder | None = None
    for chunk in chunks:
        data = chunk
        while data:
            decoder = decoder or new_decoder(encoding)
            try:
                yield decoder.decompress(data, _READ_BYTES)
                while not (decoder.eof or decoder.needs_input):
                    yield decoder.decompress(b"", _READ_BYTES)
            except decoding_errors() as error:
                raise QueryError(CANNOT_DECOMPRESS, f"Cannot decompress the {encoding} request body: {error}") from None
            data = b""
            if decoder.eof:
                data, decoder = decoder.unused_data or b"", None
    if decoder is not None:
        raise QueryError(CANNOT_DECOMPRESS, f"Cannot decompress the request body: its {encoding} data end too early")


def encoded(data: memoryview | bytes, accepted: str) -> tuple[memoryview | bytes, str | None]:
    """An answer's body in the best encoding of an Accept-Encoding header, and that encoding's name."""
    if len(data) < _WORTH_COMPRESSING:
        return data, None
    offered = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    for name in PREFERRED:
        if name in offered:
            return compress(data, name), name
    return data, None
