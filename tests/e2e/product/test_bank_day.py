"""One real day of a bank's call centre through the whole product, compared with the log itself.

HTTP -> Kafka -> Faust -> ClickHouse -> API, against an oracle that counts the log's rows with code of its own.
"""

import gzip
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.convert.anonymous_bank import convert
from services.send.door import Door
from tests.oracles.bank import Totals, totals
from tests.support.product import KEY, Product, start_product, wait_for

LOG = Path(__file__).parents[2] / "data" / "anonymous_bank_1999-02-02.tsv.gz"
TARGETS_S = {"PS": 15, "NW": 30, "IN": 60, "NE": 90}
OTHERWISE_S = 20
DAY = {"from": "1999-02-02T00:00:00+02:00", "to": "1999-02-04T00:00:00+02:00"}
BATCH = 200
METRICS = tuple(Totals().metrics)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LOG.exists(), reason="the bank's log is not here; see tests/data/README.md"),
]


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    with gzip.open(LOG, "rt", encoding="utf-8") as lines:
        return list(convert(lines))


@pytest.fixture(scope="module")
def truth() -> dict[str, Totals]:
    return totals(LOG, TARGETS_S, OTHERWISE_S)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    rules = [
        f"  - name: {category}\n    match: {{category: [{category}]}}\n    clocks: {{connect: {{target: {target}s}}}}\n"
        for category, target in TARGETS_S.items()
    ]
    file = tmp_path / "bank.yaml"
    rest = f"  - name: rest\n    clocks: {{connect: {{target: {OTHERWISE_S}s}}}}\n"
    file.write_text(f"version: 1\npolicies:\n{''.join(rules)}{rest}")
    return file


@pytest.fixture
def product(tmp_path: Path, policy: Path) -> Iterator[Product]:
    running = start_product(tmp_path / "data", "--no-demo", "--policy", str(policy))
    yield running
    assert running.stop() == []


def push(product: Product, events: list[dict[str, Any]]) -> None:
    """Sends as a patient producer does: what was not acknowledged is sent again."""
    door = Door(product.url, KEY, 90.0, lambda trouble: None)
    try:
        for first in range(0, len(events), BATCH):
            batch = events[first : first + BATCH]
            answer = door.post("\n".join(json.dumps(event) for event in batch).encode(), len(batch))
            assert not answer.rejected
            assert answer.accepted == len(batch)
    finally:
        door.close()


def differences(product: Product, truth: dict[str, Totals]) -> list[str]:
    """Every number of the API that is not the log's."""
    found = []
    rows = product.get("/v1/sla/compliance", clock="connect", by="category", **DAY)["rows"]
    clocks = {row["category"]: row for row in rows}
    for category, expected in truth.items():
        if not category:
            continue
        row = clocks.get(category, {})
        for state in ("met", "breached", "cancelled"):
            if row.get(state, 0) != getattr(expected, state):
                found.append(f"{category} {state}: {row.get(state, 0)}, the log says {getattr(expected, state)}")
        for state in ("running", "paused"):
            if row.get(state, 0):
                found.append(f"{category}: {row[state]} {state}: ghosts")
    for metric in METRICS:
        values = {
            row["category"]: row["value"] for row in product.get(f"/v1/metrics/{metric}", by="category", **DAY)["rows"]
        }
        for category, expected in truth.items():
            want = expected.metrics[metric]
            got = values.get(category, 0 if metric.startswith("contacts_") else None) if category else None
            if category and (got != want if got is None or want is None else abs(got - want) > 1e-9):
                found.append(f"{category} {metric}: {got}, the log says {want}")
    return found


def settled(product: Product, truth: dict[str, Totals], timeout: float = 90) -> None:
    """Waits until the API says what the log says, and that it stays so."""
    last: list[str] = []

    def equal() -> bool:
        nonlocal last
        last = differences(product, truth)
        return not last

    try:
        wait_for(equal, timeout, "the API to agree with the log", every=0.5)
    except AssertionError:
        pytest.fail("\n".join(last[:20]))
    wait_for(lambda: not product.get("/v1/sla/compliance", window="24h")["rows"], 1, "nothing to be counted today")
    assert differences(product, truth) == []


def shuffled(events: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Out of order by up to ten minutes, and every tenth twice."""
    random_ = random.Random(seed)

    def arrival(event: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(event["occurred_at"]) + timedelta(seconds=random_.uniform(0, 600))

    deliveries = [(arrival(event), n, event) for n, event in enumerate(events)]
    deliveries += [(arrival(event), n, event) for n, event in enumerate(events) if n % 10 == 0]
    return [event for *_, event in sorted(deliveries, key=lambda d: d[:2])]


def test_a_day_as_it_happened(product: Product, events: list[dict[str, Any]], truth: dict[str, Totals]) -> None:
    push(product, events)
    settled(product, truth)


def test_a_day_shuffled_and_repeated_while_parts_are_killed(
    product: Product, events: list[dict[str, Any]], truth: dict[str, Totals]
) -> None:
    deliveries = shuffled(events, seed=7)
    quarter = len(deliveries) // 4
    for n, part in enumerate(("worker", "store", "clickhouse")):
        push(product, deliveries[n * quarter : (n + 1) * quarter])
        product.kill_part(part)
    push(product, deliveries[3 * quarter :])
    settled(product, truth)


def test_a_day_in_which_everything_is_killed_at_once(
    tmp_path: Path, policy: Path, events: list[dict[str, Any]], truth: dict[str, Totals]
) -> None:
    deliveries = shuffled(events, seed=8)
    half = len(deliveries) // 2
    options = ("--no-demo", "--policy", str(policy))
    first = start_product(tmp_path / "data", *options)
    push(first, deliveries[:half])
    first.kill_everything()
    second = start_product(tmp_path / "data", *options)
    push(second, deliveries[half:])
    settled(second, truth)
    assert second.stop() == []
