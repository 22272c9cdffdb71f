"""The worker's Faust app: membership, partitions, and for each of the two stages an agent.

The first stage judges cases by their events; the second adds up what spans the cases of a customer.
"""

import time
from typing import Any

import faust
from yarl import URL

from schemas.policy_watch import PolicyWatch, kept_policy
from schemas.settings import Settings
from schemas.topics import StateTopic, Topic
from streams import watchdog
from streams.agent import Load, PartitionAgent
from streams.customer_partition import CustomerPartition
from streams.metrics import WorkerMetrics
from streams.partition import SourcePartition
from streams.stage import Retention
from streams.transport import Transport


def wall_clock() -> int:
    """Milliseconds since 1970: the only place where the stream part reads the time of day."""
    return time.time_ns() // 1_000_000


def create_app(settings: Settings, metrics: WorkerMetrics | None = None) -> faust.App:
    """The worker's app, ready for `faust -A streams.app worker` or `contactpulse worker`.

    The topics must exist (`services.provision`). Raises `PolicyError`.
    """
    policy = PolicyWatch(settings.policy, kept_policy(settings.data_dir))
    brokers = [URL(f"kafka://{address.strip()}") for address in settings.kafka.split(",")]
    directory = settings.data_dir / "worker"
    directory.mkdir(parents=True, exist_ok=True)  # Faust makes only the last part of the path
    app = faust.App(
        f"{settings.topic_prefix}contactpulse-worker",
        broker=brokers,
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        stream_buffer_maxsize=4096,  # never reached: see QUEUE_CHUNKS
        stream_publish_on_commit=False,
        stream_recovery_delay=0.0,
        producer_linger=0.005,
        producer_max_request_size=8_000_000,
        producer_compression_type="zstd",  # level 3: four times as fast as aiokafka's lz4, which is at level 9
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_max_poll_interval=300.0,
        web_enabled=False,
        datadir=str(directory),
    )
    app.transport = Transport(brokers, app)
    retention = Retention(round(settings.retain_h * 3_600_000))
    lateness_ms = round(settings.lateness_s * 1000)

    def stage(name: str, source: Topic, changelog: StateTopic, load: Load) -> PartitionAgent:
        # acks=False: Faust's tracking of unacknowledged offsets stalls on chunks; the checkpoint commits instead.
        topic = app.topic(settings.topic(source), key_serializer="raw", value_serializer="raw", acks=False,
                          partitions=settings.partitions)  # fmt: skip
        agent = PartitionAgent(app, settings, policy, source, changelog, load, wall_clock)
        app.on_partitions_revoked.connect(agent.on_revoked)  # type: ignore[arg-type]
        app.on_partitions_assigned.connect(agent.on_assigned)  # type: ignore[arg-type]
        app.agent(topic, name=name, concurrency=1)(agent.run)
        return agent

    cases = stage(
        "partitions", Topic.EVENTS, StateTopic.CHECKPOINTS,
        lambda number, read, now: SourcePartition(
            number, settings.partitions, policy.file, retention, read, now, lateness_ms, settings.drain_undecodable
        ),
    )  # fmt: skip
    customers = stage(
        "customers", Topic.CUSTOMERS, StateTopic.CUSTOMER_CHECKPOINTS,
        lambda number, read, now: CustomerPartition(number, settings.partitions, retention, read, now),
    )  # fmt: skip

    async def watched() -> None:
        consumer: Any = app.consumer

        def look() -> watchdog.View:
            alive = {tp: at for agent in (cases, customers) for tp, at in list(agent.alive_at.items())}
            standings = {tp: watchdog.Standing(at, consumer.reached.get(tp, -1)) for tp, at in alive.items()}
            return watchdog.View(standings, consumer.joined)

        watchdog.start(settings.kafka, look)

    app.task(watched)
    if metrics is not None:
        metrics.refused = lambda: policy.refused is not None
        metrics.stages = lambda: [owned.partition for agent in (cases, customers) for owned in agent.owned.values()]
    return app
