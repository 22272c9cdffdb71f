"""The whole product as its users start it: `contactpulse up` in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
KEY = "test-key"


@dataclass
class Product:
    """A running `contactpulse up`. `url` is where it said it is ready."""

    url: str
    directory: Path
    process: subprocess.Popen[str]
    stderr: IO[str]

    def get(self, path: str, **query: Any) -> Any:
        """GET as a program does it; the decoded JSON."""
        text = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        request = urllib.request.Request(f"{self.url}{path}{'?' + text if text else ''}", headers={"X-API-Key": KEY})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def part_pids(self, name: str) -> list[int]:
        """Processes of a part below `up`: worker, store, clickhouse, api, kafka."""
        needle = "kafka.Kafka" if name == "kafka" else f"services.cli {name}"
        return [pid for pid in _descendants(self.process.pid) if needle in _command(pid)]

    def kill_part(self, name: str) -> None:
        """SIGKILL to every process of a part."""
        pids = self.part_pids(name)
        assert pids, f"no process of {name} runs"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def kill_everything(self) -> None:
        """SIGKILL to `up` and all below it at once, broker included, as when the power fails."""
        pids = [self.process.pid, *_descendants(self.process.pid)]
        for pid in pids:
            _kill(pid)
        self.process.wait()
        wait_for(lambda: not any(_alive(pid) for pid in pids), 10, "all processes to be gone")
        self._let_go()

    def stop(self) -> list[int]:
        """Ctrl-C; returns the processes that are left, of which there must be none."""
        pids = _descendants(self.process.pid)
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(60) == 0
        finally:
            left = [pid for pid in pids if _alive(pid)]
            for pid in left:
                _kill(pid)
            self._let_go()
        return left

    def _let_go(self) -> None:
        self.stderr.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start_product(directory: Path, *options: str, env: dict[str, str] | None = None, timeout: float = 120) -> Product:
    """Runs `up` on `directory` with a free port and waits for its ready line; without one in time nothing is left."""
    stderr = (directory.parent / f"{directory.name}-up.log").open("a+", encoding="utf-8")
    command: Sequence[str] = [
        sys.executable, "-m", "services.cli", "up", "--port", "0", "--data-dir", str(directory), *options
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "CONTACTPULSE_API_KEY": KEY, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    product = Product("", directory, process, stderr)
    too_late = threading.Timer(timeout, process.kill)  # ends the reading below
    too_late.start()
    line = ""
    try:
        line = process.stdout.readline().strip()
    finally:
        too_late.cancel()
        if not line.startswith("ready "):
            product.kill_everything()
    if not line.startswith("ready "):
        raise AssertionError(f"`up` said {line!r} within {timeout:g} s and {Path(stderr.name).read_text()}")
    product.url = line.removeprefix("ready ")
    return product


def wait_for(condition: Callable[[], Any], timeout: float, what: str, every: float = 0.2) -> Any:
    """Polls until `condition` gives something true, and returns it. Errors of the network count as not yet."""
    end = time.monotonic() + timeout
    last: object = None
    while time.monotonic() < end:
        try:
            last = condition()
        except (OSError, urllib.error.URLError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(every)
    raise AssertionError(f"waited {timeout:g} s for {what}; last: {last}")


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
