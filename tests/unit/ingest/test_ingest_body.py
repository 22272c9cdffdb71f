"""Bodies: whatever way the same events are sent, the same raw events come out; what cannot be read is refused."""

import gzip
import io
import itertools
import json
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import body
from services.web.problems import Problem

LIMIT = 5 * 1024 * 1024

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
objects = st.dictionaries(st.text(max_size=10), scalars | st.lists(scalars, max_size=3), max_size=5)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def problem(call: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        call()
    return caught.value


@given(
    events=st.lists(objects, min_size=1, max_size=20),
    packed=st.sampled_from(sorted(PACKERS)),
    media=st.sampled_from([body.JSON, body.NDJSON, body.CLOUDEVENTS_BATCH]),
    indent=st.sampled_from([None, 2]),
    ascii_only=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    bom=st.booleans(),
    cuts=st.lists(st.integers(0, 10_000), max_size=4),
)
def test_any_way_of_sending_gives_the_same_events(
    events: list[object], packed: str, media: str, indent: int | None, ascii_only: bool, line_end: str, bom: bool,
    cuts: list[int],
) -> None:  # fmt: skip
    if media == body.NDJSON:
        text = line_end.join(json.dumps(event, ensure_ascii=ascii_only) for event in events)
    else:
        text = json.dumps(events, ensure_ascii=ascii_only, indent=indent)
    plain = b"\xef\xbb\xbf" * bom + text.encode()
    edges = sorted({0, len(plain), *(cut for cut in cuts if cut < len(plain))})
    pieces = [plain[a:b] for a, b in itertools.pairwise(edges)]
    sent = b"".join(PACKERS[packed](piece) for piece in pieces)

    raws = body.split(body.unpack(sent, packed, LIMIT), media)

    assert [json.loads(raw) for raw in raws] == events
    assert not any(b"\n" in raw or b"\r" in raw for raw in raws)


def test_an_event_is_forwarded_as_it_was_written() -> None:
    line = b'{ "event_id" : "e1", "score":1.50e0, "name":"\\u00e9\xc3\xa9", "x":1, "x":2 }'
    assert body.split(b"[" + line + b"]", body.JSON) == [line]
    assert body.split(line, body.NDJSON) == [line]
    assert body.split(line, body.JSON) == [line]


def test_an_event_over_several_lines_becomes_one_line_with_the_same_tokens() -> None:
    assert body.split(b'\n{"a":\r\n 1.50e0,\n"a": "x y"}\n', body.JSON) == [b'{"a":1.50e0,"a":"x y"}']


def test_five_thousand_events_fit_and_one_more_does_not() -> None:
    assert len(body.split(b"{}\n" * 5000, body.NDJSON)) == 5000
    assert problem(lambda: body.split(b"{}\n" * 5001, body.NDJSON)).status == 413
    assert problem(lambda: body.split(b"[" + b"{}," * 5000 + b"{}]", body.JSON)).status == 413


@pytest.mark.parametrize("packed", sorted(PACKERS))
def test_a_body_of_exactly_the_limit_fits_and_one_byte_more_does_not(packed: str) -> None:
    assert len(body.unpack(PACKERS[packed](b" " * LIMIT), packed, LIMIT)) == LIMIT
    assert problem(lambda: body.unpack(PACKERS[packed](b" " * (LIMIT + 1)), packed, LIMIT)).status == 413


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_a_bomb_is_not_inflated(packed: str) -> None:
    if packed == "gzip":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    else:
        out = io.BytesIO()
        with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
            for _ in range(100):
                writer.write(bytes(2**20))
        bomb = out.getvalue()
    tracemalloc.start()
    try:
        assert problem(lambda: body.unpack(bomb, packed, LIMIT)).status == 413
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_the_events_of_all_packed_parts_are_read(packed: str) -> None:
    parts = [b"".join(b'{"n":%d}\n' % n for n in range(first, first + 10)) for first in range(0, 640, 10)]
    sent = b"".join(PACKERS[packed](part) for part in parts)
    raws = body.split(body.unpack(sent, packed, LIMIT), body.NDJSON)
    assert [json.loads(raw)["n"] for raw in raws] == list(range(640))


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_the_limit_holds_for_all_packed_parts_together(packed: str) -> None:
    part = bytes(LIMIT // 10)
    fits = PACKERS[packed](part) * 10
    assert body.unpack(fits, packed, LIMIT) == part * 10
    assert problem(lambda: body.unpack(fits + PACKERS[packed](b" "), packed, LIMIT)).status == 413
    # Each part alone is small enough; unpacked they are 32 times the limit.
    bomb = PACKERS[packed](bytes(LIMIT // 2)) * 64
    tracemalloc.start()
    try:
        assert problem(lambda: body.unpack(bomb, packed, LIMIT)).status == 413
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()


def test_many_packed_parts_in_a_row_are_refused_before_they_cost_anything() -> None:
    found = problem(lambda: body.unpack(gzip.compress(b"") * 100_000, "gzip", LIMIT))
    assert (found.status, "64 parts" in found.detail) == (400, True)


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b[:10], lambda b: b"{}" + b, lambda b: b + b"x"])
def test_broken_packing_is_refused(packed: str, damage: Callable[[bytes], bytes]) -> None:
    packed_body = PACKERS[packed](json.dumps(list(range(1000))).encode())
    found = problem(lambda: body.unpack(damage(packed_body), packed, LIMIT))
    assert found.status == 400
    assert packed in found.detail


def test_zstd_windows_beyond_what_http_allows_are_refused() -> None:
    params = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    out = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=params).stream_writer(out, closefd=False) as writer:
        writer.write(b"{}")
    assert problem(lambda: body.unpack(out.getvalue(), "zstd", LIMIT)).status == 400


@pytest.mark.parametrize(
    ("sent", "media", "position", "line"),
    [
        (b'[{"a":1},\n{"a":x}]', body.JSON, 15, 2),
        (b'[{"a":1},', body.JSON, 9, 1),
        (b'{"a":"\xff"}', body.NDJSON, 6, 1),
        (b'{"a":1}\n{"a":"\xff"}', body.NDJSON, 14, 2),
    ],
)
def test_what_is_not_json_is_refused_with_its_position(sent: bytes, media: str, position: int, line: int) -> None:
    found = problem(lambda: body.split(sent, media))
    assert (found.status, found.extra) == (400, {"position": position, "line": line})


@pytest.mark.parametrize("sent", [b"", b"  \n", b"17", b'"text"', b"null"])
def test_a_body_without_events_is_refused(sent: bytes) -> None:
    assert problem(lambda: body.split(sent, body.JSON)).status == 400


def test_deep_nesting_is_refused() -> None:
    assert problem(lambda: body.split(b"[" * 100_000 + b"]" * 100_000, body.JSON)).status == 400


def test_structured_mode_is_one_object_and_batch_mode_an_array() -> None:
    assert problem(lambda: body.split(b"[{}]", body.CLOUDEVENT)).status == 400
    assert problem(lambda: body.split(b"{}", body.CLOUDEVENTS_BATCH)).status == 400


@pytest.mark.parametrize("header", [None, "", "text/plain", "application/xml", "application/json; charset=gbk"])
def test_unknown_content_types_are_refused_with_those_taken(header: str | None) -> None:
    found = problem(lambda: body.media_type(header))
    assert (found.status, body.NDJSON in found.headers["Accept-Post"]) == (415, True)


def test_content_types_may_have_parameters_and_other_spellings() -> None:
    assert body.media_type('Application/JSON; charset="UTF-8"') == body.JSON
    assert body.media_type("application/jsonl") == body.NDJSON


@pytest.mark.parametrize("header", ["br", "deflate", "gzip, gzip"])
def test_unknown_encodings_are_refused_with_those_taken(header: str) -> None:
    found = problem(lambda: body.encoding(header))
    assert (found.status, found.headers["Accept-Encoding"]) == (415, "gzip, zstd")
