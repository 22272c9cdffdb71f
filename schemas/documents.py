"""The contract as documents for other tools: JSON Schemas and an AsyncAPI description, generated and committed; and the
metric catalogue as a page for people.

`python -m schemas.documents` writes docs/contract/ and docs/metrics.md, `--check` says whether they are current.
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from schemas import generated
from schemas.asyncapi import asyncapi
from schemas.event_document import INSTANT, Schema, event_schema, plain, tidy
from schemas.metrics.measures import DURATIONS, MEASURES
from schemas.metrics.page import metrics_page
from schemas.outcome import ClockState, PolicyInForce, VersionedOutcome
from schemas.policy import DURATION_PATTERN, STANDARD_CLOCKS, PolicyFile
from schemas.rollup import CaseRecord, VersionedClockSlice, VersionedContactSlice, Watermark

DIRECTORY = Path(__file__).parents[1] / "docs" / "contract"
PAGE = "../metrics.md"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INSTANTS = frozenset(
    {
        "slice",
        "stream_time",
        "started_at",
        "due_at",
        "stopped_at",
        "breached_at",
        "warned_at",
        "told_at",
        "since",
        "opened_at",
        "queued_at",
        "connected_at",
        "answered_at",
        "resolved_at",
        "complained_at",
    }
)
_DURATION_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def documents() -> dict[str, Schema]:
    """Every document by file name."""
    return {
        "event.schema.json": event_schema(),
        "policy.schema.json": policy_schema(),
        "outcome.schema.json": _output(VersionedOutcome, "outcome"),
        "clock-slice.schema.json": _output(VersionedClockSlice, "clock-slice"),
        "contact-slice.schema.json": _output(VersionedContactSlice, "contact-slice"),
        "case.schema.json": _output(CaseRecord, "case"),
        "watermark.schema.json": _output(Watermark, "watermark"),
        "policy-in-force.schema.json": _output(PolicyInForce, "policy-in-force"),
        "asyncapi.json": asyncapi(),
    }


def _output(type_: type[msgspec.Struct], name: str) -> Schema:
    """The schema of a line that the product writes."""
    _, definitions = msgspec.json.schema_components([type_])
    schema = cast(Schema, definitions[type_.__name__])
    tidy(schema)
    schema["title"] = name
    told = (base.__doc__ for base in reversed(type_.__mro__) if base not in (object, msgspec.Struct))
    schema["description"] = " ".join(plain(text) for text in told if text)
    schema["required"] = list(schema["properties"])
    for field, said in schema["properties"].items():
        if field in _INSTANTS:
            text = next(part for part in (said, *said.get("anyOf", ())) if part.get("type") == "string")
            text |= {"format": "date-time", "pattern": INSTANT}
    if type_ is VersionedOutcome:
        schema["properties"]["state"]["enum"] = [str(state) for state in ClockState]
    if type_ is VersionedContactSlice:
        for field, names in (("counts", MEASURES), ("durations", DURATIONS)):
            schema["properties"][field]["propertyNames"] = {"type": "string", "examples": list(names)}
    return {"$schema": _DIALECT, "$id": f"urn:contactpulse:v1:{name}"} | schema


def policy_schema() -> Schema:
    """A policy file as an editor can check it while it is written. What hangs together across the file (the last policy
    without match, known calendars, names given once) only `contactpulse check-policy` says."""
    schema = PolicyFile.model_json_schema(schema_generator=_PolicyGenerator)
    definitions = schema["$defs"]
    definitions["Clock"]["description"] = "One promise: how long it may take."
    # A standard clock's name mistyped is a custom clock, of which the editor then misses the stop.
    clocks = definitions["Policy"]["properties"]["clocks"]
    clocks["properties"] = dict.fromkeys(STANDARD_CLOCKS, clocks["additionalProperties"])
    clocks["additionalProperties"] = {"allOf": [clocks["additionalProperties"]], "required": ["target", "stop"]}
    definitions["MetricSettings"]["description"] = "Limits that metric formulas read."
    return {"$schema": _DIALECT, "$id": "urn:contactpulse:v1:policy"} | schema


class _PolicyGenerator(GenerateJsonSchema):
    """Describes the text of a file rather than the values made of it: durations as `15m`, one value for a list."""

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        if inner.get("type") == "integer":
            return {"type": "string", "pattern": DURATION_PATTERN, "examples": ["15s", "5m", "2h"]}
        if inner.get("type") == "array":
            return {"anyOf": [inner, inner["items"]]}
        return inner

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        said = super().default_schema(schema)
        default = said.get("default")
        if default is None or "$ref" in said:
            said.pop("default", None)
        elif said.get("type") == "string" and isinstance(default, int):
            unit = next(unit for unit, length in _DURATION_UNITS.items() if default % length == 0)
            said["default"] = f"{default // _DURATION_UNITS[unit]}{unit}"
        return said


def rendered(document: Schema) -> str:
    """The text of a document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def texts() -> dict[str, str]:
    """Every file by name, as it is committed."""
    return {name: rendered(document) for name, document in documents().items()} | {PAGE: metrics_page()}


def outdated(directory: Path = DIRECTORY) -> list[str]:
    """Names of files in `directory` that are missing, not current, or of no document."""
    return generated.outdated(texts(), directory)


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the documents; exit code 1 where a check fails."""
    return generated.command("schemas.documents", main.__doc__, texts(), DIRECTORY, arguments)


if __name__ == "__main__":
    sys.exit(main())
