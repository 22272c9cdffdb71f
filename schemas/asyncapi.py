"""The AsyncAPI 3.0 description of the product's Kafka topics: who writes what, under which key, in which shape."""

from typing import Any

from schemas.event import EVENT_TYPES
from schemas.topics import Topic

_NDJSON = "application/x-ndjson"
_EVENT = "event.schema.json"

_TITLES = {
    Topic.EVENTS: "Contract v1 events",
    Topic.DEAD: "What could not be applied",
    Topic.OUTCOMES: "Clock records",
    Topic.ROLLUPS: "One-minute slices",
    Topic.CUSTOMERS: "Cases of customers",
    Topic.WATERMARKS: "How far each source partition is",
    Topic.POLICIES: "Policies in force",
}

_CHANNELS = {
    Topic.EVENTS: (
        "A record's value is one event or several, one a line. Key a record by the case_id of its events: a case lives "
        "in partition murmur2(case_id) mod N, the default of Java's and most other clients. Events found elsewhere are "
        "sent on to the right partition and counted."
    ),
    Topic.DEAD: "Nothing undecodable is dropped: the bytes as they came, with the reason in the headers.",
    Topic.OUTCOMES: (
        "Each line is one clock of one case; of a (clock, case_id, seq) the line with the highest version is true. "
        "Absolute values, never deltas: reading a record twice changes nothing."
    ),
    Topic.ROLLUPS: (
        "What was counted in one minute of one series, per source partition and generation. Of a (slice, series, "
        "partition, generation) the line with the highest version is true; add up partitions and generations. A series "
        "is always in the same partition. Changed slices leave at most every 250 ms."
    ),
    Topic.CUSTOMERS: (
        "Each line is what one case tells of itself and its customer; of a case_id the line with the highest version "
        "is true. A customer's cases are in partition murmur2(customer_id) mod N; cases without one go by case_id."
    ),
    Topic.WATERMARKS: "One line a second and source partition.",
    Topic.POLICIES: "Which policy file a source partition judges by since which stream time; every owner says it anew.",
}

_KEYS = {
    Topic.EVENTS: "case_id; without one agent_id, else event_id. None in records of the door, which names partitions",
    Topic.DEAD: "where it was read: topic-partition-offset, with -line where the record held several",
    Topic.OUTCOMES: "source partition",
    Topic.ROLLUPS: "clock or contact: the kind of the lines",
    Topic.CUSTOMERS: "source partition",
    Topic.WATERMARKS: "source partition",
    Topic.POLICIES: "source partition",
}

_DOOR = {
    "headers": {
        "type": "object",
        "properties": {"packed": {"const": "1", "description": "Only in records of the door."}},
    }
}

_LINES = {
    Topic.OUTCOMES: {"outcome": "outcome.schema.json"},
    Topic.ROLLUPS: {"clock-slice": "clock-slice.schema.json", "contact-slice": "contact-slice.schema.json"},
    Topic.CUSTOMERS: {"case": "case.schema.json"},
    Topic.WATERMARKS: {"watermark": "watermark.schema.json"},
    Topic.POLICIES: {"policy-in-force": "policy-in-force.schema.json"},
}


def asyncapi() -> dict[str, Any]:
    """The whole document. Payloads are given by reference to the JSON Schemas beside it."""
    messages = {name: _message(Topic.EVENTS, name, f"{_EVENT}#/$defs/{name}") | _DOOR for name in EVENT_TYPES}
    messages["dead-letter"] = _dead_letter()
    for topic, lines in _LINES.items():
        messages |= {name: _message(topic, name, schema) for name, schema in lines.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ContactPulse",
            "version": "1",
            "description": (
                "The Kafka topics of ContactPulse. A configured prefix stands before every address. Times are RFC 3339 "
                "in UTC with milliseconds in all that the product writes."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _NDJSON,
        "channels": {topic.value: _channel(topic) for topic in Topic},
        "operations": {
            "receiveEvents": _operation("receive", Topic.EVENTS, "Reads what channel systems and the door wrote."),
            "sendEvents": _operation("send", Topic.EVENTS, "Writes what the door took; sends on what lies elsewhere."),
            **{
                f"send{topic.name.capitalize()}": _operation("send", topic, f"{_TITLES[topic]}.")
                for topic in Topic
                if topic is not Topic.EVENTS
            },
        },
        "components": {"messages": messages},
    }


def _messages_of(topic: Topic) -> list[str]:
    if topic is Topic.EVENTS:
        return list(EVENT_TYPES)
    return list(_LINES.get(topic, ["dead-letter"]))


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.value,
        "title": _TITLES[topic],
        "description": _CHANNELS[topic],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages_of(topic)},
    }


def _operation(action: str, topic: Topic, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.value}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{topic.value}/messages/{name}"} for name in _messages_of(topic)],
    }


def _message(topic: Topic, name: str, schema: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": _NDJSON,
        "description": "The payload is one line of a record's value.",
        "payload": {"$ref": schema},
        "bindings": {"kafka": {"key": {"type": "string", "description": _KEYS[topic]}, "bindingVersion": "0.5.0"}},
    }


def _dead_letter() -> dict[str, Any]:
    message = _message(Topic.DEAD, "dead-letter", "")
    return message | {
        "contentType": "application/octet-stream",
        "description": "The bytes of one event, or of one row that ClickHouse refused, as they came.",
        "payload": {"description": "Any bytes."},
        "headers": {
            "type": "object",
            "description": "Values are UTF-8 text.",
            "properties": {
                "reason": {"type": "string", "description": "What is wrong with it."},
                "field": {"type": "string", "description": "JSON path of the field at fault; empty: all of it."},
                "origin": {"type": "string", "description": "An event: topic-partition-offset[-line]. A row: store."},
            },
            "required": ["reason", "field", "origin"],
        },
    }
