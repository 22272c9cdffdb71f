"""ClickHouse's Native format, where clients expect more of it than the embedded engine gives."""

import json
from dataclasses import replace
from typing import Final

from services.clickhouse.connection import Result
from services.clickhouse.native_types import column, varint

FLAGGED_PROTOCOL: Final = 54454
"""From this client_protocol_version on, clients read a block's info before it and a flag before each column's data.

clickhouse-go (Grafana's plugin) asks for it and cannot do without. Older revisions, of which clickhouse-connect names
one, may get blocks without info: that client notices and reads them faster.
"""

# Field 1, is_overflows: no; field 2, bucket_num: -1; end of fields.
_BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_USUAL_SERIALIZATION: Final = b"\x00"


def native_header(columns: Result, result: Result, *, described: bool) -> Result:
    """`result` (empty) with a block of no rows as data, as a server sends it.

    `columns` is a JSONCompact answer: of DESCRIBE (`described`: a row a column), or of the statement itself.
    """
    answer = json.loads(bytes(columns.data))
    if described:
        pairs = [(row[0], row[1]) for row in answer["data"]]
    else:
        pairs = [(entry["name"], entry["type"]) for entry in answer["meta"]]
    block = bytearray(_as_varint(len(pairs)) + _as_varint(0))
    for name, kind in pairs:
        for text in (name.encode(), kind.encode()):
            block += _as_varint(len(text)) + text
    return replace(result, data=bytes(block), owner=None)


def with_protocol(result: Result) -> Result:
    """`result` (Native as the engine gives it) as clients of FLAGGED_PROTOCOL read it.

    Raises QueryError NOT_IMPLEMENTED where a column's type is one we cannot step over (JSON, Dynamic, Variant,
    aggregate states).
    """
    buffer = memoryview(result.data)
    out = bytearray()
    at = 0
    while at < len(buffer):
        start = at
        columns, at = varint(buffer, at)
        rows, at = varint(buffer, at)
        out += _BLOCK_INFO
        out += buffer[start:at]
        for _ in range(columns):
            start = at
            length, at = varint(buffer, at)
            at += length
            length, at = varint(buffer, at)
            kind = bytes(buffer[at : at + length]).decode()
            at += length
            out += buffer[start:at]
            out += _USUAL_SERIALIZATION
            if rows:
                start = at
                shape = column(kind)
                at = shape.data(buffer, shape.prefix(at), rows)
                out += buffer[start:at]
    return replace(result, data=bytes(out), owner=None)


def _as_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
