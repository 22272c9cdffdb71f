"""Where what-if finds ClickHouse, and what it refuses."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.errors import InputError
from schemas.settings import Settings
from services.what_if.main import run
from services.what_if.question import clickhouse_of, groups, instant


def test_clickhouse_is_that_of_the_environment_or_of_a_data_directory(tmp_path: Path) -> None:
    named = Settings(clickhouse=SecretStr("http://a:b@c:1/d"))
    assert clickhouse_of(named, tmp_path) is named
    with pytest.raises(InputError, match="CONTACTPULSE_CLICKHOUSE"):
        clickhouse_of(Settings(), tmp_path)
    (tmp_path / "clickhouse-port.json").write_text(json.dumps({"http": 4711}))
    (tmp_path / "clickhouse-password").write_text("hush\n")
    found = clickhouse_of(Settings(), tmp_path)
    assert found.clickhouse.get_secret_value() == "http://default:hush@127.0.0.1:4711/contactpulse"


def test_groups_are_dimensions_and_the_policy() -> None:
    assert groups("policy, team") == ["policy", "team"]
    assert groups("") == []
    for bad in ("teams", "team,team"):
        with pytest.raises(InputError, match="by: 'team"):
            groups(bad)


def test_an_instant_needs_an_offset() -> None:
    with pytest.raises(InputError, match=r"--from: .*offset"):
        instant("--from", "2026-03-02T08:00:00")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"base": "none.yaml"}, r"none\.yaml: cannot be read"),
        ({"until": "soon"}, "--until: "),
        ({"by": "teams"}, "by: 'teams' is not one of policy, channel"),
        ({"to": "2026-03-02T08:00:00Z"}, "--to: must be later than --from"),
    ],
)
def test_what_is_said_wrongly_is_refused_before_anything_is_read(
    wrong: dict[str, str], said: str, tmp_path: Path
) -> None:
    policy = tmp_path / "new.yaml"
    policy.write_text("version: 1\npolicies: [{name: all, clocks: {connect: {target: 1m}}}]")
    nowhere = Settings(clickhouse=SecretStr("http://a:b@127.0.0.1:9/d"))
    asked = {"from_": "2026-03-02T08:00:00Z", "to": "2026-03-02T09:00:00Z"} | wrong
    with pytest.raises(InputError, match=said):
        run(nowhere, tmp_path, policy, **asked)
