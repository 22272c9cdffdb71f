"""Bodies in every framing and encoding, cut anywhere."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clickhouse.bodies import decoded, encoded, raw_chunks
from services.clickhouse.compression import PREFERRED, compress
from services.clickhouse.errors import CANNOT_DECOMPRESS, QUERY_IS_TOO_LARGE, QueryError

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: compress(data, "zstd"),
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "": bytes,
}


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@given(st.sampled_from(sorted(ENCODERS)), st.lists(st.binary(max_size=2000), max_size=5), st.integers(1, 500))
def test_frames_one_after_the_other_however_they_arrive(encoding: str, frames: list[bytes], size: int) -> None:
    body = b"".join(ENCODERS[encoding](frame) for frame in frames)
    assert b"".join(decoded(cut(body, size), encoding, 10_000)) == b"".join(frames)


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
def test_the_limit_holds_for_what_comes_out(encoding: str) -> None:
    body = ENCODERS[encoding](b"\0" * 50_000_000)
    with pytest.raises(QueryError) as raised:
        decoded(iter([body]), encoding, 49_999_999)
    assert raised.value.code == QUERY_IS_TOO_LARGE
    assert sum(map(len, decoded(iter([body]), encoding, 50_000_000))) == 50_000_000


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_damaged_and_cut_data_are_refused(encoding: str) -> None:
    body = ENCODERS[encoding](bytes(range(256)) * 50)
    for damaged in (body[:-1], body[: len(body) // 2], b"\xff" + body, body + b"rest"):
        with pytest.raises(QueryError) as raised:
            decoded(iter([damaged]), encoding, 1 << 20)
        assert raised.value.code == CANNOT_DECOMPRESS


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=10))
def test_chunked_framing(parts: list[bytes]) -> None:
    wire = b"".join(b"%x;note\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\nNEXT"
    stream = io.BytesIO(wire)
    assert b"".join(raw_chunks(stream, None, "chunked")) == b"".join(parts)
    assert stream.read() == b"NEXT"
    for end in range(0, len(wire) - len(b"NEXT"), 7):
        with pytest.raises(EOFError):
            list(raw_chunks(io.BytesIO(wire[:end]), None, "chunked"))


def test_a_body_by_length_that_ends_early_is_no_body() -> None:
    with pytest.raises(EOFError):
        list(raw_chunks(io.BytesIO(b"1234"), "5", ""))
    assert b"".join(raw_chunks(io.BytesIO(b"123456"), "5", "")) == b"12345"
    assert list(raw_chunks(io.BytesIO(b"x"), None, "")) == []


@pytest.mark.parametrize("name", PREFERRED)
def test_answers_in_the_encoding_a_client_takes(name: str) -> None:
    data = b"row\n" * 1000
    body, encoding = encoded(memoryview(data), f"br, {name};q=0.5")
    assert encoding == name
    assert b"".join(decoded(iter([bytes(body)]), name, 10_000)) == data
    assert encoded(b"small", name) == (b"small", None)
    assert encoded(data, "br") == (data, None)
