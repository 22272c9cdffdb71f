"""The door and a real broker: 202 means the events are in the topic, in the right partitions, whatever happens."""

import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import Topic
from services.ingest.app import create_app
from services.ingest.limits import IngestSettings
from services.provision import ensure_topics
from tests.integration.ingest.conftest import KEY, eventually, serving
from tests.support.kafka import RunningBroker, fresh_prefix, start_kafka

NDJSON = {"Content-Type": "application/x-ndjson"}


def events(count: int, run: str = "e", **fields: Any) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return [
        {"event_id": f"{run}{at}", "type": "contact.queued", "occurred_at": now, "case_id": f"案{at % 997}", **fields}
        for at in range(count)
    ]


def ndjson(events: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(event, ensure_ascii=False) for event in events).encode()


def settings_for(broker: RunningBroker) -> Settings:
    return Settings(kafka=broker.bootstrap, api_key=KEY, topic_prefix=fresh_prefix(), partitions=5)


def read_all(settings: Settings) -> dict[int, list[Any]]:
    """All records of the events topic, by partition."""
    topic = settings.topic(Topic.EVENTS)
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        records: dict[int, list[Any]] = {partition.partition: [] for partition in partitions}
        until = time.monotonic() + 20
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            assert time.monotonic() < until
            for partition, batch in consumer.poll(timeout_ms=200).items():
                records[partition.partition].extend(batch)
        return records
    finally:
        consumer.close()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[RunningBroker]:
    """A broker of the test's own, to be killed."""
    running = start_kafka(tmp_path / "kafka")
    yield running
    running.stop()


def test_accepted_events_are_in_the_topic_packed_in_their_cases_partitions(kafka: RunningBroker) -> None:
    settings = settings_for(kafka)
    ensure_topics(settings)
    sent = events(5000, note="x" * 700)
    with serving(create_app(settings)) as door:
        eventually(lambda: door.get("/readyz").status_code == 200)
        answer = door.post("/v1/events", content=ndjson(sent), headers=NDJSON)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 5000)
    records = read_all(settings)
    for partition, packed in records.items():
        assert 1 <= len(packed) <= 3
        assert all(record.headers == [("packed", b"1")] and record.key is None for record in packed)
        got = [json.loads(line) for record in packed for line in record.value.split(b"\n")]
        assert got == [event for event in sent if partition_of(event["case_id"], 5) == partition]


def test_the_largest_event_passes(kafka: RunningBroker) -> None:
    settings = settings_for(kafka)
    ensure_topics(settings)
    (event,) = events(1)
    # Hexadecimal noise packs badly: the record is not much smaller than the event.
    noise = os.urandom(480_000).hex()
    with serving(create_app(settings)) as door:
        answer = door.post("/v1/events", json={**event, "note": noise})
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        too_large = door.post("/v1/events", json=[{**event, "note": noise + "x" * 50_000}, event])
        assert (too_large.json()["accepted"], [one["index"] for one in too_large.json()["rejected"]]) == (1, [0])


def test_killed_and_restarted_brokers_are_503_and_then_202_and_nothing_acknowledged_is_lost(
    own_kafka: RunningBroker,
) -> None:
    settings = settings_for(own_kafka)
    ensure_topics(settings)
    with serving(create_app(settings, ingest=IngestSettings(publish_timeout_s=2))) as door:
        eventually(lambda: door.get("/readyz").status_code == 200)
        assert door.post("/v1/events", content=ndjson(events(100, "before-")), headers=NDJSON).status_code == 202

        own_kafka.kill()
        # The client gives up after 20 s: an answer at all says that the door's 2 s hold, not the broker client's 120.
        refused = door.post("/v1/events", content=ndjson(events(100, "during-")), headers=NDJSON)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        eventually(lambda: door.get("/readyz").status_code == 503)
        assert "Kafka" in door.get("/readyz").json()["missing"][0]
        known = door.post("/v1/events", json=events(1)[0])
        assert known.status_code == 503
        assert "is away" in known.json()["detail"], "it waited for a broker that is known to be away"
        assert "contactpulse_ingest_broker_up 0.0" in door.get("/metrics").text

        own_kafka.restart()
        eventually(lambda: door.get("/readyz").status_code == 200)
        assert door.post("/v1/events", content=ndjson(events(100, "after-")), headers=NDJSON).status_code == 202
    ids = {json.loads(line)["event_id"] for packed in read_all(settings).values()
           for record in packed for line in record.value.split(b"\n")}  # fmt: skip
    assert {f"{run}-{at}" for run in ("before", "after") for at in range(100)} <= ids


def test_an_idle_door_notices_that_the_broker_is_gone(own_kafka: RunningBroker) -> None:
    settings = settings_for(own_kafka)
    ensure_topics(settings)
    with serving(create_app(settings)) as door:
        eventually(lambda: door.get("/readyz").status_code == 200)
        own_kafka.kill()
        eventually(lambda: door.get("/readyz").status_code == 503, within_s=8)
        own_kafka.restart()
        eventually(lambda: door.get("/readyz").status_code == 200)
        assert door.post("/v1/events", json=events(1)[0]).status_code == 202


def test_without_a_broker_the_service_starts_and_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with serving(create_app(Settings(kafka=f"127.0.0.1:{port}", api_key=KEY))) as door:
        assert door.get("/healthz").status_code == 200
        assert str(port) in door.get("/readyz").json()["detail"]
        assert door.post("/v1/events", json=events(1)[0]).status_code == 503


def test_a_missing_topic_is_named_and_waited_for(kafka: RunningBroker) -> None:
    settings = settings_for(kafka)
    with serving(create_app(settings)) as door:
        assert settings.topic(Topic.EVENTS) in door.get("/readyz").json()["detail"]
        ensure_topics(settings)
        eventually(lambda: httpx.get(f"{door.base_url}/readyz").status_code == 200)
        assert door.post("/v1/events", json=events(1)[0]).status_code == 202
