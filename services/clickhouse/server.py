"""The embedded ClickHouse: `serve` runs the whole process."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from services.clickhouse.config import Limits
from services.clickhouse.engine import Engine
from services.clickhouse.listener import ClickHouseServer
from services.clickhouse.lock import directory_lock
from services.clickhouse.stopping import stop_signals
from services.clickhouse.users import Users

log = structlog.get_logger(__name__)

DATABASE = "contactpulse"


def serve(
    path: Path,
    host: str,
    port: int,
    password: str,
    grafana_password: str,
    *,
    on_ready: Callable[[int], None] | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve the data directory `path` until SIGINT or SIGTERM; call from the main thread of a process of its own.

    `password` is that of the full user `default`, `grafana_password` that of the read-only user `grafana`. Port 0 takes
    a free one; `on_ready` is told the port once requests are answered. The database `contactpulse` exists then.

    Sets the process's time zone to UTC: a plain DateTime comes back in the zone of the process. Raises WorkFailed where
    the directory is in use or cannot be opened or the address cannot be had, InputError for a path that the engine
    cannot take.
    """
    # Before the engine is loaded: it reads the zone once.
    os.environ["TZ"] = "UTC"
    time.tzset()
    limits = limits or Limits()
    with directory_lock(path), ClickHouseServer(host, port, Users(password, grafana_password), limits) as server:
        engine = Engine(path, limits)
        # Only now: the engine brings signal handlers of its own.
        with stop_signals() as wait:
            try:
                engine.create_database(DATABASE)
                server.open(engine)
                log.info("clickhouse_ready", host=host, port=server.port, path=str(path), version=engine.version)
                if on_ready is not None:
                    on_ready(server.port)
                log.info("clickhouse_stopping", signal=wait().name)
                server.stop()
            finally:
                engine.close()
    log.info("clickhouse_stopped")
