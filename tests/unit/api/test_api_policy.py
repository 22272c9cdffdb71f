"""The policy as the API tells it: which one is in force, and what is wrong with a newer one."""

import hashlib
import os
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from schemas import policy_watch
from schemas.policy import default_policy
from schemas.settings import Settings
from services.api.app import create_app
from tests.support.policies import BAD
from tests.support.policies import GOOD as GOOD_FILE
from tests.unit.api.conftest import KEY

GOOD = "version: 1\npolicies:\n  - name: {name}\n    clocks: {{connect: {{target: 15s}}}}\n"


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_watch, "LOOK_EVERY_S", 0.0)


def _client(tmp_path: Path, policy: Path | None) -> TestClient:
    away = SecretStr("http://someone:hush@127.0.0.1:9/db")
    settings = Settings(clickhouse=away, api_key=SecretStr(KEY), policy=policy, data_dir=tmp_path / "data")
    return TestClient(create_app(settings, loopback=False), headers={"X-API-Key": KEY})


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(path.stat().st_mtime_ns + 1_000_000, path.stat().st_mtime_ns + 1_000_000))


def test_without_a_file_it_is_the_one_that_ships(tmp_path: Path) -> None:
    answer = _client(tmp_path, None).get("/v1/policy").json()
    assert answer == {
        "path": None,
        "sha256": hashlib.sha256(default_policy().text.encode()).hexdigest(),
        "refused": None,
        "policies": [policy.name for policy in default_policy().policies],
    }


def test_a_changed_file_is_in_force_and_a_bad_one_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD.format(name="first"))
    client = _client(tmp_path, path)
    assert client.get("/v1/policy").json()["policies"] == ["first"]
    _write(path, GOOD.format(name="second"))
    good = client.get("/v1/policy").json()
    assert (good["path"], good["policies"], good["refused"]) == (str(path), ["second"], None)
    assert good["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    _write(path, "version: 1\npolicies: nothing\n")
    bad = client.get("/v1/policy").json()
    assert (bad["policies"], bad["sha256"]) == (["second"], good["sha256"])
    assert "policy.yaml" in bad["refused"] and "policies" in bad["refused"]
    # Another process that starts meanwhile goes on with the last good one.
    assert _client(tmp_path, path).get("/v1/policy").json() == bad
    _write(path, GOOD.format(name="third"))
    assert client.get("/v1/policy").json()["refused"] is None


def test_the_api_answers_though_no_policy_has_ever_been_good(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    answer = _client(tmp_path, path).get("/v1/policy").json()
    assert (answer["policies"], answer["sha256"]) == ([], None)
    assert "policy.yaml" in answer["refused"]


@pytest.mark.parametrize(
    "kind",
    ["nothing", "not UTF-8", "a target of 5,000 digits", "a tag of a number", "maps nested 3,000 deep",
     "a billion laughs", "half a character", "a key with a line break", "a time zone without a name", "just too large"],
)  # fmt: skip
def test_whatever_the_file_holds_the_answer_says_why_it_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(BAD[kind])
    never = _client(tmp_path, path).get("/v1/policy")
    assert (never.status_code, never.json()["policies"]) == (200, [])
    path.write_bytes(GOOD_FILE)
    client = _client(tmp_path, path)
    good = client.get("/v1/policy").json()
    assert good["refused"] is None
    path.write_bytes(BAD[kind])
    for one in (client, _client(tmp_path, path)):
        answer = one.get("/v1/policy")
        assert answer.status_code == 200
        assert answer.json() == good | {"refused": never.json()["refused"]}


def test_a_file_that_was_never_good_is_read_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_watch, "LOOK_EVERY_S", 3_600.0)
    path = tmp_path / "policy.yaml"
    client = _client(tmp_path, path)
    refused = client.get("/v1/policy").json()["refused"]
    path.write_bytes(GOOD_FILE)
    assert client.get("/v1/policy").json()["refused"] == refused
    monkeypatch.setattr(policy_watch, "LOOK_EVERY_S", 0.0)
    assert client.get("/v1/policy").json()["refused"] is None


def test_it_takes_a_key(tmp_path: Path) -> None:
    assert _client(tmp_path, None).get("/v1/policy", headers={"X-API-Key": "no"}).status_code == 403
