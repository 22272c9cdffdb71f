"""The compressions of HTTP bodies, behind one small interface."""

import sys
import zlib
from types import ModuleType
from typing import Final, Protocol

import lz4.frame

from services.clickhouse.errors import NOT_IMPLEMENTED, QueryError

PREFERRED: Final = ("lz4", "zstd", "gzip", "deflate")
"""For answers, the best first: on one machine speed counts more than size."""

_GZIP_BITS: Final = 16 + zlib.MAX_WBITS


class Decoder(Protocol):
    """Decompresses one frame or member, a bounded piece at a time (as lz4's and zstd's own objects do)."""

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""

    @property
    def needs_input(self) -> bool:
        """False while more output waits: call decompress(b"") for it."""

    @property
    def unused_data(self) -> bytes | None:
        """What followed the frame."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes of output."""


class _ZlibDecoder:
    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def new_decoder(encoding: str) -> Decoder:
    """A decoder for one frame of a Content-Encoding; raises QueryError NOT_IMPLEMENTED for one we do not know."""
    if encoding == "lz4":
        decoder: Decoder = lz4.frame.LZ4FrameDecompressor()
        return decoder
    if encoding == "zstd":
        return _zstd().ZstdDecompressor()  # type: ignore[no-any-return]
    if encoding in ("gzip", "x-gzip"):
        return _ZlibDecoder(_GZIP_BITS)
    if encoding == "deflate":
        return _ZlibDecoder(zlib.MAX_WBITS)
    raise QueryError(NOT_IMPLEMENTED, f"Content-Encoding {encoding} is not supported (lz4, zstd, gzip, deflate are)")


def decoding_errors() -> tuple[type[Exception], ...]:
    """What the decoders raise for damaged data."""
    return (RuntimeError, zlib.error, EOFError, _zstd().ZstdError)


def compress(data: memoryview | bytes, encoding: str) -> bytes:
    """`data` as one frame of an encoding of PREFERRED, at its fastest useful level."""
    if encoding == "lz4":
        return bytes(lz4.frame.compress(data))
    if encoding == "zstd":
        return _zstd().compress(data, level=1)  # type: ignore[no-any-return]
    encoder = zlib.compressobj(1, zlib.DEFLATED, _GZIP_BITS if encoding == "gzip" else zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


def _zstd() -> ModuleType:
    # In the standard library from 3.14 on, before that a backport of the same module (clickhouse-connect needs it too).
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
