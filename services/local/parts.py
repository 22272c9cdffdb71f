"""The product's processes on one machine: their commands, environment and how to see that they work."""

import http.client
import sys
from collections.abc import Sequence
from pathlib import Path

from services.local.supervisor import Part

PROGRAM = (sys.executable, "-m", "services.cli")

CLICKHOUSE_GRACE_S = 25.0
"""It lets running inserts end (up to 20 s) before it stops."""


class Layout:
    """Makes the parts. `env` is shared by all processes and may be added to until they are made.

    `program` is what the command names stand behind; a test may put another in its place.
    """

    def __init__(self, env: dict[str, str], host: str, port: int, program: Sequence[str] = PROGRAM) -> None:
        self.env = env
        self._program = program
        self._host = host
        self._port = port
        self._readers: list[str] = []

    @property
    def url(self) -> str:
        """Where the product is served."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    @property
    def readers_of_the_broker(self) -> list[str]:
        """Names of the parts made so far that keep a position in the broker's topics."""
        return self._readers

    def clickhouse(self, directory: Path, port: int, password: str, grafana_password: str) -> Part:
        """The embedded ClickHouse on a loopback port. Its passwords go only to itself."""
        env = {"CONTACTPULSE_CLICKHOUSE_PASSWORD": password, "CONTACTPULSE_GRAFANA_PASSWORD": grafana_password}
        command = self._command("clickhouse", "--path", str(directory), "--host", "127.0.0.1", "--port", str(port))
        return Part(
            "clickhouse",
            command,
            env,
            ready=lambda: http_ok("127.0.0.1", port, "/ping"),
            grace_s=CLICKHOUSE_GRACE_S,
        )

    def worker(self, number: int) -> Part:
        """A stream worker."""
        return self._reader(f"worker-{number}", "worker", {"CONTACTPULSE_WORKER_ID": f"worker-{number}"})

    def store(self) -> Part:
        """Kafka to ClickHouse; migrates ClickHouse first."""
        return self._reader("store", "store", {})

    def api(self) -> Part:
        """The API with the board and the door for events. Ready once /readyz says that the whole path works."""
        # A server on all interfaces is asked through loopback.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        command = self._command("api", "--with-ingest", "--host", self._host, "--port", str(self._port))
        return Part("api", command, dict(self.env), ready=lambda: http_ok(host, self._port, "/readyz"))

    def demo(self) -> Part:
        """Live sample traffic, sent to the door like anybody's."""
        return Part("demo", self._command("demo"), self.env | {"CONTACTPULSE_URL": self.url})

    def _reader(self, name: str, command: str, env: dict[str, str]) -> Part:
        self._readers.append(name)
        return Part(name, self._command(command), self.env | env)

    def _command(self, *arguments: str) -> list[str]:
        return [*self._program, *arguments]


def http_ok(host: str, port: int, path: str) -> bool:
    """Whether GET answers 200 within two seconds. Goes straight there, whatever proxies the environment names."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
