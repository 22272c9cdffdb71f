"""CloudEvents 1.0 as contract events: id, type, time and subject name the event, its data holds the rest."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from schemas.errors import EventRejected
from schemas.event import Event

# What may stand beside `data` in a contract event; anything else in a CloudEvent's data belongs into it.
_FIELDS = frozenset(Event.__struct_fields__)
_ENVELOPE = {"id": "event_id", "type": "type", "time": "occurred_at", "subject": "case_id"}


def to_event(raw: bytes) -> bytes:
    """The contract event of one structured CloudEvent, as one line of JSON.

    Fields of contract v1 inside `data` (channel, team, agent_id, ...) become the event's; `data.data` and all unknown
    fields become the event's `data`. The envelope wins where both name something. Raises `EventRejected`.
    """
    try:
        envelope = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise EventRejected(f"not a JSON object: {error}") from None
    return _contract_event(envelope)


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether a request is a CloudEvent in binary mode: attributes in ce-* headers, the body its data."""
    return "ce-specversion" in headers


def from_headers(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """The structured form of a binary-mode CloudEvent whose data is the JSON `body`."""
    envelope: dict[str, Any] = {name[3:]: unquote(value) for name, value in headers if name.startswith("ce-")}
    envelope["data"] = msgspec.Raw(body)
    return msgspec.json.encode(envelope)


def _contract_event(envelope: dict[str, Any]) -> bytes:
    name = envelope.get("id")
    event_id = name if isinstance(name, str) else None
    if envelope.get("specversion") != "1.0":
        raise EventRejected("must be '1.0'", "specversion", event_id)
    if "data_base64" in envelope:
        raise EventRejected("not taken; send data as a JSON object", "data_base64", event_id)
    said = envelope.get("data")
    if said is None:
        said = {}
    if not isinstance(said, dict):
        raise EventRejected("must be a JSON object", "data", event_id)
    event = {field: value for field, value in said.items() if field in _FIELDS and field != "data"}
    rest = {field: value for field, value in said.items() if field not in _FIELDS}
    inner = said.get("data")
    if isinstance(inner, dict):
        rest |= inner
    elif inner is not None:
        raise EventRejected("must be a JSON object", "data.data", event_id)
    for attribute, field in _ENVELOPE.items():
        if envelope.get(attribute) is not None:
            event[field] = envelope[attribute]
    if rest:
        event["data"] = rest
    return msgspec.json.encode(event)
