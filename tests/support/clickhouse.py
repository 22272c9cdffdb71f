"""Starts the embedded ClickHouse as a child process, for every test that needs a ClickHouse."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "full-secret"
GRAFANA_PASSWORD = "read-secret"

_PROGRAM = """
import sys
from pathlib import Path
import structlog
from schemas.errors import ContactPulseError
from services.clickhouse.config import Limits
from services.clickhouse.server import serve

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
path, port, body_bytes, password, grafana = sys.argv[1:]
try:
    serve(Path(path), "127.0.0.1", int(port), password, grafana,
          on_ready=lambda port: print("ready", port, flush=True), limits=Limits(body_bytes=int(body_bytes)))
except ContactPulseError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@dataclass(slots=True)
class ClickHouseHandle:
    """A running server. `url` carries the full user and the database `contactpulse`."""

    url: str
    port: int
    process: subprocess.Popen[str]
    log: Path

    @property
    def grafana_url(self) -> str:
        """The same server as the read-only user sees it."""
        return f"http://grafana:{GRAFANA_PASSWORD}@127.0.0.1:{self.port}/contactpulse"

    def stop(self, timeout: float = 30.0) -> int:
        """Stop it as an operator would (SIGTERM); returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._wait(timeout)

    def kill(self) -> int:
        """Kill it without warning (SIGKILL)."""
        self.process.kill()
        return self._wait(30.0)

    def _wait(self, timeout: float) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


def start_clickhouse(directory: Path, *, port: int = 0, body_bytes: int = 256 * 1024 * 1024) -> ClickHouseHandle:
    """Start a server on `directory` (made if missing) and wait until it answers.

    The server's log goes to `directory`.log. Raises RuntimeError with its last words if it does not come up.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    log = directory.with_name(directory.name + ".log")
    with log.open("a") as errors:
        process = launch_clickhouse(directory, port=port, body_bytes=body_bytes, stderr=errors)
    assert process.stdout is not None
    word, _, number = process.stdout.readline().partition(" ")
    if word != "ready":
        process.kill()
        process.wait()
        raise RuntimeError(f"the embedded ClickHouse did not start: {log.read_text()[-2000:]}")
    taken = int(number)
    return ClickHouseHandle(f"http://default:{PASSWORD}@127.0.0.1:{taken}/contactpulse", taken, process, log)


def launch_clickhouse(
    directory: Path, *, port: int = 0, body_bytes: int = 256 * 1024 * 1024, stderr: IO[str] | int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start the process without waiting for anything; it prints `ready PORT` once it answers."""
    arguments = [str(directory), str(port), str(body_bytes), PASSWORD, GRAFANA_PASSWORD]
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True
    )
