"""A real incident log, from its rows to verdicts, against an oracle that reads the rows with code of its own."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from schemas.policy import parse_policy
from services.convert.output import write_events
from services.convert.servicenow_incidents import convert
from services.convert.source import read_lines
from streams.replay import replay
from tests.oracles import servicenow
from tests.oracles.servicenow import Promise

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "tests" / "data" / "servicenow_incidents_2016-03.csv.gz"
PAGE = ROOT / "docs" / "incidents.md"
EXAMPLES = ROOT / "docs" / "examples"
OFFICE = (8, 18)
PROMISES = {
    "desk": {"L1": Promise(2 * 60), "L2": Promise(24 * 60, OFFICE), "L3": Promise(48 * 60, OFFICE)},
    "always": {"L1": Promise(2 * 60), "L2": Promise(24 * 60), "L3": Promise(48 * 60)},
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Outcomes of the sample by variant of the policy: as it stands, and counting around the clock throughout."""
    base = tmp_path_factory.mktemp("incidents")
    write_events(convert(read_lines(SAMPLE)), base / "incidents.ndjson")
    text = (EXAMPLES / "incidents-policy.yaml").read_text()
    for name, policy in (("desk", text), ("always", text.replace("calendar: desk, ", ""))):
        replay([base / "incidents.ndjson"], parse_policy(policy), base / name)
    return {name: base / name / "outcomes.ndjson" for name in PROMISES}


@pytest.mark.parametrize("variant", PROMISES)
def test_every_resolution_clock_is_as_the_oracle_reads_it_from_the_rows(
    variant: str, outcomes: dict[str, Path]
) -> None:
    fields = ("case_id", "seq", "state", "started_at", "stopped_at", "breached_at", "elapsed_s", "target_s")
    rows = [json.loads(line) for line in outcomes[variant].read_bytes().splitlines()]
    assert {row["clock"] for row in rows} == {"resolution"}
    got = {tuple(_minutes(field, row[field]) for field in fields) for row in rows}
    clocks = servicenow.resolutions(servicenow.read(SAMPLE), PROMISES[variant])
    want = {
        (
            clock.number, clock.seq, "met" if clock.breached is None else "breached", clock.started, clock.stopped,
            clock.breached, clock.elapsed, clock.promise.minutes,
        )
        for clock in clocks
    }  # fmt: skip
    assert len(got) == len(rows) == len(clocks) == 540
    assert got == want


@pytest.mark.parametrize(
    ("forgotten", "wrong"), [("waits for the customer", 62), ("waits for others", 2), ("changes of priority", 2)]
)
def test_the_sample_would_show_it_if_a_rule_were_forgotten(
    forgotten: str, wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = _verdicts(servicenow.read(SAMPLE))
    log = servicenow.read(SAMPLE)
    if forgotten == "changes of priority":
        for number, rows in log.incidents.items():
            log.incidents[number] = [{**row, "priority": rows[0]["priority"]} for row in rows]
    else:
        monkeypatch.setattr(servicenow, "ON_CUSTOMER" if "customer" in forgotten else "ON_OTHERS", set())
    assert sum(one != other for one, other in zip(right, _verdicts(log), strict=True)) == wrong


@pytest.mark.parametrize("variant", PROMISES)
def test_the_page_shows_what_the_script_prints(variant: str, outcomes: dict[str, Path]) -> None:
    command = [sys.executable, str(EXAMPLES / "made_sla.py"), str(SAMPLE), str(outcomes[variant])]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    page = PAGE.read_text()
    for table in printed.strip().split("\n\n"):
        assert table in page


def _verdicts(log: servicenow.Log) -> list[bool]:
    return [clock.breached is None for clock in servicenow.resolutions(log, PROMISES["always"])]


def _minutes(field: str, value: str | float | None) -> str | float | None:
    if field.endswith("_at") and isinstance(value, str):
        return datetime.fromisoformat(value).timestamp() / 60
    return value / 60 if field.endswith("_s") and isinstance(value, int | float) else value
