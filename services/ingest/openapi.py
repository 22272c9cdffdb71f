"""What the API description says about POST /v1/events, whose body is read raw."""

from http import HTTPStatus
from typing import Any

from services.ingest.body import CLOUDEVENT, CLOUDEVENTS_BATCH, JSON, NDJSON
from services.web.problems import MEDIA_TYPE

_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event_id", "type", "occurred_at"],
    "properties": {
        "event_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "type": {"type": "string"},
        "occurred_at": {"type": "string", "format": "date-time"},
        "case_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "data": {"type": "object"},
    },
    "example": {
        "event_id": "ivr-20260131-000017",
        "type": "contact.opened",
        "occurred_at": "2026-01-31T09:00:00.000+08:00",
        "case_id": "case-4711",
        "channel": "phone",
    },
}

_CLOUDEVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "event_id"},
        "source": {"type": "string"},
        "type": {"type": "string"},
        "time": {"type": "string", "format": "date-time", "description": "occurred_at"},
        "subject": {"type": "string", "description": "case_id"},
        "data": {"type": "object", "description": "all other fields"},
    },
}

REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT, "maxItems": 5000}]}},
            NDJSON: {"schema": {"type": "string", "description": "one event a line"}},
            CLOUDEVENT: {"schema": _CLOUDEVENT},
            CLOUDEVENTS_BATCH: {"schema": {"type": "array", "items": _CLOUDEVENT, "maxItems": 5000}},
        },
    }
}

_REJECTED: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["index", "event_id", "field", "reason"],
        "properties": {
            "index": {"type": "integer"},
            "event_id": {"type": ["string", "null"]},
            "field": {"type": "string"},
            "reason": {"type": "string"},
        },
    },
}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.ACCEPTED.value: {
        "description": "Kafka has acknowledged all accepted events.",
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["accepted", "rejected"],
                    "properties": {"accepted": {"type": "integer"}, "rejected": _REJECTED},
                }
            }
        },
    },
    400: _problem("The body cannot be read; `position` is the byte of the first fault."),
    401: _problem("No key was sent."),
    403: _problem("The key is not valid."),
    413: _problem("More than 5,000 events or 5 MiB."),
    415: _problem("Unknown content type or encoding."),
    422: _problem("All events are invalid; `rejected` says why."),
    429: _problem("Too many requests of this key are under way; see Retry-After."),
    503: _problem("Kafka is away; nothing is sure to be taken: send it again after Retry-After seconds."),
}
