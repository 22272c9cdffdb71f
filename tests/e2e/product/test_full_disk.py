"""The disk of the data directory fills and is emptied again: every part says so, and goes on by itself."""

import itertools
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import KEY, Product, start_product, wait_for
from tests.support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "data", 400) as made:
        yield made


@pytest.fixture
def product(disk: SmallDisk) -> Iterator[Product]:
    running = start_product(disk.directory, "--no-demo")
    yield running
    assert running.stop() == []


class Producer:
    """Sends events one by one and notes which were accepted."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._numbers = itertools.count()
        self.accepted: set[str] = set()

    def push(self) -> tuple[int, str]:
        """Status and detail of the answer to one more event."""
        name = f"e{next(self._numbers)}"
        now = datetime.now(UTC).isoformat()
        event = {"event_id": name, "case_id": name, "type": "contact.opened", "channel": "chat", "occurred_at": now}
        status, answer = ask(self._product, "/v1/events", json.dumps(event).encode())
        if status == 202:
            self.accepted.add(name)
        return status, answer.get("detail", "")


def ask(product: Product, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(product.url + path, body, headers), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def stored(product: Product) -> set[str]:
    """Ids of the events in ClickHouse."""
    port = json.loads((product.directory / "clickhouse-port.json").read_text())["http"]
    headers = {
        "X-ClickHouse-User": "default",
        "X-ClickHouse-Key": (product.directory / "clickhouse-password").read_text().strip(),
    }
    query = urllib.request.Request(
        f"http://127.0.0.1:{port}/", b"SELECT DISTINCT event_id FROM contactpulse.events FORMAT TSV", headers
    )
    with urllib.request.urlopen(query, timeout=30) as answer:
        return set(answer.read().decode().split())


def test_a_full_disk_is_named_everywhere_and_nothing_accepted_is_lost(product: Product, disk: SmallDisk) -> None:
    def said() -> str:
        return Path(product.stderr.name).read_text(encoding="utf-8")

    producer = Producer(product)
    for _ in range(20):
        assert producer.push()[0] == 202
    disk.fill()
    wait_for(lambda: f"up: the disk is full, 0 MiB left in {disk.directory}: make room there" in said(), 30, "the line")

    # Kafka stops as soon as it must write; the door says why it takes nothing then, `up` why Kafka ended.
    _, detail = wait_for(lambda: told if (told := producer.push())[0] == 503 else None, 60, "the door to say 503")
    assert detail.startswith(f"the disk is full (0 MiB left in {disk.directory}), so Kafka cannot write: ")
    ended = re.compile(r"up: kafka ended with exit code \d+ \(No space left on device\)")
    wait_for(lambda: ended.search(said()), 60, "`up` to say why Kafka ended")
    status, ready = ask(product, "/readyz")
    assert status == 503 and f"disk: 0 MiB left in {disk.directory}" in ready["missing"]

    disk.free()
    wait_for(lambda: "up: the disk has room again" in said(), 30, "the line that there is room")
    wait_for(lambda: ask(product, "/readyz")[0] == 200, 120, "the product to be ready again")
    wait_for(lambda: producer.push()[0] == 202, 30, "the door to take events again")
    wait_for(lambda: producer.accepted <= stored(product), 60, "everything accepted to be stored")
