"""Policy files of every kind of wrongness: one clear line, and nothing that grows with what a file holds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from schemas.errors import PolicyError
from schemas.outcome import PolicyInForce
from schemas.policy import load_policy, parse_policy
from schemas.policy_check import check_policy, check_source
from schemas.policy_source import MOST_BYTES, PolicySource
from schemas.policy_yaml import MOST_DEPTH, MOST_VALUES, Document, NotYaml
from tests.support.policies import BAD, GOOD

LARGEST_REQUEST = 8_000_000
"""Bytes that the workers' producer sends at once."""
MOST_SAID = 1_200
"""Characters of a message after the file's name: one may list every type of event."""


def refusal(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_in_one_short_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(BAD[kind])
    said = refusal(path)
    assert re.match(r"(:\d+)?: ", said), said
    assert said.isprintable() and len(said) < MOST_SAID, said
    try:
        errors = check_policy(path).errors
    except PolicyError as error:
        errors = [str(error)]
    assert errors[0] == f"{path}{said}"
    assert all(error.isprintable() and len(error) < len(str(path)) + MOST_SAID for error in errors)
    assert len(errors) <= 201


def test_a_good_file_is_good() -> None:
    assert [policy.name for policy in parse_policy(GOOD.decode()).policies] == ["urgent", "rest"]
    assert parse_policy("\ufeff" + GOOD.decode().replace("\n", "\r\n")).policies == parse_policy(GOOD.decode()).policies


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("policies that are a number", "policy:2: policies: must be a list"),
        ("a target of 5,000 digits", "policy:8: not valid YAML: a number or date has at most 64 characters, this has"),
        ("a target of 5,000 digits of days", "9'... is more than ten years (2600bd)"),
        ("a target of 5,000 digits of seconds", "9'... is longer than ten years (3650d)"),
        ("a target of a mapping", "policies.0.clocks.connect.target: a mapping is not a duration"),
        ("a tag of a number", "policy:8: not valid YAML: 'x' is no !!int"),
        ("a tag of nobody", "policy:8: not valid YAML: the tag '!thing' is not known here; leave it out"),
        ("maps nested 3,000 deep", "policy:1: not valid YAML: more than 64 mappings and lists in each other"),
        ("a billion laughs", "policy:8: not valid YAML: more than 2,000,000 values once aliases are written out"),
        ("a billion merges", "policy:7: not valid YAML: more than 2,000,000 values once aliases are written out"),
        ("an alias of itself", "policy:1: not valid YAML: 'a' contains itself"),
        ("a key with a line break", r"a\nb\x1b[31m: unknown key"),
        ("too large once it is told", "policy: too large: a policy file has at most 7.5 MiB, where line breaks,"),
        ("50,000 policies that are numbers", "policy:2: policies.0: must be a mapping (key: value)"),
    ],
)
def test_what_a_refusal_says(kind: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(BAD[kind].decode())
    assert says in str(caught.value)


def test_what_is_at_the_bounds_is_read() -> None:
    deep = "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1)
    assert Document(f"a: {deep}").content
    tenth = MOST_VALUES // 10 - 1
    assert len(Document(f"a: &a [{'1,' * (tenth - 12)}]\nb: [{'*a,' * 9}]").content["b"]) == 9
    with pytest.raises(NotYaml, match="more than 2,000,000 values"):
        Document(f"a: &a [{'1,' * tenth}]\nb: [{'*a,' * 10}]")
    text = GOOD.decode()
    doubled = sum(text.count(character) for character in '\n\r\t"\\')
    assert parse_policy(text + "#" * (MOST_BYTES - len(text) - doubled))


def test_the_largest_file_fits_into_the_record_that_tells_it() -> None:
    for character, bytes_of_json in (('"', 2), ("\N{GRINNING FACE}", 4)):
        text = "version: 1\npolicies: [{name: p, clocks: {}}]\n# "
        text += character * ((MOST_BYTES - len(text) - 2) // bytes_of_json)
        assert len(msgspec.json.encode(PolicyInForce(0, "", parse_policy(text).text, 1))) < LARGEST_REQUEST
        with pytest.raises(PolicyError, match="too large"):
            parse_policy(text + character)


def test_a_file_larger_than_the_bound_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole: reading all of it would take more memory than there is
    assert refusal(path).startswith(": too large: a policy file has at most 7.5 MiB")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ": cannot be read: Is a directory"
    assert refusal(tmp_path / "none") == ": cannot be read: No such file or directory"
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert refusal(tmp_path / "round") == ": cannot be read: Too many levels of symbolic links"


DOCUMENTS = [
    GOOD.decode(),
    "a: {b: [1, 0x1f, 017, 1_000, 1:30, -3, 1.5, .5, 1e3, 1.0e+3, .inf, -.INF]}",
    "a: [yes, no, on, off, true, ~, null, '', \"\", 'yes', 2026-10-10, 2026-10-10T10:00:00Z, 10-10]",
    "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], z: 5}\nd: {z: 6, <<: *b}\ne: {<<: *a, <<: *b}",
    "a: &s word\n*s : b\nc: [*s, *s]",
    "a: !!str 12\nb: !!int '12'\nc: !!float 3\ne: !!map {f: !!seq [g]}",
    "a: |\n  text\n  <<\nb: >-\n  folded\n  text\nc: '<<'",
    "? a\n: b\nc:\n? d\n",
    "",
    "--- a\n...\n",
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_a_document_holds_what_other_readers_find_in_it(text: str) -> None:
    want = yaml.safe_load(text)
    got = Document(text).content
    assert repr(got) == repr(want)


def test_keys_given_twice_are_found_wherever_they_are() -> None:
    text = "a: 1\nb:\n  - {c: 1, d: 2,\n     c: 3}\na: {<<: {x: 1}, y: 2,\n <<: {z: 1}}\n1: a\n1.0: b\n"
    document = Document(text)
    assert document.repeated == [(("b", 0, "c"), 4, 3), (("a", "<<"), 6, 5), (("a",), 5, 1), ((1.0,), 8, 7)]
    assert document.content == {"a": {"x": 1, "y": 2, "z": 1}, "b": [{"c": 3, "d": 2}], 1: "b"}


def test_a_thousand_faults_are_counted_and_the_first_are_said() -> None:
    policies = "\n".join(f"  - {{name: p{i}, clocks: {{connect: {{target: 1m, colour: red}}}}}}" for i in range(1_000))
    source = PolicySource(f"version: 1\npolicies:\n{policies}\n", "p")
    errors = check_source(source).errors
    assert len(errors) == 101
    assert errors[0].startswith("p:3: policies.0.clocks.connect.colour: unknown key")
    assert errors[-1] == "p:102: and about 900 more faults of this file"


def test_the_command_says_one_line_and_ends_with_2(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(BAD["maps nested 3,000 deep"])
    program = [sys.executable, "-m", "services.cli", "check-policy", str(path)]
    run = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"contactpulse: {path}:1: not valid YAML: more than 64 mappings and lists in each other\n"


def test_the_command_bears_a_narrow_encoding_and_a_reader_that_leaves(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    policies = "\n".join(f"  - {{name: 客户 {i}, match: {{team: {i}a}}, clocks: {{}}}}" for i in range(2_000))
    path.write_text(f"version: 1\npolicies:\n{policies}\n", encoding="utf-8")  # more words than a pipe holds
    program = f"'{sys.executable}' -m services.cli check-policy '{path}' | head -n 4"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(program, shell=True, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.stdout.endswith("\n\\u5ba2\\u6237 0: cases with team 0a\n")
    assert run.stderr == ""
