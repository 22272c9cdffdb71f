"""Producers that write in transactions leave markers behind their records: offsets that hold nothing to apply."""

import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from schemas.routing import partition_of
from schemas.topics import Topic
from tests.support.kafka import RunningBroker
from tests.support.stream import Worker, environment, fresh_settings, newest_outcomes

pytestmark = pytest.mark.slow


def test_a_deadline_is_noticed_behind_a_transactions_marker(kafka: RunningBroker, tmp_path: Path) -> None:
    settings = fresh_settings(kafka, tmp_path)
    policy = {"version": 1, "policies": [{"name": "all", "clocks": {"connect": {"target": "2s"}}}]}
    (tmp_path / "policy.yaml").write_bytes(msgspec.json.encode(policy))
    worker = Worker(environment(settings), tmp_path / "worker.log")
    try:
        producer = Producer({"bootstrap.servers": settings.kafka, "transactional.id": settings.topic_prefix})
        producer.init_transactions(30)
        producer.begin_transaction()
        now = datetime.now(UTC).isoformat()
        for number in range(settings.partitions * 3):
            case = f"case-{number}"
            event = {"event_id": "1", "type": "contact.opened", "occurred_at": now, "case_id": case, "channel": "chat"}
            home = partition_of(case, settings.partitions)
            producer.produce(settings.topic(Topic.EVENTS), msgspec.json.encode(event), case.encode(), home)
        producer.commit_transaction(30)
        # Nothing comes after the marker: the wall clock alone must bring the deadlines.
        end = time.monotonic() + 60
        states: list[str] = []
        while states != ["breached"] * (settings.partitions * 3):
            assert time.monotonic() < end, states
            time.sleep(0.25)
            states = [row["state"] for row in newest_outcomes(settings).values()]
    finally:
        worker.close()
