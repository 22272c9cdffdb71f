"""`contactpulse worker`: one Faust worker process."""

import sys

import faust

from schemas.settings import Settings
from streams.factory import create_app


def run(settings: Settings) -> None:
    """Runs a worker until SIGINT or SIGTERM. Raises `PolicyError`."""
    app = create_app(settings)
    worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False, override_logging=False)
    sys.exit(worker.execute_from_commandline())
