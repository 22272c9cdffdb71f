"""Creates the Kafka topics before anything uses them. Every process may call this; doing it again changes nothing."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import structlog
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from schemas.errors import InputError, WorkFailed
from schemas.settings import Settings
from schemas.topics import StateTopic, Topic

MAX_RECORD_BYTES = 8 * 2**20
"""Largest record batch that the product's topics take: one packed record of a chunk or of a request."""
DEAD_HEADROOM_BYTES = 64 * 2**10
"""A dead letter holds a whole record of another topic, and says beside it where it came from."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DERIVED_RETENTION_MS = 7 * DAY_MS
"""Outcomes and rollups: as long as a store may be away before it has to be filled again from the events."""
WATERMARKS_RETENTION_MS = DAY_MS
"""Only the newest one of each partition matters."""
DEAD_RETENTION_MS = 30 * DAY_MS
"""Somebody has to look at dead letters, mend their source and send them again."""

STATE = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(MAX_RECORD_BYTES),
    # Only closed segments are compacted, and all that is there is read when a partition is taken over.
    "segment.bytes": str(32 * 2**20),
    "min.cleanable.dirty.ratio": "0.3",
}

_PROMISES = ("cleanup.policy", "retention.ms", "message.timestamp.type", "max.message.bytes")
"""Settings of a topic that the product relies on."""


def topic_configs(settings: Settings) -> Mapping[Topic | StateTopic, Mapping[str, str]]:
    """The broker-side configuration of every topic."""
    events_ms = round(settings.events_retention_h * HOUR_MS)
    retention_ms = {
        Topic.EVENTS: events_ms,
        Topic.DEAD: max(DEAD_RETENTION_MS, events_ms),
        Topic.OUTCOMES: DERIVED_RETENTION_MS,
        Topic.ROLLUPS: DERIVED_RETENTION_MS,
        Topic.CUSTOMERS: DERIVED_RETENTION_MS,
        Topic.WATERMARKS: WATERMARKS_RETENTION_MS,
        Topic.POLICIES: DERIVED_RETENTION_MS,
    }
    configs: dict[Topic | StateTopic, dict[str, str]] = {t: _config(t, kept) for t, kept in retention_ms.items()}
    return configs | dict.fromkeys(StateTopic, STATE)


def _config(topic: Topic, retention_ms: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        # Time of appending: an imported event from last year is kept as long as one of today.
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_RECORD_BYTES + (DEAD_HEADROOM_BYTES if topic is Topic.DEAD else 0)),
        # Only whole segments are deleted; smaller steps keep the disk near what the retention promises.
        "segment.ms": str(max(HOUR_MS, min(DAY_MS, retention_ms // 7))),
    }


def ensure_topics(settings: Settings, *, timeout_s: float = 30.0) -> None:
    """Creates the topics that are missing and waits until each partition has a leader.

    A topic that exists keeps its configuration; a difference from ours is logged. Raises InputError where one has
    another number of partitions than `settings.partitions` (cases would change their partition) or where the broker
    refuses what is asked for, WorkFailed where the broker does not answer within `timeout_s`.
    """
    wanted = {settings.topic(topic): dict(config) for topic, config in topic_configs(settings).items()}
    try:
        with closing(_connect(settings, timeout_s)) as admin:
            existing = {topic["name"] for topic in admin.describe_topics()}
            _create(admin, settings, {name: config for name, config in wanted.items() if name not in existing})
            admin.wait_for_topics(list(wanted), timeout_ms=round(timeout_s * 1000))
            _check_partitions(settings, [topic for topic in admin.describe_topics() if topic["name"] in wanted])
            _name_differences(admin, {name: config for name, config in wanted.items() if name in existing})
    except KafkaError as error:
        raise WorkFailed(f"Kafka at {settings.kafka} cannot be set up: {error}") from error


def _connect(settings: Settings, timeout_s: float) -> KafkaAdminClient:
    try:
        return KafkaAdminClient(
            bootstrap_servers=settings.kafka.split(","), bootstrap_timeout_ms=round(timeout_s * 1000)
        )
    except KafkaError as error:
        raise WorkFailed(f"Kafka at {settings.kafka} does not answer: {error}") from error


def _create(admin: KafkaAdminClient, settings: Settings, configs: Mapping[str, dict[str, str]]) -> None:
    if not configs:
        return
    topics = {
        name: {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication_factor,
            "configs": config,
        }
        for name, config in configs.items()
    }
    response = admin.create_topics(topics, raise_errors=False)
    for topic in response["topics"]:
        error = for_code(topic["error_code"])
        said = topic.get("error_message") or error.description
        if error in (InvalidReplicationFactorError, PolicyViolationError, TopicAuthorizationFailedError):
            raise InputError(f"Kafka at {settings.kafka} refuses topic {topic['name']}: {said}")
        if topic["error_code"] and error is not TopicAlreadyExistsError:  # another process was quicker: as good
            raise WorkFailed(f"Kafka at {settings.kafka} cannot create topic {topic['name']}: {said}")


def _check_partitions(settings: Settings, topics: list[dict[str, Any]]) -> None:
    events = settings.topic(Topic.EVENTS)
    for topic in sorted(topics, key=lambda topic: (topic["name"] != events, str(topic["name"]))):
        count = len(topic["partitions"])
        if count != settings.partitions:
            raise InputError(
                f"topic {topic['name']} at {settings.kafka} has {count} partitions, CONTACTPULSE_PARTITIONS says "
                f"{settings.partitions}: set it to {count}, or another CONTACTPULSE_TOPIC_PREFIX"
            )


def _name_differences(admin: KafkaAdminClient, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Logs where an existing topic is set otherwise than ours would be: an operator may mean it, and should know."""
    if not wanted:
        return
    try:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
        described = admin.describe_configs(resources, config_filter="all")
    except KafkaError:  # not every account may read it, and not every broker tells it
        return
    for name, config in wanted.items():
        actual = described.get("topic", {}).get(name, {})
        for key in (key for key in _PROMISES if key in config):
            ours = config[key]
            theirs = actual.get(key, {}).get("value", ours)
            if theirs != ours:
                structlog.get_logger().warning("topic_config_differs", topic=name, key=key, broker=theirs, ours=ours)
