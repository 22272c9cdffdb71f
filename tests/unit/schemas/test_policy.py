"""Policy files: what is read, and that every refusal names file, line and field."""

from pathlib import Path

import pytest

from schemas.errors import PolicyError
from schemas.policy import default_policy, load_policy, parse_duration, parse_policy

GOOD = """version: 1
calendars:
  always: {}
policies:
  - name: urgent
    match: {priority: L1, complaint: true}
    clocks:
      connect: {target: 5m}
      resolution: {target: 2h, pause_on: [customer], warn_at: [0.5, 0.8]}
    reopen: subtract
  - name: rest
    clocks:
      connect: {target: 1.5h}
metrics: {answer_within: 30s, csat_pass: 5}
"""


def test_a_good_policy() -> None:
    policy = parse_policy(GOOD)
    urgent, rest = policy.policies
    assert urgent.match is not None
    assert (urgent.match.priority, urgent.match.complaint, urgent.reopen) == (["L1"], True, "subtract")
    assert urgent.clocks["resolution"].pause_on == ["customer"]
    assert (rest.clocks["connect"].target, rest.reopen) == (5_400_000, "restart")
    assert (policy.metrics.answer_within, policy.metrics.short_abandon, policy.metrics.csat_pass) == (30_000, 5_000, 5)


def test_the_policy_that_ships_is_good() -> None:
    assert default_policy().policies[-1].match is None


@pytest.mark.parametrize(
    ("text", "ms"), [("15s", 15_000), ("5m", 300_000), ("2h", 7_200_000), ("5d", 432_000_000), ("0.5s", 500)]
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5M", "1h30m", 5, None])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("target: 5m", "target: soon", 8, "policies.0.clocks.connect.target: 'soon' is not a duration"),
        ("target: 5m", "target: 0s", 8, "policies.0.clocks.connect.target: a target must be longer than nothing"),
        ("{target: 5m}", "{}", 8, "policies.0.clocks.connect.target: Field required"),
        ("{target: 5m}", "{target: 5m, colour: red}", 8, "policies.0.clocks.connect.colour: Extra inputs"),
        ("priority: L1", "priority: L9", 6, "policies.0.match.priority.0: Input should be 'L1', 'L2' or 'L3'"),
        ("priority: L1", "prioriti: L1", 6, "policies.0.match.prioriti: Extra inputs"),
        ("[customer]", "[lunch]", 9, "policies.0.clocks.resolution.pause_on.0"),
        ("[0.5, 0.8]", "[1.5]", 9, "policies.0.clocks.resolution.warn_at.0"),
        ("reopen: subtract", "reopen: never", 10, "policies.0.reopen"),
        ("version: 1", "version: 2", 1, "version: Input should be 1"),
        ("csat_pass: 5", "csat_pass: 6", 14, "metrics.csat_pass"),
        ("answer_within: 30s", "answer_within: 30", 14, "metrics.answer_within: 30 is not a duration"),
        ("name: rest", "name: urgent", 1, "two policies are named 'urgent'"),
        ("name: rest", "name: rest\n    match: {team: a}", 1, "the last policy must have no match"),
        ("connect: {target: 1.5h}", "lunch: {target: 1h}", 1, "policy 'rest': clock 'lunch' is not supported"),
        ("{target: 1.5h}", "{target: 1h, calendar: moon}", 1, "policy 'rest', clock 'connect': no calendar 'moon'"),
        ("  - name: rest", "  - name: [", 13, "not valid YAML"),
    ],
)
def test_refusals_name_file_line_and_field(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert GOOD.count(old) == 1
    path = tmp_path / "p.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: "), message
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "- a list", "42"])
def test_a_policy_file_is_a_mapping(text: str) -> None:
    with pytest.raises(PolicyError, match="policy:1: a policy file is a mapping"):
        parse_policy(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.yaml: cannot be read: No such file"):
        load_policy(tmp_path / "none.yaml")
