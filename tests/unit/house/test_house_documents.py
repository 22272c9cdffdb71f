"""The committed documents of the contract: current, valid, and telling the truth about what the product writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.documents import DIRECTORY, documents, main, outdated
from schemas.policy import default_policy
from schemas.settings import Settings
from schemas.topics import Topic
from streams.partition import Retention, SourcePartition
from streams.transport import Chunk, Record

DOCUMENTS = documents()
SCHEMAS = sorted(name for name in DOCUMENTS if name.endswith(".schema.json"))
OPENED = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def test_the_committed_documents_are_current() -> None:
    assert outdated() == [], "run: python -m schemas.documents"


def test_check_tells_which_file_is_not_current_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--directory", str(tmp_path)])
    (tmp_path / "event.schema.json").write_text("{}")
    (tmp_path / "left-over.json").write_text("{}")
    capsys.readouterr()

    assert main(["--check", "--directory", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "event.schema.json is not current" in said
    assert "left-over.json is not current" in said
    assert len(said.splitlines()) == 2

    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--check", "--directory", str(tmp_path)]) == 0


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(DOCUMENTS[name])


def test_what_a_partition_writes_is_as_described() -> None:
    lines = _written()
    for topic, schema in [
        (Topic.OUTCOMES, "outcome"),
        (Topic.WATERMARKS, "watermark"),
        (Topic.POLICIES, "policy-in-force"),
    ]:
        assert lines[topic]
        for line in lines[topic]:
            _validator(schema).validate(line)
    for line in lines[Topic.ROLLUPS]:
        _validator("clock-slice" if "clock" in line else "contact-slice").validate(line)
    assert {"clock" in line for line in lines[Topic.ROLLUPS]} == {True, False}


@pytest.mark.parametrize(
    ("schema", "field", "value"),
    [("outcome", "state", "lost"), ("outcome", "started_at", "yesterday"), ("watermark", "position", "7")],
)
def test_other_values_are_not_as_described(schema: str, field: str, value: Any) -> None:
    topic = Topic.OUTCOMES if schema == "outcome" else Topic.WATERMARKS
    good = _written()[topic][0]
    assert _validator(schema).is_valid(good)
    assert not _validator(schema).is_valid(good | {field: value})
    assert not _validator(schema).is_valid({key: said for key, said in good.items() if key != field})


def test_the_policy_that_ships_is_valid_under_the_policy_schema() -> None:
    text = Path("schemas/default_policy.yaml")
    _validator("policy").validate(yaml.safe_load((DIRECTORY.parents[1] / text).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "mistake",
    [
        {"version": 2},
        {"policies": []},
        {"policies": [{"name": "all", "clocks": {"resolution": {"target": "2 hours"}}}]},
        {"policies": [{"name": "all", "clocks": {"resolution": {"target": 120}}}]},
        {"policies": [{"name": "all", "clocks": {"resolutoin": {"target": "2h"}}}]},
        {"policies": [{"name": "all", "match": {"channels": ["app"]}, "clocks": {}}]},
        {"metrics": {"csat_pass": 9}},
    ],
)
def test_mistakes_in_a_policy_file_are_seen_by_an_editor(mistake: dict[str, Any]) -> None:
    good = {
        "version": 1,
        "policies": [{"name": "all", "match": {"channel": "app"}, "clocks": {"connect": {"target": "5m"}}}],
    }
    assert _validator("policy").is_valid(good)
    assert not _validator("policy").is_valid(good | mistake)


def test_asyncapi_names_every_topic_and_only_topics() -> None:
    channels = DOCUMENTS["asyncapi.json"]["channels"]
    assert {channel["address"] for channel in channels.values()} == {topic.value for topic in Topic}
    assert Settings(topic_prefix="x.").topic(Topic.EVENTS) == "x." + channels["contact.events"]["address"]


def test_asyncapi_has_the_parts_that_version_3_asks_for() -> None:
    document = DOCUMENTS["asyncapi.json"]
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    for channel in document["channels"].values():
        assert channel["messages"]
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        named = {message["$ref"] for message in operation["messages"]}
        channel = operation["channel"]["$ref"]
        assert named
        assert all(name.startswith(f"{channel}/messages/") for name in named)
    for message in document["components"]["messages"].values():
        assert message["payload"]
        assert message["bindings"]["kafka"]["key"]


def test_every_reference_leads_somewhere() -> None:
    for name, document in DOCUMENTS.items():
        found = list(_references(document))
        assert all(_resolve(name, reference) is not None for reference in found), name
    assert any(reference.startswith("event.schema.json#") for reference in _references(DOCUMENTS["asyncapi.json"]))


def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(DOCUMENTS[f"{name}.schema.json"])


def _written() -> dict[Topic, list[dict[str, Any]]]:
    """All that a partition writes about a contact that was answered late and left with a survey, line by line."""
    events = [
        ("contact.opened", 0, {"channel": "chat", "team": "华东"}),
        ("message.customer", 1, {}),
        ("message.agent", 1900, {"agent_id": "a-1"}),
        ("contact.pending", 2000, {"data": {"reason": "customer"}}),
        ("survey.submitted", 2100, {"data": {"csat": 5}}),
    ]
    partition = SourcePartition(0, 1, default_policy(), Retention(10**9), lambda key: None, OPENED)
    records = [
        Record(offset, json.dumps({"event_id": f"e{offset}", "type": type_, "case_id": "c-1",
                                   "occurred_at": f"2026-01-01T00:{s // 60:02}:{s % 60:02}Z"} | more).encode())
        for offset, (type_, s, more) in enumerate(events)
    ]  # fmt: skip
    now = OPENED + 3_600_000
    sends = partition.feed(Chunk(records, len(records), None, len(records)), now)
    partition.advance(now, 0, len(records))
    sends += [*partition.outcomes(), *partition.slices(), partition.watermark(), *partition.policies()]
    lines: dict[Topic, list[dict[str, Any]]] = {}
    for send in sends:
        lines.setdefault(send.topic, []).extend(json.loads(line) for line in send.value.splitlines())
    return lines


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            yield reference
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)


def _resolve(name: str, reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    found = DOCUMENTS.get(file or name)
    for step in pointer.split("/")[1:]:
        found = found.get(step) if isinstance(found, dict) else None
    return found
