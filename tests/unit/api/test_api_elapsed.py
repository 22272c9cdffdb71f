"""What running clocks have counted by now."""

from pathlib import Path
from typing import Any

from schemas.settings import Settings
from schemas.times import parse
from services.api.elapsed import count_up
from services.api.policy_in_force import PolicyInForce

POLICY = """
version: 1
calendars:
  office: {timezone: Asia/Shanghai, hours: {mon: ["09:00-12:00", "13:00-18:00"]}}
policies: [{name: all, clocks: {resolution: {target: 4h, calendar: office}}}]
"""


def record(due: str | None, calendar: str = "office", state: str = "running") -> dict[str, Any]:
    """A clock of four hours that had counted a second when it was told."""
    return {"state": state, "due_at": due, "calendar": calendar, "target_s": 14_400.0, "elapsed_s": 1.0}


def elapsed(tmp_path: Path, now: str, row: dict[str, Any]) -> float:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    count_up([row], parse(now), PolicyInForce(Settings(policy=path, data_dir=tmp_path)))
    return float(row["elapsed_s"])


def test_a_running_clock_has_counted_its_target_less_what_is_left(tmp_path: Path) -> None:
    always = record("2026-03-02T05:00:00.000Z", "always")
    assert elapsed(tmp_path, "2026-03-02T02:00:00Z", always) == 3_600


def test_closed_hours_are_not_left(tmp_path: Path) -> None:
    # Monday 11:00 in Shanghai; due at 15:00 after two hours of the afternoon and one before noon.
    assert elapsed(tmp_path, "2026-03-02T03:00:00Z", record("2026-03-02T07:00:00.000Z")) == 3_600


def test_past_its_due_instant_it_has_counted_more(tmp_path: Path) -> None:
    assert elapsed(tmp_path, "2026-03-02T07:10:00Z", record("2026-03-02T07:00:00.000Z")) == 15_000


def test_others_keep_what_they_were_told_with(tmp_path: Path) -> None:
    now = "2026-03-02T03:00:00Z"
    assert elapsed(tmp_path, now, record("2026-03-02T07:00:00.000Z", "gone")) == 1
    assert elapsed(tmp_path, now, record("2026-03-02T07:00:00.000Z", state="met")) == 1
    assert elapsed(tmp_path, now, record(None, state="paused")) == 1
