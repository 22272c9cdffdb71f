"""The store's process says which hours its slices belong to, whatever happens to it, and keeps them level."""

import signal

import pytest

from schemas import times
from schemas.topics import Topic
from services.tiers import DAY_MS, HOUR_MS, level_sql
from tests.integration.store.bench import Bench, stop, until
from tests.integration.store.rows import SLICE, clock_slice, contact_slice

pytestmark = pytest.mark.slow

DAY = times.parse(SLICE) // DAY_MS * DAY_MS
FIRST_HOUR = DAY + HOUR_MS

# Rolls up at once, so that a test need not wait for an hour to be quiet.
EAGER = """
from services.store import tiers
tiers.QUIET_MS, tiers.EVERY_S = 0, 0.1
from schemas.settings import Settings
from services.store.main import run
run(Settings())
"""

# Dies where it hurts most: slices inserted, their hours not told.
DIE_BEFORE_TOUCHES = """
import os, signal
from services.store.pipeline import Pipeline
Pipeline._touch = lambda self: os.kill(os.getpid(), signal.SIGKILL)
from schemas.settings import Settings
from services.store.main import run
run(Settings())
"""


def level(bench: Bench, kind: str = "contact") -> list[tuple[str, int]]:
    sql = level_sql(kind).replace("{from_ms:Int64}", str(DAY)).replace("{to_ms:Int64}", str(DAY + 3 * DAY_MS))
    return [(tier, ms) for tier, ms in bench.rows(sql)]


def opened(bench: Bench, table: str) -> int:
    return int(bench.rows(f"SELECT sum(opened) FROM {table} FINAL")[0][0])


def test_slices_become_level_hours_and_days_and_late_ones_again(bench: Bench) -> None:
    process = bench.start(EAGER)
    bench.send(Topic.ROLLUPS, contact_slice(5, version=1), key=b"contact")
    bench.send(Topic.ROLLUPS, clock_slice(3, version=1), key=b"clock", partition=1)
    until(lambda: level(bench) == level(bench, "clock") == [("day", DAY)])
    assert opened(bench, "contact_hours") == opened(bench, "contact_days") == 5
    assert bench.rows("SELECT met, breached FROM clock_days FINAL") == [(3, 1)]
    for version in range(2, 8):
        bench.send(Topic.ROLLUPS, contact_slice(version * 10, version), key=b"contact")
    until(lambda: opened(bench, "contact_slices") == 70 and level(bench) == [("day", DAY)])
    assert opened(bench, "contact_hours") == opened(bench, "contact_days") == 70
    assert stop(process) == 0


def test_sigkill_between_slices_and_touches_heals(bench: Bench) -> None:
    eager = bench.start(EAGER)
    bench.send(Topic.ROLLUPS, contact_slice(5, version=1), key=b"contact")
    until(lambda: level(bench) == [("day", DAY)] and bench.committed(Topic.ROLLUPS) == {0: 1})
    assert stop(eager) == 0
    bench.send(Topic.ROLLUPS, contact_slice(8, version=2), key=b"contact")
    assert bench.start(DIE_BEFORE_TOUCHES).wait(60) == -signal.SIGKILL
    assert opened(bench, "contact_slices") == 8
    assert bench.committed(Topic.ROLLUPS) == {0: 1}
    bench.start(EAGER)
    until(lambda: opened(bench, "contact_days") == 8 and level(bench) == [("day", DAY)])
    assert opened(bench, "contact_hours") == 8


def test_two_stores_keep_the_same_hours_level(bench: Bench) -> None:
    first, second = bench.start(EAGER), bench.start(EAGER)
    until(lambda: bench.log.read_bytes().count(b"partitions assigned") >= 2)
    for version in range(1, 6):
        for partition in range(2):
            slices = [
                contact_slice(version, version, partition, times.text(FIRST_HOUR + hour * HOUR_MS))
                for hour in range(30)
            ]
            bench.send(Topic.ROLLUPS, b"\n".join(slices), key=b"contact", partition=partition)
    until(lambda: opened(bench, "contact_slices") == 2 * 30 * 5)
    until(lambda: level(bench) == [("day", DAY), ("day", DAY + DAY_MS)])
    assert opened(bench, "contact_hours") == opened(bench, "contact_days") == 2 * 30 * 5
    assert stop(first) == 0
    assert stop(second) == 0


def test_good_slices_beside_a_refused_one_are_touched(bench: Bench) -> None:
    bench.start()
    good = [contact_slice(1, version=1, slice=f"2026-02-0{day}T05:59:00.000Z") for day in (1, 2, 3)]
    bad = [good[0].replace(b"2026-02-01T05", b"2026-02-31T29"), good[0].replace(b'"version":1', b'"version":"one"')]
    bench.send(Topic.ROLLUPS, b"\n".join([good[0], bad[0], good[1], bad[1], good[2]]), key=b"contact")
    touched = "SELECT toString(hour) FROM slice_touches GROUP BY hour ORDER BY hour"
    until(lambda: bench.rows(touched) == [(f"2026-02-0{day} 05:00:00.000",) for day in (1, 2, 3)])
    until(lambda: bench.committed(Topic.ROLLUPS) == {0: 1})
    assert {letter.value for letter in bench.dead_letters()} == set(bad)


def test_the_roller_does_not_hold_up_the_end(bench: Bench) -> None:
    process = bench.start(EAGER.replace("run(Settings())", "tiers.Roller.roll = hang\nrun(Settings())").replace(
        "\nfrom services.store.main", "\nimport time\nhang = lambda self: time.sleep(60)\nfrom services.store.main"
    ))  # fmt: skip
    bench.send(Topic.ROLLUPS, contact_slice(5, version=1), key=b"contact")
    until(lambda: bench.committed(Topic.ROLLUPS) == {0: 1})
    assert stop(process) == 0
