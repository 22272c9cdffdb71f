"""What-if against a real ClickHouse, over HTTP and on the command line: it says what replay says of the same events."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from schemas.policy import default_policy, parse_policy
from schemas.times import from_ms, parse, text
from services.demo.operation import Operation
from services.store.clickhouse import INSERT_SETTINGS
from services.store.routes import event_rows
from services.what_if.reading import pages
from streams.replay import replay
from tests.integration.api.conftest import KEY, Api, Warehouse
from tests.support.policies import BAD

BEGIN = parse("2026-03-02T08:00:00Z")
FROM, TO, NOW = BEGIN + 600_000, BEGIN + 2_400_000, BEGIN + 3_600_000
BASE = """
version: 1
policies:
  - name: calls
    match: {channel: [phone]}
    clocks: {connect: {target: 15s}, resolution: {target: 1h, pause_on: [customer]}}
  - name: rest
    clocks:
      first_response: {target: 5m}
      next_response: {target: 4m}
      bot_response: {target: 5s}
      handover: {target: 10m, start: contact.transferred, stop: {milestone: diagnosis}}
"""
NEW = BASE.replace("target: 5m", "target: 1m").replace("15s", "1s").replace("bot_response: {target: 5s}", "")
STATES = ("met", "breached", "cancelled", "running", "paused")


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """An hour of the demo operation, some events twice, one record with escapes in its keys."""
    events = [msgspec.json.encode(event) for event in Operation(3, BEGIN, rate=6.0).advance(NOW)]
    for number, line in enumerate(events):
        if b'"priority"' in line:
            events[number] = line.replace(b'"priority"', b'"\\u0070riority"')
            break
    return events + events[::7]


@pytest.fixture
def filled(warehouse: Warehouse, lines: list[bytes]) -> Warehouse:
    """A store that holds them, as of `NOW`."""
    for part in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
        rows = event_rows(b"\n".join(part), NOW)
        warehouse.client.raw_insert("events", insert_block=rows, fmt="JSONEachRow", settings=INSERT_SETTINGS)
    watermark = {"partition": 0, "stream_time": from_ms(NOW), "position": 1, "open_cases": 1, "version": 1}
    warehouse.insert("watermarks", [watermark])
    return warehouse


def lived(lines: list[bytes], policy: str, out: Path) -> dict[str, dict[str, Any]]:
    """By clock, what replay says under a policy of the cases opened in [FROM, TO)."""
    events = [json.loads(line) for line in lines]
    opened = {e["case_id"] for e in events if e["type"] == "contact.opened" and FROM <= parse(e["occurred_at"]) < TO}
    kept = out.with_suffix(".ndjson")
    kept.write_bytes(b"".join(json.dumps(e).encode() + b"\n" for e in events if e.get("case_id") in opened))
    replay([kept], parse_policy(policy), out, NOW)
    found: dict[str, dict[str, Any]] = json.loads((out / "summary.json").read_bytes())["clocks"]
    return found


def ask(api: Api, **fields: Any) -> Any:
    question = {"policy": NEW, "base": BASE, "from": text(FROM), "to": text(TO)} | fields
    return api.client.post("/v1/what-if", json=question, headers={"X-API-Key": KEY})


def test_over_http_both_policies_judge_as_replay_does(
    api: Api, filled: Warehouse, lines: list[bytes], tmp_path: Path
) -> None:
    answer = ask(api, flips=5).json()
    before, after = lived(lines, BASE, tmp_path / "base"), lived(lines, NEW, tmp_path / "new")
    assert answer["stream_time"] == text(NOW) and answer["events_rejected"] == 0 and answer["cases"] > 300
    rows = {row["clock"]: row for row in answer["rows"]}
    assert rows.keys() == before.keys() | after.keys()
    nothing = dict.fromkeys(STATES, 0) | {"compliance": None}
    for clock, row in rows.items():
        assert (row["before"], row["after"]) == (before.get(clock, nothing), after.get(clock, nothing)), clock
    assert "bot_response" not in after and rows["bot_response"]["removed"] == sum(
        before["bot_response"][state] for state in STATES
    )
    assert rows["first_response"]["to_breached"] > 10 > len(answer["flips"]["listed"]) == 5
    assert rows["connect"]["points"] < 0
    assert answer["flips"]["count"] >= sum(row["to_breached"] + row["to_met"] for row in rows.values())


def test_the_base_is_the_policy_in_force_unless_told(api: Api, filled: Warehouse) -> None:
    answer = ask(api, base=None, policy=default_policy().text, by=["policy"]).json()
    assert answer["flips"] == {"count": 0, "listed": []} and answer["cases_judged_twice"] == 0
    assert all(row["policy"] for row in answer["rows"]) and answer["total"]["before"]["met"] > 0
    assert answer["base"] == "the policy that ships"
    since = {0: (0, NEW), FROM: (2, BASE), TO: (1, NEW)}
    told = [{"partition": p, "since": from_ms(at), "text": t, "version": at} for at, (p, t) in since.items()]
    filled.insert("policies", told)
    answer = ask(api, base=None, policy=NEW).json()
    assert answer["base"] == f"the policy in force since {text(TO)}" and answer["flips"]["count"] == 0


def test_as_an_event_stream_it_tells_its_progress(api: Api, filled: Warehouse) -> None:
    question = {"policy": NEW, "base": BASE, "from": text(FROM), "to": text(TO)}
    answer = api.client.post("/v1/what-if", json=question, headers={"X-API-Key": KEY, "Accept": "text/event-stream"})
    events = list(read_stream(answer.text))
    assert [name for name, _ in events[:1]] == ["progress"] and [name for name, _ in events[-1:]] == ["result"]
    assert events[0][1]["cases_about"] >= events[-1][1]["cases"] == events[-2][1]["cases"]
    assert events[-1][1] == ask(api).json()


def test_a_bad_policy_is_refused_with_its_line_and_field(api: Api, filled: Warehouse) -> None:
    answer = ask(api, policy=NEW.replace("1h", "one hour"))
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["document"], problem["line"]) == ("policy", 6) and "resolution" in problem["field"]
    assert ask(api, base="- no").json()["document"] == "base"
    for kind in ("a target of 5,000 digits", "a tag of a number", "maps nested 3,000 deep", "a billion laughs", "NUL"):
        answer = ask(api, policy=BAD[kind].decode())
        assert answer.status_code == 422, kind
        assert "not valid YAML" in answer.json()["detail"] and len(answer.text) < 1_000
    half = json.dumps({"policy": "\ud800", "from": text(FROM), "to": text(TO)})
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    assert api.client.post("/v1/what-if", content=half, headers=headers).status_code == 422
    assert ask(api, to=text(FROM)).status_code == 422
    assert ask(api, by=["teams"]).status_code == 422
    assert ask(api, polcy="x").status_code == 422


def test_one_runs_at_a_time(api: Api, filled: Warehouse) -> None:
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda _: ask(api), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 429]
    assert next(answer for answer in answers if answer.status_code == 429).headers["retry-after"] == "5"
    assert ask(api).status_code == 200


def test_an_empty_store_cannot_say_as_of_when(api: Api, warehouse: Warehouse) -> None:
    answer = ask(api)
    assert answer.status_code == 503 and "watermark" in answer.json()["detail"]
    answer = ask(api, until=text(NOW))
    assert answer.status_code == 200 and answer.json()["rows"] == [] and answer.json()["total"]["points"] is None


def test_pages_hold_whole_cases_and_together_everything(filled: Warehouse) -> None:
    def rows(client: Client, size: int) -> Iterator[list[tuple[Any, ...]]]:
        for columns in pages(client, FROM, TO, NOW, size):
            yield list(zip(*columns, strict=True))

    (whole,) = rows(filled.client, 5_000)
    parts = list(rows(filled.client, 40))
    assert len(parts) > 8 and [row for part in parts for row in part] == whole
    assert all(one[-1][0] < other[0][0] for one, other in pairwise(parts))
    assert len({row[:3] for row in whole}) == len(whole), "one row a key"


def test_on_the_command_line(filled: Warehouse, lines: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(NEW)
    (tmp_path / "base.yaml").write_text(BASE)
    env = os.environ | {"CONTACTPULSE_CLICKHOUSE": filled.settings.clickhouse.get_secret_value(), "COLUMNS": "200"}
    span = ("--from", text(FROM), "--to", text(TO))
    command = [sys.executable, "-m", "services.cli", "what-if", "--policy", str(tmp_path / "new.yaml"), *span]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], capture_output=True, text=True, env=env, check=False)

    flips = tmp_path / "flips.csv"
    done = run("--base", str(tmp_path / "base.yaml"), "--flips", str(flips))
    assert done.returncode == 0, done.stderr
    after = lived(lines, NEW, tmp_path / "new")
    assert f"{100 * after['first_response']['compliance']:.2f} %" in done.stdout
    with flips.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert f"{len(written):,} clocks are judged differently" in done.stdout
    assert {row["clock"] for row in written} >= {"connect", "first_response"}

    refused = run("--flips", str(tmp_path / "no" / "flips.csv"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "flips.csv: cannot be written" in refused.stderr and len(refused.stderr.splitlines()) == 1
    env["CONTACTPULSE_CLICKHOUSE"] = "http://someone:hush@127.0.0.1:9/db"
    away = run()
    assert away.returncode == 1 and "ClickHouse" in away.stderr and "hush" not in away.stderr


def read_stream(body: str) -> Iterator[tuple[str, Any]]:
    """Names and data of server-sent events."""
    for block in body.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])
