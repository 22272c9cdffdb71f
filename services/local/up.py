"""`contactpulse up`: every part of the product on this machine, under one supervisor."""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import InputError, WorkFailed
from schemas.policy_watch import PolicyWatch, kept_policy
from schemas.settings import Settings
from services import logs
from services.local.broker import SESSION_TIMEOUT_S, START_TIMEOUT_S, Broker
from services.local.choose import choose_broker
from services.local.disk import DiskWatch
from services.local.parts import PROGRAM, Layout
from services.local.ports import free_port, is_free, kept_ports
from services.local.secrets import kept_secret
from services.local.signals import StopAsked, StopSignals
from services.local.supervisor import Part, Supervisor
from services.provision import ensure_topics

EMBEDDED = "embedded"
READY_TIMEOUT_S = 300.0
"""From the start of the product's own processes to /readyz: seconds usually; generous for a busy machine."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free one."""
    data_dir: Path = Path("contactpulse-data")
    demo: bool = False
    workers: int = 1
    kafka: str = EMBEDDED
    """`embedded`, or HOST:PORT,..."""
    clickhouse: str = EMBEDDED
    """`embedded`, or a URL as in CONTACTPULSE_CLICKHOUSE."""
    policy: Path | None = None


def up(options: UpOptions, program: Sequence[str] = PROGRAM) -> int:
    """Runs everything until SIGINT, SIGTERM or SIGHUP; returns 0 then.

    Standard output gets one line, `ready http://HOST:PORT`, once /readyz is 200; standard error the progress. Call it
    in the main thread. `program` runs the parts, as in `Layout`.

    Raises InputError (nothing was started then) for wrong options, a data directory in use or a port taken; InputError
    or WorkFailed where a part cannot be brought up; nothing is left running.
    """
    directory = options.data_dir.absolute()
    if options.workers < 1:
        raise InputError("--workers must be at least 1")
    with StopSignals() as signals:
        try:
            with _data_directory(directory):
                _check_policy(options.policy, directory)
                port = _port(options)
                logs.configure(_settings(), "up")
                parts = Layout(_environment(options, directory), options.host, port, program)
                supervisor = Supervisor(directory / "logs", _say, signals.shielded)
                supervisor.each_round(DiskWatch(directory, _say, supervisor.restart_waiting).look)
                try:
                    _bring_up(parts, options, directory, supervisor)
                    supervisor.run()
                finally:
                    with signals.shielded():
                        if signals.asked:
                            _say("stopping")
                        supervisor.stop(hurry=lambda: signals.hurry)
        except StopAsked:
            _say("stopped")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise WorkFailed(f"no space left in the data directory {directory}: make room there first") from error
    return 0


def _check_policy(path: Path | None, directory: Path) -> None:
    """Says so where the file is refused and the last good one holds. Raises `PolicyError` where none is kept."""
    refused = PolicyWatch(path, kept_policy(directory)).refused
    if refused is not None:
        _say(f"policy refused, the one before stays in force: {refused}")


def _bring_up(parts: Layout, options: UpOptions, directory: Path, supervisor: Supervisor) -> None:
    kafka = options.kafka
    if kafka == EMBEDDED:
        kafka = _start_broker(choose_broker(directory, _say), parts, supervisor, directory)
    if options.clickhouse == EMBEDDED:
        _start_clickhouse(parts, supervisor, directory)
    parts.env["CONTACTPULSE_KAFKA"] = kafka
    if options.kafka == EMBEDDED:
        supervisor.wait_ready(START_TIMEOUT_S, "kafka")
    ensure_topics(_settings(kafka=kafka), timeout_s=10.0)
    stream = [parts.worker(number) for number in range(1, options.workers + 1)]
    for stage in ([parts.store()], stream, [parts.api()]):
        _say(f"starting {', '.join(part.name for part in stage)} (logs: {directory / 'logs'}/)")
        supervisor.start(*stage)
    supervisor.wait_ready(READY_TIMEOUT_S)
    if options.demo:
        _say("starting demo: live sample traffic")
        supervisor.start(parts.demo())
    print(f"ready {parts.url}", flush=True)


def _start_broker(broker: Broker, parts: Layout, supervisor: Supervisor, directory: Path) -> str:
    broker.prepare()
    _say(f"starting {broker.title} on {broker.bootstrap} (log: {directory / 'logs' / 'kafka.log'})")

    def restarted() -> None:
        if not broker.durable:
            _say("the broker forgot everything when it ended: topics are made anew, workers and store begin again")
            ensure_topics(_settings(kafka=broker.bootstrap), timeout_s=10.0)
            supervisor.restart(*parts.readers_of_the_broker)

    supervisor.start(Part("kafka", broker.command(), ready=broker.answers, restarted=restarted))
    parts.env.setdefault("CONTACTPULSE_SESSION_TIMEOUT_S", str(SESSION_TIMEOUT_S))
    return broker.bootstrap


def _start_clickhouse(parts: Layout, supervisor: Supervisor, directory: Path) -> None:
    port = kept_ports(directory / "clickhouse-port.json", ("http",))["http"]
    password, _ = kept_secret(directory / "clickhouse-password")
    grafana, _ = kept_secret(directory / "grafana-password")
    part = parts.clickhouse(directory / "clickhouse", port, password, grafana)
    _say(f"starting ClickHouse on 127.0.0.1:{port} (log: {directory / 'logs' / 'clickhouse.log'})")
    _say(f"  for Grafana: user grafana, password in {directory / 'grafana-password'}")
    supervisor.start(part)
    parts.env["CONTACTPULSE_CLICKHOUSE"] = f"http://default:{password}@127.0.0.1:{port}/contactpulse"


def _environment(options: UpOptions, directory: Path) -> dict[str, str]:
    """What all of the product's processes get."""
    env = {"CONTACTPULSE_DATA_DIR": str(directory)}
    if options.policy is not None:
        env["CONTACTPULSE_POLICY"] = str(options.policy.absolute())
    if options.clickhouse != EMBEDDED:
        env["CONTACTPULSE_CLICKHOUSE"] = options.clickhouse
    if "CONTACTPULSE_SESSION_TIMEOUT_S" in os.environ:
        env["CONTACTPULSE_SESSION_TIMEOUT_S"] = os.environ["CONTACTPULSE_SESSION_TIMEOUT_S"]
    env["CONTACTPULSE_API_KEY"] = os.environ.get("CONTACTPULSE_API_KEY") or _api_key(directory / "api-key")
    return env


def _api_key(file: Path) -> str:
    key, is_new = kept_secret(file, "cp_")
    if is_new:
        _say(f"API key (shown this once, kept in {file}): {key}")
    return key


def _settings(**values: object) -> Settings:
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "CONTACTPULSE_" + "_".join(map(str, first["loc"])).upper()
        raise InputError(f"{name}: {first['msg']}") from None


def _port(options: UpOptions) -> int:
    if options.port == 0:
        return free_port()
    if not is_free(options.port, options.host):
        raise InputError(f"cannot listen on {options.host}:{options.port}: taken, or not an address of this machine")
    return options.port


@contextmanager
def _data_directory(directory: Path) -> Iterator[None]:
    """Holds the data directory for this process; the kernel lets go of it when the process dies."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "logs").mkdir(exist_ok=True)
        lock = (directory / "up.lock").open("a+")
    except OSError as error:
        raise InputError(f"cannot use the data directory {directory}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise InputError(f"another `contactpulse up` (process {lock.read().strip()}) runs on {directory}") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _say(line: str) -> None:
    print(f"up: {line}", file=sys.stderr, flush=True)
