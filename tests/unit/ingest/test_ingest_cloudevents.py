"""CloudEvents become contract events: envelope to fields, data to the rest, nothing added."""

import json
from typing import Any

import pytest

from schemas.errors import EventRejected
from schemas.event import decode_event
from services.ingest import cloudevents

ENVELOPE = {
    "specversion": "1.0",
    "id": "ce-1",
    "source": "/ivr/7",
    "type": "contact.opened",
    "time": "2026-01-31T09:00:00Z",
    "subject": "case-1",
}


def mapped(**fields: Any) -> Any:
    envelope = {name: value for name, value in {**ENVELOPE, **fields}.items() if value is not None}
    return json.loads(cloudevents.to_event(json.dumps(envelope).encode()))


def test_the_envelope_names_the_event_and_data_holds_the_rest() -> None:
    said = {"channel": "phone", "team": "north", "data": {"complaint": True}}
    event = mapped(data=said)
    assert event == {
        "event_id": "ce-1",
        "type": "contact.opened",
        "occurred_at": "2026-01-31T09:00:00Z",
        "case_id": "case-1",
        **said,
    }
    decode_event(json.dumps(event).encode())


def test_what_is_no_field_of_the_contract_belongs_to_the_events_data() -> None:
    assert mapped(data={"channel": "phone", "complaint": True})["data"] == {"complaint": True}


def test_without_subject_and_time_the_data_may_name_case_and_instant() -> None:
    event = mapped(subject=None, time=None, data={"case_id": "c9", "occurred_at": "2026-01-31T10:00:00Z"})
    assert (event["case_id"], event["occurred_at"]) == ("c9", "2026-01-31T10:00:00Z")


def test_the_envelope_wins() -> None:
    assert mapped(data={"case_id": "c9", "event_id": "x", "type": "y"})["case_id"] == "case-1"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"data": [1]}, "data"),
        ({"data": {"data": 1}}, "data.data"),
        ({"data_base64": "e30="}, "data_base64"),
    ],
)
def test_what_cannot_be_mapped_is_refused_by_field_and_id(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(EventRejected) as caught:
        mapped(**fields)
    assert (caught.value.field, caught.value.event_id) == (field, "ce-1")


def test_binary_mode_reads_the_headers() -> None:
    headers = {f"ce-{name}": value for name, value in ENVELOPE.items()} | {"ce-subject": "%E6%A1%88-1"}
    assert cloudevents.is_binary(headers)
    raw = cloudevents.to_event(cloudevents.from_headers(headers.items(), b'{"channel":"phone"}'))
    assert decode_event(raw).case_id == "案-1"
