"""What validation finds wrong with a policy file, in sentences of ours and each at its line."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from schemas.errors import quoted
from schemas.policy_source import Fault, Place, PolicySource, did_you_mean

_DATE = "is no date: write one such as 2026-10-10"
_NONE = object()
_SAID = {
    "missing": "is missing",
    "model_type": "must be a mapping (key: value)",
    "dict_type": "must be a mapping (key: value)",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
}
"""Sentences by type of error, where pydantic's own say it in terms of Python."""


def faults_of(error: ValidationError, source: PolicySource, model: type[BaseModel]) -> Iterator[Fault]:
    """Everything that kept `source` from being a `model`."""
    for found in error.errors():
        place, given, chosen = _place(found, source.content)
        if chosen and found["type"] == ("literal_error" if isinstance(given, dict) else "model_type"):
            continue  # of two forms that a value may have, the one that was not meant
        yield source.fault(place, _reason(found, place, model))


def _place(found: Mapping[str, Any], content: Any) -> tuple[Place, Any, bool]:
    """Where the error is and what stands there; and whether pydantic's place named more than keys and positions, as it
    does for the members of a union."""
    place: Place = ()
    loc = found["loc"]
    for i, part in enumerate(loc):
        if isinstance(content, list) and isinstance(part, int):
            place, content = (*place, part), content[part]
            continue
        key = _key_of(content, part) if isinstance(content, dict) else _NONE
        if key is not _NONE:
            place, content = (*place, key), content[key]
        elif i == len(loc) - 1 and found["type"] == "missing":
            place = (*place, part)
    return place, content, len(place) < len(loc)


def _key_of(content: dict[Any, Any], part: int | str) -> Any:
    """The key that pydantic names so: as it is, or in Python's notation where it is neither text nor number."""
    if part in content:
        return part
    return next((key for key in content if not isinstance(key, str) and part in (repr(key), str(key))), _NONE)


def _reason(found: Mapping[str, Any], place: Place, model: type[BaseModel]) -> str:
    kind, given = found["type"], found["input"]
    if kind == "extra_forbidden":
        known = _keys(model, place[:-1])
        return f"unknown key{did_you_mean(place[-1], known) or '; known are ' + ', '.join(known)}"
    if kind == "literal_error" and isinstance(given, str):
        known = found["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return f"{quoted(given)} is not known{did_you_mean(given, known) or '; it may be ' + ', '.join(known)}"
    if given is not None and not isinstance(given, str | dict | list) and _wants_text(kind, place, model):
        return f"{_plain(given)} is no text: put it in quotes"
    if kind == "list_type":
        return "must be a list"
    said = _SAID.get(kind) or found["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return said.splitlines()[0]


def _wants_text(kind: str, place: Place, model: Any) -> bool:
    """Whether a text was expected, alone or as what stands for a list of it."""
    if kind == "list_type":
        for part in place:
            model = _inside(model, part)
        return any(get_args(form) == (str,) for form in _forms(model))
    return kind == "string_type"


def _keys(model: Any, place: Place) -> list[str]:
    """The keys that may stand in the mapping at `place` of a file that is a `model`."""
    for part in place:
        model = _inside(model, part)
    return [key for form in _forms(model) if _is_model(form) for key in form.model_fields]


def _inside(annotation: Any, part: int | str) -> Any:
    """What may stand under a key, or at a position, of something annotated so."""
    for form in _forms(annotation):
        if _is_model(form) and part in form.model_fields:
            return form.model_fields[str(part)].annotation
        if get_origin(form) in (dict, list):
            return get_args(form)[-1]
    return None


def _forms(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _forms(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _forms(member)
    else:
        yield annotation


def _is_model(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, BaseModel)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:64]
