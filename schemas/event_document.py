"""The JSON Schema of contract v1 events, made from the decoder's own types, so that both say the same."""

import inspect
from typing import Any

import msgspec

from schemas.event import CASELESS_TYPES, DATA_TYPES, EVENT_TYPES, Event

Schema = dict[str, Any]

_MEANING = {
    "contact.opened": "The case exists; its clocks start.",
    "contact.queued": "The contact waits for a human.",
    "contact.connected": "A human took it: ends `connect`.",
    "contact.abandoned": "The customer left before a human came: ends `connect`, cancels the case's other clocks.",
    "contact.transferred": "The contact went to another team or agent.",
    "contact.pending": "Waiting begins: pauses the clocks whose policy says so.",
    "contact.resumed": "Waiting ends.",
    "contact.updated": "Something about the case changed; its policy is matched again.",
    "contact.resolved": "Ends `resolution`.",
    "contact.reopened": "Starts a new `resolution` clock.",
    "contact.closed": "The case is over: cancels what still runs.",
    "message.customer": "The customer wrote or spoke: starts `next_response` unless one waits already.",
    "message.agent": "An agent answered: ends `first_response` and `next_response`.",
    "message.bot": "A bot answered: ends `bot_response`, never a human's clock.",
    "message.internal": "A note among colleagues: ends nothing.",
    "complaint.filed": "The case became a complaint.",
    "complaint.acknowledged": "The complaint was acknowledged.",
    "complaint.feedback_given": "The complaint's result was told to the customer.",
    "milestone.reached": "A named step was reached.",
    "callback.promised": "A call-back was promised.",
    "callback.made": "A call-back was made.",
    "call.wrapped": "A call's work is done: talk, hold and wrap-up time.",
    "survey.submitted": "The customer answered a survey.",
    "sentiment.scored": "A sentiment score was computed.",
    "followup.verified": "After resolution the customer was asked whether it holds.",
    "quality.audited": "A case was checked for quality.",
    "agent.state": "An agent's state changed. Belongs to no case.",
    "agent.praised": "An agent was praised. Needs no case.",
    "suggestion.adopted": "An agent's suggestion was adopted. Needs no case.",
}

_FIELDS = {
    "event_id": "De-duplication key: the same id twice counts once.",
    "type": "What happened.",
    "occurred_at": "When it happened at the source, RFC 3339 with offset. It may arrive late or out of order.",
    "case_id": "The contact, conversation or ticket. Also the record key in Kafka.",
    "channel": "Required on contact.opened, else inherited.",
    "customer_id": "One customer is one customer in all channels.",
    "team": "The latest value holds for the case from then on; so do the fields below.",
    "priority": "L1 is the most urgent.",
    "source": "The system that pushed the event.",
}

INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
"""What the decoder takes as an instant. `format` alone would let a validator skip the offset."""


def event_schema() -> Schema:
    """One event, whatever its type. `$defs` holds each type by name, for those who need only one.

    Validators differ from the decoder in one thing: JSON Schema takes 5.0 for a whole number, the decoder only 5.
    """
    envelope, definitions = _envelope()
    by_type = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{name}"},
        }
        for name in EVENT_TYPES
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:contactpulse:v1:event",
        "title": "Event",
        "description": "One contract v1 event. Fields that are not named here are ignored, here and inside `data`.",
        "allOf": [{"$ref": "#/$defs/Envelope"}, *by_type],
        "$defs": {"Envelope": envelope}
        | dict(sorted(definitions.items()))
        | {name: _of_type(name) for name in EVENT_TYPES},
    }


def _envelope() -> tuple[Schema, dict[str, Schema]]:
    """The fields common to all events, and the definitions of what `data` may hold."""
    # `data` is raw JSON to the decoder, which msgspec cannot describe: it is said by type instead.
    fields = [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(Event)
        if field.name != "data"
    ]
    common = msgspec.defstruct("Envelope", fields)
    _, definitions = msgspec.json.schema_components(
        [common, *dict.fromkeys(DATA_TYPES.values())], ref_template="#/$defs/{name}"
    )
    for definition in definitions.values():
        tidy(definition)
    envelope = definitions.pop("Envelope")
    del envelope["title"]
    envelope["description"] = "What all events have."
    for name, text in _FIELDS.items():
        envelope["properties"][name]["description"] = text
    return envelope, definitions


def _of_type(name: str) -> Schema:
    properties: Schema = {"type": {"const": name}}
    required = []
    if name not in CASELESS_TYPES:
        properties["case_id"] = {"type": "string"}
        required.append("case_id")
    if name == "contact.opened":
        properties["channel"] = {"type": "string"}
        required.append("channel")
    data = DATA_TYPES.get(name)
    if data is None:
        properties["data"] = {"description": "May be sent, is kept with the event, and not read."}
    elif any(field.required for field in msgspec.structs.fields(data)):
        properties["data"] = {"$ref": f"#/$defs/{data.__name__}"}
        required.append("data")
    else:
        properties["data"] = {"anyOf": [{"$ref": f"#/$defs/{data.__name__}"}, {"type": "null"}]}
    return {
        "title": name,
        "description": _MEANING[name],
        "allOf": [{"$ref": "#/$defs/Envelope"}],
        "properties": properties,
        "required": required,
    }


def tidy(schema: Any) -> None:
    """Makes msgspec's schema fit to be read: docstrings without their indentation, instants that say their form, no
    defaults that only repeat that a field may be absent."""
    if isinstance(schema, list):
        for part in schema:
            tidy(part)
    if not isinstance(schema, dict):
        return
    if isinstance(text := schema.get("description"), str):
        schema["description"] = plain(text)
    if schema.get("format") == "date-time":
        schema["pattern"] = INSTANT
    if "default" in schema and schema["default"] is None:
        del schema["default"]
    if schema.get("required") == []:
        del schema["required"]
    for part in schema.values():
        tidy(part)


def plain(docstring: str) -> str:
    """A docstring as one line."""
    return " ".join(inspect.cleandoc(docstring).split())
