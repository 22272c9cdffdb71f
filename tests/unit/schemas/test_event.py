"""Decoding contract v1 events: what is taken, what is refused and how it is said."""

from typing import Any

import msgspec
import pytest

from schemas.errors import EventRejected
from schemas.event import EVENT_TYPES, decode_data, decode_event
from schemas.times import parse, text, to_ms

OPENED = {
    "event_id": "e1",
    "type": "contact.opened",
    "occurred_at": "2026-03-02T08:00:00Z",
    "case_id": "c1",
    "channel": "chat",
}
SURVEY = OPENED | {"type": "survey.submitted", "data": {"csat": 5}}
REQUIRED_DATA: dict[str, dict[str, Any]] = {
    "milestone.reached": {"name": "diagnosis"},
    "callback.promised": {"callback_id": "k", "due_at": "2026-03-02T09:00:00+08:00"},
    "callback.made": {"callback_id": "k"},
    "sentiment.scored": {"score": -0.5},
    "agent.state": {"state": "busy"},
}


def encoded(event: dict[str, Any]) -> bytes:
    return msgspec.json.encode(event)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_type_of_the_contract_is_taken(kind: str) -> None:
    event = decode_event(encoded(OPENED | {"type": kind, "data": REQUIRED_DATA.get(kind, {})}))
    assert event.type == kind


@pytest.mark.parametrize("kind", sorted(REQUIRED_DATA))
def test_types_that_say_nothing_without_data_require_it(kind: str) -> None:
    with pytest.raises(EventRejected, match=f"data: required for {kind}"):
        decode_event(encoded(OPENED | {"type": kind}))


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": {}}])
def test_other_types_do_not(data: dict[str, Any]) -> None:
    assert decode_event(encoded(OPENED | data)).case_id == "c1"


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at", "between 1970 and 2149"),
        ({"occurred_at": "9999-12-31T23:59:59.9999Z"}, "occurred_at", "between 1970 and 2149"),
        ({"occurred_at": "1969-12-31T23:59:59Z"}, "occurred_at", "between 1970 and 2149"),
        (
            {"type": "callback.promised", "data": {"callback_id": "k", "due_at": "9999-12-31T23:59:59-05:00"}},
            "data.due_at",
            "between 1970 and 2149",
        ),
        ({"type": "call.wrapped", "data": {"talk_s": 1e17}}, "data.talk_s", "<= 10000000"),
        ({"type": "call.wrapped", "data": {"talk_s": 1e308, "hold_s": 1e308}}, "data.talk_s", "<= 10000000"),
    ],
)
def test_what_no_clock_or_sum_could_hold_is_refused(fields: dict[str, object], field: str, reason: str) -> None:
    event = {"event_id": "e", "type": "contact.queued", "occurred_at": "2026-03-01T08:00:00Z", "case_id": "c"} | fields
    with pytest.raises(EventRejected) as refused:
        decode_event(msgspec.json.encode(event))
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_what_is_unknown_is_ignored() -> None:
    event = decode_event(encoded(SURVEY | {"mood": [1], "data": {"csat": 4, "why": {"deep": 1}}}))
    assert msgspec.structs.asdict(decode_data(event))["csat"] == 4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"event_id": None}, "event_id", "Expected `str`, got `null`"),
        ({"event_id": ""}, "event_id", "length >= 1"),
        ({"event_id": "x" * 129}, "event_id", "length <= 128"),
        ({"case_id": None}, "case_id", "required for contact.opened"),
        ({"channel": None}, "channel", "required for contact.opened"),
        ({"channel": "fax"}, "channel", "'fax'"),
        ({"type": "contact.exploded"}, "type", "'contact.exploded'"),
        ({"occurred_at": "2026-03-02T08:00:00"}, "occurred_at", "timezone"),
        ({"occurred_at": "yesterday"}, "occurred_at", "RFC3339"),
        ({"occurred_at": 1772438400}, "occurred_at", "Expected `datetime`"),
        ({"priority": "L4"}, "priority", "'L4'"),
        ({"team": 7}, "team", "Expected `str | null`, got `int`"),
        ({"data": {"complaint": "yes"}}, "data.complaint", "Expected `bool | null`, got `str`"),
        ({"data": []}, "data", "Expected `object`, got `array`"),
        (SURVEY | {"data": {"csat": 6}}, "data.csat", "<= 5"),
        (SURVEY | {"data": {"nps": -1}}, "data.nps", ">= 0"),
        (SURVEY | {"data": {"ces": 4.5}}, "data.ces", "Expected `int | null`"),
        ({"type": "sentiment.scored", "data": {"score": 1.01}}, "data.score", "<= 1"),
        ({"type": "milestone.reached", "data": {}}, "data.name", "required"),
        ({"type": "contact.pending", "data": {"reason": "lunch"}}, "data.reason", "'lunch'"),
        ({"type": "agent.state", "data": {"state": "asleep"}}, "data.state", "'asleep'"),
    ],
)
def test_what_is_refused_names_field_and_reason(change: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(EventRejected) as caught:
        decode_event(encoded(OPENED | change))
    assert caught.value.field == field
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["event_id", "type", "occurred_at"])
def test_required_fields(name: str) -> None:
    with pytest.raises(EventRejected) as caught:
        decode_event(encoded({key: value for key, value in OPENED.items() if key != name}))
    assert (caught.value.field, caught.value.reason) == (name, "required")


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b'{"event_id": "\xff"}', b"{} {}"])
def test_what_is_no_json_object_is_refused_not_raised(raw: bytes) -> None:
    with pytest.raises(EventRejected):
        decode_event(raw)


def test_a_refused_event_keeps_its_id_where_it_could_be_read() -> None:
    with pytest.raises(EventRejected) as caught:
        decode_event(encoded(OPENED | {"channel": "fax"}))
    assert caught.value.event_id == "e1"


@pytest.mark.parametrize("kind", ["agent.state", "agent.praised", "suggestion.adopted"])
def test_agents_have_events_without_a_case(kind: str) -> None:
    event = {key: value for key, value in OPENED.items() if key not in ("case_id", "channel")} | {"type": kind}
    data = {"data": REQUIRED_DATA.get(kind, {})}
    assert decode_event(encoded(event | data)).key == "e1"
    assert decode_event(encoded(event | data | {"agent_id": "ann"})).key == "ann"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-03-02T16:00:00+08:00", "2026-03-02T08:00:00.000Z"),
        ("2026-03-02T08:00:00.1234567Z", "2026-03-02T08:00:00.123Z"),
        ("2026-03-02T08:00:00.9996Z", "2026-03-02T08:00:01.000Z"),
        ("2026-03-02t08:00:00z", "2026-03-02T08:00:00.000Z"),
        ("2026-03-02 08:00:00Z", "2026-03-02T08:00:00.000Z"),
    ],
)
def test_instants_come_out_in_utc_to_the_millisecond(written: str, utc: str) -> None:
    event = decode_event(encoded(OPENED | {"occurred_at": written}))
    assert text(to_ms(event.occurred_at)) == utc
    assert text(parse(utc)) == utc
