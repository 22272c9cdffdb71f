"""The process `contactpulse store`."""

import logging
import signal
from threading import Event
from types import FrameType

import structlog
from prometheus_client import start_http_server

from schemas.settings import Settings
from services import logs
from services.provision import ensure_topics
from services.store.metrics import StoreMetrics
from services.store.migrations import migrate
from services.store.pipeline import Pipeline
from services.store.retention import apply_retention
from services.store.tiers import Roller

log = structlog.get_logger()

GRACE_S = 2.0
"""How long a flush may go on after SIGTERM. An insert that hangs is given up, and repeated at the next start."""

ROLLER_GRACE_S = 0.3
"""How long to wait for the roller then. What it leaves half-done is done anew at the next start."""


class _Overdue(BaseException):
    """Raised into whatever the process is waiting for when the grace period is over."""


def run(settings: Settings, *, metrics_port: int | None = None, metrics_host: str = "127.0.0.1") -> None:
    """Migrate ClickHouse, then move rows from Kafka to it until SIGTERM or SIGINT; blocks. Call it in the main thread.

    Stops within three seconds of the signal, finishing the flush at hand if it can. Serves Prometheus metrics at
    `metrics_host`:`metrics_port` where a port is given. Raises `WorkFailed` when Kafka or ClickHouse does not answer
    within a minute of the start (afterwards it waits for them as long as it takes), `PartitionHalted` when ClickHouse
    refuses far too many rows.
    """
    logs.configure(settings, "store")
    for chatty in ("clickhouse_connect", "urllib3"):
        # They warn of every broken connection, with the whole request; the pipeline says it once a try, in one line.
        logging.getLogger(chatty).setLevel(logging.ERROR)
    stopping = Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise _Overdue

    signal.signal(signal.SIGALRM, give_up)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        metrics = StoreMetrics()
        if metrics_port is not None:
            start_http_server(metrics_port, metrics_host, registry=metrics.registry)
        migrate(settings)
        apply_retention(settings)
        ensure_topics(settings)
        pipeline = Pipeline(settings, metrics, stopping)
        roller = Roller(settings, metrics, stopping)
        roller.start()
        log.info("store is running", kafka=settings.kafka)
        try:
            pipeline.run()
        finally:
            stopping.set()
            roller.join(ROLLER_GRACE_S)
    except _Overdue:
        log.warning("stopped before the flush at hand was done; it is repeated at the next start")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
