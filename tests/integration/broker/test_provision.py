"""Topics are made explicitly, with the partitions and promises the product relies on."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from schemas.errors import InputError, WorkFailed
from schemas.settings import Settings
from schemas.topics import StateTopic, Topic
from services.local.ports import free_port
from services.provision import ensure_topics
from tests.support.kafka import RunningBroker, fresh_prefix


def test_every_topic_gets_the_partitions_of_the_settings(settings: Settings) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka)) as admin:
        found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    assert {name: count for name, count in found.items() if name.startswith(settings.topic_prefix)} == {
        settings.topic(topic): 4 for topic in (*Topic, *StateTopic)
    }


def test_several_processes_may_provision_at_once_and_again(broker: RunningBroker) -> None:
    settings = Settings(kafka=broker.bootstrap, topic_prefix=fresh_prefix(), partitions=3)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_topics(settings), range(4)))
    with capture_logs() as logs:
        ensure_topics(settings)
    assert logs == []


def test_another_number_of_partitions_is_refused_by_name(settings: Settings) -> None:
    other = settings.model_copy(update={"partitions": 5})
    with pytest.raises(InputError, match=r"contact\.events.* has 4 partitions, CONTACTPULSE_PARTITIONS says 5"):
        ensure_topics(other)


def test_a_broker_that_is_away_is_named() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(WorkFailed, match=f"Kafka at {address} does not answer"):
        ensure_topics(Settings(kafka=address), timeout_s=0.2)


def test_kafka_keeps_events_by_time_of_appending(kafka: RunningBroker) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=fresh_prefix(), events_retention_h=2)
    ensure_topics(settings)
    name = settings.topic(Topic.EVENTS)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap)) as admin:
        config = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])["topic"][name]
    assert {key: entry["value"] for key, entry in config.items()} == {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "7200000",
        "segment.ms": "3600000",
        "max.message.bytes": "8388608",
    }


def test_a_topic_that_keeps_less_than_asked_for_is_named(kafka: RunningBroker) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=fresh_prefix(), events_retention_h=2)
    ensure_topics(settings)
    with capture_logs() as logs:
        ensure_topics(settings.model_copy(update={"events_retention_h": 4}))
    assert [(entry["topic"], entry["key"], entry["broker"], entry["ours"]) for entry in logs] == [
        (settings.topic(Topic.EVENTS), "retention.ms", "7200000", "14400000")
    ]


def test_more_copies_than_brokers_is_refused(kafka: RunningBroker) -> None:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=fresh_prefix(), replication_factor=3)
    with pytest.raises(InputError, match=r"refuses topic .*replication factor of 3"):
        ensure_topics(settings)
