"""The supervisor over real child processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, WorkFailed
from services.local.process import Child
from services.local.supervisor import Part, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
FAIL = [sys.executable, "-c", "import sys; print('no such host'); sys.exit(1)"]
# Catches SIGTERM, says on the log that it does, and does not stop.
STUBBORN = [
    sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: None); print('up', flush=True); time.sleep(600)",
]  # fmt: skip


def never() -> bool:
    return False


class Said(list[str]):
    """What the supervisor told people."""


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def supervisor(tmp_path: Path, said: Said) -> Supervisor:
    return Supervisor(tmp_path, said.append, backoff_s=(0.0, 0.05, 0.1))


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def watched(supervisor: Supervisor) -> Supervisor:
    """The supervisor after one more round."""
    supervisor.watch()
    return supervisor


def test_a_part_that_dies_is_started_again_and_named(supervisor: Supervisor, said: Said) -> None:
    with supervisor:
        supervisor.start(Part("store", SLEEP))
        first = supervisor.pid("store")
        os.kill(first, signal.SIGKILL)

        def back() -> bool:
            supervisor.watch()
            return supervisor.pid("store") != first

        eventually(back)
        assert alive(supervisor.pid("store"))
    assert said[0].startswith("store ended with signal 9: starting it again now; log: ")


def test_a_ready_part_that_is_killed_again_and_again_is_back_at_once_each_time(
    supervisor: Supervisor, said: Said
) -> None:
    with supervisor:
        supervisor.start(Part("store", SLEEP, ready=lambda: True))
        for _ in range(4):
            supervisor.wait_ready(20)
            killed = supervisor.pid("store")
            os.kill(killed, signal.SIGKILL)
            eventually(lambda pid=killed: watched(supervisor).pid("store") != pid)
    assert [line.split(";")[0] for line in said] == ["store ended with signal 9: starting it again now"] * 4


def test_after_a_restart_it_is_looked_whether_the_part_came_up(supervisor: Supervisor, said: Said) -> None:
    with supervisor:
        looks: list[bool] = []
        supervisor.start(Part("store", SLEEP, ready=lambda: looks.append(True) or True))
        for turn in range(1, 5):
            eventually(lambda wanted=turn: bool(watched(supervisor)) and len(looks) >= wanted)
            os.kill(supervisor.pid("store"), signal.SIGKILL)
            eventually(lambda wanted=turn: bool(watched(supervisor)) and len(said) >= wanted)
    assert [line.split(";")[0] for line in said] == ["store ended with signal 9: starting it again now"] * 4


@pytest.mark.parametrize(
    ("ending", "end"),
    [
        ("import os; os.kill(os.getpid(), 11)", "signal 11"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("pass", "exit code 0"),
    ],
)
def test_a_part_that_ends_right_after_its_start_waits_longer_however_it_ends(
    supervisor: Supervisor, said: Said, ending: str, end: str
) -> None:
    with supervisor:
        supervisor.start(Part("store", [sys.executable, "-c", ending]))
        eventually(lambda: bool(watched(supervisor)) and len(said) >= 3)
    assert [line.split(";")[0] for line in said[:3]] == [
        f"store ended with {end}: starting it again now",
        f"store ended with {end}, 2 times in a row: starting it again in 0.05 s",
        f"store ended with {end}, 3 times in a row: starting it again in 0.1 s",
    ]


def test_a_part_that_keeps_dying_is_retried_with_growing_pauses(supervisor: Supervisor, said: Said) -> None:
    with supervisor:
        supervisor.start(Part("store", FAIL))

        def four_deaths() -> bool:
            supervisor.watch()
            return len(said) >= 4

        eventually(four_deaths)
    assert [line.split(";")[0] for line in said[:4]] == [
        "store ended with exit code 1: starting it again now",
        "store ended with exit code 1, 2 times in a row: starting it again in 0.05 s",
        "store ended with exit code 1, 3 times in a row: starting it again in 0.1 s",
        "store ended with exit code 1, 4 times in a row: starting it again in 0.1 s",
    ]


def test_a_start_with_a_part_that_keeps_dying_fails_with_its_last_words(supervisor: Supervisor) -> None:
    with supervisor:
        supervisor.start(Part("store", FAIL, ready=never))
        with pytest.raises(WorkFailed, match=r"^store ended with exit code 1: no such host \(log: .*\)$"):
            supervisor.wait_ready(20)


def test_a_part_that_says_wrong_usage_fails_the_start_at_once(supervisor: Supervisor, said: Said) -> None:
    wrong = [sys.executable, "-c", "import sys; print('policy.yaml:3: bad'); sys.exit(2)"]
    with supervisor:
        supervisor.start(Part("worker", wrong, ready=never))
        with pytest.raises(InputError, match=r"policy\.yaml:3: bad"):
            supervisor.wait_ready(20)
    assert said == []


def test_a_part_that_is_never_ready_is_named(supervisor: Supervisor) -> None:
    with supervisor:
        supervisor.start(Part("store", SLEEP), Part("api", SLEEP, ready=never))
        began = time.monotonic()
        with pytest.raises(WorkFailed, match="api is not ready after 0 s"):
            supervisor.wait_ready(0.2)
        assert 0.2 <= time.monotonic() - began < 30


def test_waiting_lasts_until_every_part_named_is_ready_and_no_longer(supervisor: Supervisor) -> None:
    left = {"kafka": 3, "store": 5, "api": 10**9}

    def ready(name: str) -> Callable[[], bool]:
        def look() -> bool:
            left[name] -= 1
            return left[name] <= 0

        return look

    with supervisor:
        supervisor.start(*(Part(name, SLEEP, ready=ready(name)) for name in left))
        supervisor.wait_ready(60, "kafka", "store")
        assert left["kafka"] <= 0 and left["store"] == 0


def test_a_part_that_is_not_running_is_not_ready_whoever_answers_for_it(tmp_path: Path, said: Said) -> None:
    with Supervisor(tmp_path, said.append, backoff_s=(600.0,)) as supervisor:
        supervisor.start(Part("api", FAIL, ready=lambda: True))
        eventually(lambda: bool(watched(supervisor)) and bool(said))
        with pytest.raises(WorkFailed, match="api is not ready after 0 s: no such host"):
            supervisor.wait_ready(0.2)


def test_parts_that_died_together_are_started_again_in_the_order_of_their_stages(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    class Noted(Child):
        def __init__(self, name: str, *arguments: Any) -> None:
            begun.append(name)
            super().__init__(name, *arguments)

    monkeypatch.setattr("services.local.supervisor.Child", Noted)
    names = ["kafka", "clickhouse", "store", "worker", "api"]
    with supervisor:
        for name in names:
            supervisor.start(Part(name, SLEEP))
        for name in reversed(names):
            os.kill(supervisor.pid(name), signal.SIGKILL)
        eventually(lambda: not any(alive(supervisor.pid(name)) for name in names))
        eventually(lambda: bool(watched(supervisor)) and len(begun) == 10)
    assert begun == names + names


def test_what_stopped_parts_left_behind_ends_too(supervisor: Supervisor, tmp_path: Path) -> None:
    # Ends itself when asked to, and leaves a child that does not heed SIGTERM.
    script = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '600'], preexec_fn=ignore).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    log = tmp_path / "parent.log"
    supervisor.start(Part("parent", [sys.executable, "-c", script], ready=lambda: log.read_text().strip().isdigit()))
    supervisor.wait_ready(60)
    left = int(log.read_text())
    assert alive(left)
    supervisor.stop()
    eventually(lambda: not alive(left))


def test_what_a_dead_part_left_behind_ends_before_it_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    log = tmp_path / "parent.log"
    with supervisor:
        supervisor.start(Part("parent", [sys.executable, "-c", script]))
        eventually(lambda: log.read_text().strip().isdigit())
        left = int(log.read_text())
        os.kill(supervisor.pid("parent"), signal.SIGKILL)
        eventually(lambda: bool(watched(supervisor)) and not alive(left))


def test_what_must_follow_a_restart_follows_once_it_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    ready, told = tmp_path / "ready", Said()
    broker = Part("kafka", SLEEP, ready=ready.exists, restarted=lambda: told.append("again"))
    with supervisor:
        supervisor.start(broker)
        supervisor.restart("kafka")
        for _ in range(20):
            supervisor.watch()
        assert told == []
        ready.touch()

        def followed() -> bool:
            supervisor.watch()
            return bool(told)

        eventually(followed)
        for _ in range(5):
            supervisor.watch()
    assert told == ["again"]


def test_what_fails_after_a_restart_is_said(supervisor: Supervisor, said: Said) -> None:
    def fail() -> None:
        raise WorkFailed("no topics")

    with supervisor:
        supervisor.start(Part("kafka", SLEEP, ready=lambda: True, restarted=fail))
        supervisor.restart("kafka")
        eventually(lambda: bool(watched(supervisor)) and "no topics" in said)


def test_later_stages_stop_first(supervisor: Supervisor, tmp_path: Path) -> None:
    script = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        "    with open(sys.argv[1], 'a') as f: f.write(sys.argv[2] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "pathlib.Path(sys.argv[1] + sys.argv[2]).touch()\n"
        "time.sleep(600)\n"
    )
    order = tmp_path / "order"
    names = ("kafka", "store", "worker", "api")
    for name in names:
        supervisor.start(
            Part(name, [sys.executable, "-c", script, str(order), name], ready=Path(f"{order}{name}").exists)
        )
    supervisor.wait_ready(20)
    supervisor.stop()
    assert order.read_text().split() == ["api", "worker", "store", "kafka"]


def test_what_does_not_stop_is_killed(supervisor: Supervisor, said: Said, tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    supervisor.start(Part("stubborn", STUBBORN, ready=lambda: "up" in log.read_text(), grace_s=0.2))
    supervisor.wait_ready(20)
    pid = supervisor.pid("stubborn")
    supervisor.stop()
    assert not alive(pid)
    assert said == ["stubborn does not stop after 0 s: killed"]


def test_a_childs_own_children_end_with_it(tmp_path: Path) -> None:
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    with Child("parent", [sys.executable, "-c", script], tmp_path / "log") as child:
        eventually(lambda: (tmp_path / "log").read_text().strip().isdigit())
        grandchild = int((tmp_path / "log").read_text())
        assert alive(grandchild)
        child.stop()
    eventually(lambda: not alive(grandchild))


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from services.local.supervisor import Part, Supervisor\n"
        "s = Supervisor(Path(sys.argv[1]), print)\n"
        "s.start(Part('part', ['sleep', '600']))\n"
        "print(s.pid('part'), flush=True); s.run()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        process.kill()
    eventually(lambda: not alive(pid))


def test_a_large_log_is_set_aside_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.local.process.LOG_BYTES", 10)
    log = tmp_path / "part.log"
    for word in ("first", "second", "third"):
        with Child("part", ["echo", f"{word}-padding"], log) as child:
            eventually(lambda: child.exit_code is not None)
    assert (log.read_text(), (tmp_path / "part.log.1").read_text()) == ("third-padding\n", "second-padding\n")


def test_what_ended_for_want_of_space_says_so_and_starts_at_once_when_there_is_room(
    supervisor: Supervisor, said: Said, tmp_path: Path
) -> None:
    room = tmp_path / "room"
    script = (
        "import pathlib, sys, time\n"
        "if not pathlib.Path(sys.argv[1]).exists():\n"
        "    print('java.io.IOException: No space left on device\\n    at org.apache.kafka')\n"
        "    sys.exit(1)\n"
        "print('up', flush=True); time.sleep(600)\n"
    )
    patient = Supervisor(tmp_path, said.append, backoff_s=(0.0, 600.0))
    with patient:
        patient.start(Part("kafka", [sys.executable, "-c", script, str(room)]))
        eventually(lambda: bool(watched(patient)) and len(said) == 2)
        assert [line.split(";")[0] for line in said] == [
            "kafka ended with exit code 1 (No space left on device): starting it again now",
            "kafka ended with exit code 1 (No space left on device), 2 times in a row: starting it again in 600 s",
        ]
        room.touch()
        patient.restart_waiting()
        eventually(lambda: bool(watched(patient)) and "up" in (tmp_path / "kafka.log").read_text())
        # What a start before this one said does not stick to it.
        os.kill(patient.pid("kafka"), signal.SIGSEGV)
        eventually(lambda: bool(watched(patient)) and len(said) == 3)
    assert said[2].startswith("kafka ended with signal 11: starting it again now")
