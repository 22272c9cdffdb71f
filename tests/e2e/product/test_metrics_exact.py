"""Every metric of the running product against the slow oracle over the raw events, in one, four and sixteen partitions:
a day of the demo operation, calls of the bank, random histories; late, doubled and out of order. And the same numbers
again after the slices were lost and rebuilt from the events while the product went on."""

import json
import random
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import msgspec
import pytest
import yaml

from schemas.metrics import CATALOGUE, Source
from services.convert.anonymous_bank import Counts, convert
from services.convert.source import read_lines
from services.demo.operation import Operation
from tests.oracles import histories, metric_histories
from tests.oracles.contract import Json, parse, show
from tests.oracles.formulas import Answer
from tests.oracles.metrics import Reading
from tests.support.product import KEY, ROOT, Product, start_product, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

POLICY = """
version: 1
calendars:
  office: {timezone: Asia/Shanghai, hours: {mon: ["09:00-18:00"], tue: ["09:00-18:00"], wed: ["09:00-18:00"],
           thu: ["09:00-18:00"], fri: ["09:00-18:00"], sat: ["10:00-14:00"]}}
policies:
  - name: vip
    match: {customer_tier: [vip]}
    clocks: {connect: {target: 15s}, first_response: {target: 5m}, resolution: {target: 2h, pause_on: [customer]}}
  - name: all
    clocks:
      connect: {target: 60s}
      first_response: {target: 30m, calendar: office}
      next_response: {target: 30m}
      resolution: {target: 4h, calendar: office, pause_on: [customer]}
      complaint_ack: {target: 2h}
      complaint_feedback: {target: 6h}
      callback: {}
metrics: {repeat_window: 24h, short_abandon: 5s, answer_within: 20s}
"""
SLICE_TABLES = (
    *("clock_slices", "clock_hours", "clock_days", "contact_slices", "contact_hours", "contact_days"),
    *("tiers", "slice_touches"),
)


def history(seed: int, end: datetime) -> list[Json]:
    """Events of all three kinds that end before `end`, in an order of arrival."""
    rng = random.Random(seed)
    begin = int((end - timedelta(hours=25)).timestamp()) * 1000
    events: list[Json] = Operation(seed, begin, rate=0.012).advance(begin + 24 * 3_600_000)
    log = ROOT / "tests" / "data" / "anonymous_bank_1999-02-02.tsv.gz"
    days = (end.date() - date(1999, 2, 4)) // timedelta(days=1) * timedelta(days=1)
    for call in list(convert(read_lines(log), Counts(), "log"))[:400]:
        events.append(call | {"occurred_at": show(parse(call["occurred_at"]) + days)})
    for number in range(2):
        for event in metric_histories.history(rng, "24h", most=10, cases=5):
            apart = {"event_id": f"r{number}-{event['event_id']}"}
            apart |= {name: f"r{number}-{event[name]}" for name in ("case_id", "agent_id") if event.get(name)}
            events.append(event | apart)
    events += [event for event in events if rng.randrange(10) == 0]
    return histories.arrivals(rng, events)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture
def product(partitions: int, tmp_path: Path, policy: Path) -> Iterator[Product]:
    env = {"CONTACTPULSE_PARTITIONS": str(partitions)}
    running = start_product(tmp_path / "data", "--no-demo", "--policy", str(policy), env=env)
    yield running
    assert running.stop() == []


def push(product: Product, events: Sequence[Json]) -> None:
    for first in range(0, len(events), 2_000):
        body = b"\n".join(msgspec.json.encode(event) for event in events[first : first + 2_000])
        headers = {"X-API-Key": KEY, "Content-Type": "application/x-ndjson"}
        with urllib.request.urlopen(urllib.request.Request(f"{product.url}/v1/events", body, headers)) as answer:
            assert json.load(answer)["rejected"] == []


FIRST = ("contacts_opened", "contacts_resolved", "sla_compliance", "repeat_contact_rate", "fcr", "occupancy", "backlog")
"""What is asked until all is in: metrics of each way that a number goes."""


