"""`contactpulse up` as a process: a real broker, stubs for the other parts."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.policy_watch import kept_policy
from services.local.ports import free_port
from tests.support.policies import BAD, GOOD
from tests.support.product import start_product

UP = Path(__file__).with_name("up_stub.py")


class Up:
    """One run of `up` on a directory."""

    def __init__(self, directory: Path, port: int, *flags: str) -> None:
        self.errors = directory.with_name(f"{directory.name}-{time.monotonic_ns()}.err")
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(UP), str(directory), str(port), *flags],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path.cwd())},
            )

    def line(self) -> str:
        """The next line of standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        """Kills it where it still runs, and lets go of its output."""
        self.process.kill()
        self.process.communicate()

    @property
    def said(self) -> str:
        """Standard error so far."""
        return self.errors.read_text()


Start = Callable[..., Up]


@pytest.fixture
def up() -> Iterator[Start]:
    """Starts runs: up(directory, port, *flags)."""
    with contextlib.ExitStack() as started:

        def start(directory: Path, port: int, *flags: str) -> Up:
            run = Up(directory, port, *flags)
            started.callback(run.close)
            return run

        yield start


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "data"
    yield made
    eventually(lambda: not processes_of(made))


def processes_of(directory: Path) -> list[str]:
    """Command lines of running processes that name the directory, or that have it in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in known:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def eventually(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def notes(directory: Path) -> list[str]:
    return [line.rsplit(" ", 1)[0] for line in (directory / "notes").read_text().splitlines()]


def test_a_whole_life(up: Start, directory: Path) -> None:
    port = free_port()
    first = up(directory, port, "--demo")
    assert first.line() == f"ready http://127.0.0.1:{port}"
    for secret in ("api-key", "clickhouse-password", "grafana-password"):
        assert (directory / secret).stat().st_mode & 0o777 == 0o600, secret
    key = (directory / "api-key").read_text().strip()
    assert first.said.count(key) == 1
    eventually(lambda: "start demo" in notes(directory))

    # A second one on the same directory, and one on the same port: refused with one line, the first unharmed.
    second = up(directory, free_port())
    assert (second.process.wait(30), second.line()) == (2, "")
    assert second.said == (
        f"contactpulse: another `contactpulse up` (process {first.process.pid}) runs on {directory}\n"
    )
    third = up(directory.with_name("other"), port)
    assert third.process.wait(30) == 2
    assert third.said.startswith(f"contactpulse: cannot listen on 127.0.0.1:{port}: taken")
    assert third.said.count("\n") == 1

    # A part that dies is back.
    killed = int((directory / "notes").read_text().splitlines()[0].rsplit(" ", 1)[1])
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: sum(line.startswith("start") for line in notes(directory)) == 6)
    assert "ended with signal 9: starting it again now" in first.said

    assert first.end(signal.SIGINT) == 0
    assert [line for line in notes(directory) if line.startswith("stop")] == [
        "stop demo", "stop api", "stop worker", "stop worker", "stop store",
    ]  # fmt: skip
    assert processes_of(directory) == []

    # Killed outright it leaves nothing either; the next run finds the same broker port and shows no key.
    again = up(directory, port)
    assert again.line().startswith("ready ")
    address = (directory / "kafka" / "ports.json").read_text()
    again.end(signal.SIGKILL)
    eventually(lambda: not processes_of(directory))
    last = up(directory, port)
    assert last.line().startswith("ready ")
    assert (directory / "kafka" / "ports.json").read_text() == address
    assert key not in last.said
    assert last.end() == 0


def test_a_stop_during_the_start_leaves_nothing(up: Start, directory: Path) -> None:
    run = up(directory, free_port())
    eventually(lambda: "starting Apache Kafka" in run.said)
    assert run.end() == 0
    assert run.line() == ""
    assert processes_of(directory) == []


def test_a_part_that_refuses_its_input_ends_the_start(up: Start, directory: Path) -> None:
    directory.mkdir()
    (directory / "broken").touch()
    run = up(directory, free_port())
    assert run.process.wait(60) == 2
    assert "policy.yaml:3: no such thing" in run.said
    assert processes_of(directory) == []


def test_a_directory_that_cannot_be_used_is_named(up: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = up(tmp_path / "file", 0)
    assert run.process.wait(30) == 2
    assert run.said.startswith(f"contactpulse: cannot use the data directory {tmp_path / 'file'}")


def test_a_taken_port_starts_nothing(up: Start, directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = up(directory, taken.getsockname()[1])
        assert run.process.wait(30) == 2
    assert not (directory / "kafka").exists()


def test_a_product_that_is_not_ready_in_time_is_not_left_running(directory: Path) -> None:
    with pytest.raises(AssertionError, match="`up` said '' within 2 s"):
        start_product(directory, "--no-demo", timeout=2)
    eventually(lambda: not processes_of(directory))  # what was just being started ends with its parent


def test_a_bad_policy_ends_a_first_start_and_not_one_after_a_good_policy(
    up: Start, directory: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(BAD["maps nested 3,000 deep"])
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that none of this starts a broker
        port = taken.getsockname()[1]
        first = up(directory, port, f"--policy={policy}")
        assert first.process.wait(60) == 2
        refused = f"{policy}:1: not valid YAML: more than 64 mappings and lists in each other"
        assert first.said == f"contactpulse: {refused}\n"
        keep = kept_policy(directory)
        keep.parent.mkdir(parents=True)
        keep.write_bytes(GOOD)
        second = up(directory, port, f"--policy={policy}")
        assert second.process.wait(60) == 2
    said, error = second.said.splitlines()
    assert said.endswith(f"policy refused, the one before stays in force: {refused}")
    assert str(port) in error and "policy" not in error
    assert keep.read_bytes() == GOOD
