"""`contactpulse worker`: one Faust worker process."""

import sys

import faust
from prometheus_client import start_http_server

from schemas.settings import Settings
from streams.factory import create_app
from streams.metrics import WorkerMetrics


def run(settings: Settings, *, metrics_port: int | None = None, metrics_host: str = "127.0.0.1") -> None:
    """Runs a worker until SIGINT or SIGTERM; serves Prometheus metrics where a port is given.

    Raises `PolicyError`.
    """
    metrics = WorkerMetrics()
    app = create_app(settings, metrics=metrics)
    if metrics_port is not None:
        start_http_server(metrics_port, metrics_host, registry=metrics.registry)
    worker = faust.Worker(app, loglevel=None, redirect_stdouts=False, override_logging=False)
    sys.exit(worker.execute_from_commandline())