def differences(
    product: Product,
    reading: Reading,
    begin: datetime,
    end: datetime,
    by: tuple[str, ...],
    ids: Iterable[str] = tuple(CATALOGUE),
) -> list[str]:
    """What the API says otherwise than the oracle, metric by metric."""
    wrong = []
    want = reading.metrics(begin, end, by)
    for id in ids:
        metric = CATALOGUE[id]
        open_now = metric.source is Source.OPEN
        since = end - timedelta(minutes=1) if open_now else begin
        answer = product.get(
            f"/v1/metrics/{id}", **{"from": show(since), "to": show(end)}, by=",".join(by) or None,
            step="1m" if open_now else None,
        )  # fmt: skip
        got = {tuple(row[name] for name in by): row for row in answer["rows"]}
        for group in want[id].keys() | got.keys():
            expected = want[id].get(group, Answer(None, 0, None, None))
            row = got.get(group, {"value": None, "n": 0, "ci": None})
            if not same(metric.quantile is not None and not open_now, expected, row):
                wrong.append(f"{id} {group}: got {row}, want {expected}")
    return wrong


def same(of_histogram: bool, want: Answer, row: dict[str, Any]) -> bool:
    """Whether an answer is the oracle's; a quantile within what a histogram promises."""
    value, n = row["value"], row["n"]
    if value in (None, 0) and want.value in (None, 0) and n == want.n == 0:
        return True  # a group in which only something else happened
    if value is None or want.value is None:
        return value is want.value and n == want.n
    near = 0.0101 if of_histogram else 1e-9
    return n == want.n and abs(value - want.value) <= near * max(1.0, abs(want.value))


def equal(product: Product, reading: Reading, begin: datetime, end: datetime) -> bool:
    """Waits until all that was pushed is in, and asserts that every metric is the oracle's."""
    wait_for(lambda: not differences(product, reading, begin, end, (), FIRST), 90, "all to be in", every=1.0)
    for by in ((), ("channel",), ("team", "priority")):
        assert differences(product, reading, begin, end, by) == []
    return True


@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_every_metric_is_the_oracles(product: Product, partitions: int) -> None:
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"the history is that of seed {seed}")  # shown where it fails
    events = history(seed, end)
    begin = min(parse(event["occurred_at"]) for event in events).replace(second=0, microsecond=0)
    push(product, events)
    reading = Reading(events, yaml.safe_load(POLICY), end)
    assert equal(product, reading, begin, end)
    if partitions == 4:
        lost_and_rebuilt(product, reading, begin, end)


def lost_and_rebuilt(product: Product, reading: Reading, begin: datetime, end: datetime) -> None:
    """All slices are lost; events go on; a rebuild brings the numbers of the last day back."""
    begin = end - timedelta(hours=28)
    stop = threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.wait(0.1):
            number += 1
            at = show(datetime.now(UTC))
            push(product, [{"event_id": f"l{number}", "type": "contact.opened", "occurred_at": at,
                            "case_id": f"live{number}", "channel": "sms", "customer_id": f"live{number}"}])  # fmt: skip

    password = (product.directory / "clickhouse-password").read_text().strip()
    port = json.loads((product.directory / "clickhouse-port.json").read_text())["http"]
    client = clickhouse_connect.get_client(dsn=f"http://default:{password}@127.0.0.1:{port}/contactpulse")
    for table in SLICE_TABLES:
        client.command(f"TRUNCATE TABLE {table}")
    client.close()
    assert differences(product, reading, begin, end, (), FIRST) != []
    traffic = threading.Thread(target=go_on)
    traffic.start()
    try:
        said = rebuild(product, begin, end)
    finally:
        stop.set()
        traffic.join()
    assert "corrected" in said
    assert equal(product, reading, begin, end)
    assert "the slices hold what the events say" in rebuild(product, begin, end, "--dry-run")


def rebuild(product: Product, begin: datetime, end: datetime, *options: str) -> str:
    command = [
        *(sys.executable, "-m", "services.cli", "rebuild", "--from", show(begin), "--to", show(end)),
        *("--data-dir", str(product.directory), *options),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
