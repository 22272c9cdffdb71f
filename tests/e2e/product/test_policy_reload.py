"""A policy edited while the product runs: a good one takes hold of running clocks, a bad one changes nothing."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.policies import BAD
from tests.support.product import KEY, Product, start_product, wait_for

pytestmark = pytest.mark.slow
POLICY = """
version: 1
policies:
  - name: %s
    clocks:
      resolution: {target: %s, warn_at: [0.5]}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY % ("first", "24h"), encoding="utf-8")
    return path


@pytest.fixture
def product(tmp_path: Path, policy: Path) -> Iterator[Product]:
    running = start_product(tmp_path / "data", "--no-demo", "--policy", str(policy))
    yield running
    assert running.stop() == []


def push(product: Product, *events: dict[str, Any]) -> None:
    body = "\n".join(json.dumps(event) for event in events).encode()
    headers = {"X-API-Key": KEY, "Content-Type": "application/x-ndjson"}
    with urllib.request.urlopen(urllib.request.Request(f"{product.url}/v1/events", body, headers)) as answer:
        assert answer.status == 202


def clock(product: Product) -> dict[str, Any]:
    """The one clock of the case; nothing while it is not there yet."""
    rows = product.get("/v1/sla/compliance", window="1h", clock="resolution")["rows"]
    clocks: list[dict[str, Any]] = product.get("/v1/cases/c")["clocks"] if rows else []
    return clocks[0] if clocks else {}


def timeline(product: Product) -> list[tuple[str, str | None, str]]:
    """What happened to the case's clock: what, by which event, why."""
    steps = product.get("/v1/cases/c")["timeline"]
    return [(step["what"], step["event_id"], step["reason"]) for step in steps]


def test_a_policy_is_edited_while_a_clock_runs(product: Product, policy: Path) -> None:
    opened = datetime.now(UTC) - timedelta(minutes=30)
    push(
        product,
        {
            "event_id": "1",
            "type": "contact.opened",
            "occurred_at": opened.isoformat(),
            "case_id": "c",
            "channel": "email",
        },
    )
    wait_for(lambda: clock(product).get("policy") == "first", 20, "the clock to run under the first policy")

    policy.write_text(POLICY % ("second", "40m"), encoding="utf-8")
    wait_for(lambda: clock(product).get("policy") == "second", 20, "the clock to have the second policy's target")
    record = clock(product)
    assert (record["state"], record["target_s"], record["warned"]) == ("running", 2400.0, 0.5)
    # The story goes as far as the watermark, which comes about a second after what it vouches for.
    story = [("started", "1", "first"), ("retargeted", None, "second")]
    wait_for(lambda: timeline(product) == story, 20, "the story to tell of the second policy")
    # Every process looks once a second: of two edits within one it would see the later only.
    wait_for(lambda: product.get("/v1/policy")["policies"] == ["second"], 20, "the API to have read the second policy")

    policy.write_text(POLICY % ("third", "soon"), encoding="utf-8")
    wait_for(lambda: product.get("/v1/policy")["refused"], 20, "the third policy to be refused")
    assert f"{policy}:6: " in product.get("/v1/policy")["refused"]
    assert product.get("/v1/policy")["policies"] == ["second"]
    policy.write_bytes(BAD["maps nested 3,000 deep"])
    wait_for(lambda: "in each other" in product.get("/v1/policy")["refused"], 20, "the nested policy to be refused")
    assert product.get("/v1/policy")["policies"] == ["second"]
    product.kill_part("worker")  # one that starts beside the bad file goes on with the good one

    push(product, {"event_id": "2", "type": "contact.resolved", "occurred_at": datetime.now(UTC).isoformat(),
                   "case_id": "c"})  # fmt: skip
    wait_for(lambda: clock(product).get("state") == "met", 40, "the clock to be met under the second policy")
    assert clock(product)["policy"] == "second"
