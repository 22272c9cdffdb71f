"""The JSON Schema of events says the same as the decoder: what one takes the other takes."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from schemas.errors import EventRejected
from schemas.event import CASELESS_TYPES, DATA_TYPES, EVENT_TYPES, decode_event
from schemas.event_document import event_schema

FORMATS = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def _is_a_moment(text: object) -> bool:
    return not isinstance(text, str) or bool(datetime.fromisoformat(text))


VALIDATOR = Draft202012Validator(event_schema(), format_checker=FORMATS)

DATA: dict[str, dict[str, Any]] = {
    "contact.opened": {"complaint": True, "direction": "inbound"},
    "contact.transferred": {"to_team": "二线", "to_agent": "a-2"},
    "contact.pending": {"reason": "customer"},
    "contact.resumed": {"reason": "third_party"},
    "contact.updated": {"priority": "L1", "customer_tier": "vip", "category": "billing", "complaint": False},
    "message.bot": {"intent_recognized": False},
    "message.agent": {"template": True},
    "complaint.filed": {"complaint_category": "attitude"},
    "complaint.acknowledged": {"complaint_category": "attitude"},
    "complaint.feedback_given": {"complaint_category": "attitude"},
    "milestone.reached": {"name": "diagnosis"},
    "callback.promised": {"callback_id": "cb-1", "due_at": "2026-01-02T09:00:00+08:00"},
    "callback.made": {"callback_id": "cb-1"},
    "call.wrapped": {"talk_s": 181, "hold_s": 12.5, "wrap_s": 30},
    "survey.submitted": {"csat": 4, "nps": 9, "ces": 2, "resolved": True},
    "sentiment.scored": {"score": -0.4},
    "followup.verified": {"satisfied": True},
    "quality.audited": {"classification_correct": True, "consistent": False},
    "agent.state": {"state": "wrap"},
}
"""A sample of every type's `data`, every field given."""


def sample(type_: str) -> dict[str, Any]:
    event = {
        "event_id": "e-1",
        "type": type_,
        "occurred_at": "2026-01-01T09:30:00.250+08:00",
        "case_id": "c-1",
        "channel": "mini_program",
        "priority": "L2",
        "team": "华东",
        "a field of the producer's own": [1, {"x": None}],
    }
    return event | ({"data": DATA[type_] | {"more": 1}} if type_ in DATA else {})


def decoder_takes(event: Any) -> bool:
    try:
        decode_event(json.dumps(event).encode())
    except EventRejected:
        return False
    return True


def test_there_is_a_sample_of_every_data() -> None:
    assert DATA.keys() == DATA_TYPES.keys()
    for name, data in DATA.items():
        assert data.keys() == set(DATA_TYPES[name].__struct_fields__)


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_sample_of_every_type_is_valid(type_: str) -> None:
    event = sample(type_)
    assert decoder_takes(event)
    VALIDATOR.validate(event)


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_without_case_a_sample_is_valid_only_where_no_case_is_needed(type_: str) -> None:
    event = sample(type_)
    del event["case_id"]
    assert VALIDATOR.is_valid(event) is (type_ in CASELESS_TYPES)
    assert VALIDATOR.is_valid(event | {"case_id": None}) is (type_ in CASELESS_TYPES)


def test_an_error_names_the_field_at_fault() -> None:
    event = sample("survey.submitted") | {"data": {"csat": 9}}
    places = [list(error.absolute_path) for found in VALIDATOR.iter_errors(event) for error in _leaves(found)]
    assert ["data", "csat"] in places


ODD = st.sampled_from(
    [None, "", "x", "x" * 129, "x" * 257, "华" * 128, "L1", "phone", "customer", "2026-01-01T00:00:00Z",
     "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01 00:00:00-03:30", "2026-01-01T00:00:00+08",
     "2026-01-01T00:00:00.Z", "2026-01-01", 0, 1, -1, 5, 11, 0.5, -0.5, 1e30, True, False, [], [1], {}]
)  # fmt: skip
"""Values that are right in one field and wrong in another. Whole numbers written as 5.0 are left out: JSON Schema
cannot tell them from 5."""


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """A sample with a few fields of it or of its data changed or gone."""
    event = sample(draw(st.sampled_from(EVENT_TYPES)))
    for _ in range(draw(st.integers(1, 3))):
        data = event.get("data")
        if isinstance(data, dict) and data and draw(st.booleans()):
            data = event["data"] = dict(data)
            _change(draw, data, [*data])
        else:
            _change(draw, event, [name for name in event if name not in ("data", "type")] + ["agent_id", "queue"])
    if draw(st.integers(0, 9)) == 0:
        event["type"] = draw(st.sampled_from([*EVENT_TYPES, "contact.lost", None, 1]))
    if draw(st.integers(0, 9)) == 0:
        event["data"] = draw(st.sampled_from([{}, [], "x", 1, None]))
    if draw(st.integers(0, 9)) == 0:
        event.pop("data", None)
    return event


@settings(max_examples=400, deadline=None)
@given(events())
def test_schema_and_decoder_agree(event: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(event) is decoder_takes(event)


def _change(draw: st.DrawFn, holder: dict[str, Any], names: list[str]) -> None:
    name = draw(st.sampled_from(names))
    if draw(st.integers(0, 3)) == 0:
        holder.pop(name, None)
    else:
        holder[name] = draw(ODD)


def _leaves(error: Any) -> list[Any]:
    return [leaf for part in error.context for leaf in _leaves(part)] if error.context else [error]
