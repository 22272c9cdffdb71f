"""The worker's Faust app: membership, partitions, the changelogged table, one agent round the engine."""

import time

import faust
from yarl import URL

from schemas.policy_watch import PolicyWatch
from schemas.settings import Settings
from schemas.topics import Topic
from streams.agent import PartitionAgent
from streams.metrics import WorkerMetrics
from streams.partition import Retention
from streams.transport import Transport


def wall_clock() -> int:
    """Milliseconds since 1970: the only place where the stream part reads the time of day."""
    return time.time_ns() // 1_000_000


def create_app(settings: Settings, metrics: WorkerMetrics | None = None) -> faust.App:
    """The worker's app, ready for `faust -A streams.app worker` or `contactpulse worker`.

    The topics must exist (`services.provision`). Raises `PolicyError`.
    """
    policy = PolicyWatch(settings.policy, settings.data_dir / "worker" / "policy-in-force.yaml")
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
        stream_buffer_maxsize=64,
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
    transport = Transport(brokers, app)
    transport.source_topic = settings.topic(Topic.EVENTS)
    app.transport = transport
    # acks=False: Faust's tracking of unacknowledged offsets stalls on chunks; the checkpoint commits instead.
    source = app.topic(settings.topic(Topic.EVENTS), key_serializer="raw", value_serializer="raw", acks=False,
                       partitions=settings.partitions)  # fmt: skip
    table = app.Table("checkpoints", partitions=settings.partitions, key_type=bytes, value_type=bytes)
    retention = Retention(round(settings.retain_h * 3_600_000))
    agent = PartitionAgent(app, settings, policy, retention, table, wall_clock)
    if metrics is not None:
        metrics.refused = lambda: policy.refused is not None
        metrics.partitions = lambda: [owned.partition for owned in agent.owned.values()]
    app.on_partitions_revoked.connect(agent.on_revoked)  # type: ignore[arg-type]
    app.agent(source, name="partitions", concurrency=1)(agent.run)
    return app
