"""What the board shows, from given rows."""

from typing import Any

from schemas.metrics import CATALOGUE
from schemas.times import parse
from services.api.board.snapshot import snapshot
from services.api.board.view import SHOWN, WINDOW, Material, View
from services.api.freshness import Freshness
from services.api.ranges import MINUTE_MS, Range, Steps

TO = parse("2026-03-02T10:21:00Z")
NOW = TO - 29_500
STEPS = Steps(Range(TO - (SHOWN + WINDOW - 1) * MINUTE_MS, TO), MINUTE_MS)
LAST = STEPS.count - 1


def _snapshot(
    contacts: list[dict[str, Any]] | None = None,
    ends: list[dict[str, Any]] | None = None,
    opens: list[dict[str, Any]] | None = None,
    fresh: Freshness | None = None,
) -> dict[str, Any]:
    material = Material(
        STEPS, contacts or [], ends or [], opens or [], [], [], fresh or Freshness({}, 0),
        CATALOGUE["backlog"].of_state(12, None), CATALOGUE["oldest_waiting"].of_state(3, 95_000),
    )  # fmt: skip
    return snapshot(material, View(), {"team": [], "channel": []}, NOW)


def _tile(found: dict[str, Any], id: str) -> dict[str, Any]:
    [tile] = [tile for tile in found["tiles"] if tile["id"] == id]
    return tile  # type: ignore[no-any-return]


def test_an_empty_database_shows_no_values_and_no_alarm() -> None:
    found = _snapshot()
    assert found["stream_time_ms"] is None
    assert found["behind_ms"] is None
    assert [tile["value"] for tile in found["tiles"]] == [0, None, None, None, None]
    assert not any(tile["worse"] for tile in found["tiles"])
    assert found["clocks"] == found["cells"] == found["at_risk"] == []


def test_a_tile_is_about_the_last_quarter_and_its_line_ends_there() -> None:
    contacts = [
        {"step": LAST, "opened": 4, "complaints": 1},
        {"step": LAST - 14, "opened": 6},
        {"step": LAST - 15, "opened": 100},
    ]
    volume = _tile(_snapshot(contacts), "contacts_opened")
    assert (volume["value"], volume["hour"]) == (10, 110)
    assert len(volume["line"]) == SHOWN
    assert volume["line"][-2:] == [106, 10]
    assert _tile(_snapshot(contacts), "complaint_rate")["value"] == 0.1


def test_worse_than_the_goal_follows_the_metrics_direction() -> None:
    sums = {"first_responses": 1, "first_response_ms": 300_001, "csat_answers": 5, "csat_sum": 21}
    found = _snapshot([{"step": LAST} | sums])
    assert _tile(found, "first_response_time")["worse"] is True
    assert _tile(found, "csat_mean")["worse"] is False
    sums |= {"first_response_ms": 300_000, "csat_sum": 20}
    found = _snapshot([{"step": LAST} | sums])
    assert _tile(found, "first_response_time")["worse"] is False
    assert _tile(found, "csat_mean")["worse"] is True


def test_clocks_channels_and_cells_count_the_same_window() -> None:
    ends: list[dict[str, Any]] = [
        {"clock": "connect", "channel": "app", "step": LAST, "met": 3, "breached": 1},
        {"clock": "connect", "channel": None, "step": LAST - 3, "met": 4, "breached": 0},
        {"clock": "connect", "channel": "app", "step": LAST - 40, "met": 0, "breached": 8},
    ]
    opens = [{"clock": "update", "channel": "app", "running": 2, "paused": 1}]
    found = _snapshot(ends=ends, opens=opens)
    connect, update = found["clocks"]
    assert (connect["met"], connect["breached"], connect["compliance"]) == (7, 1, 7 / 8)
    assert connect["line"][-1] == 7 / 8
    assert connect["line"][-41] == 0.0
    assert connect["line"][-42] is None
    assert (update["running"], update["paused"], update["compliance"], update["line"]) == (2, 1, None, [])
    assert {(cell["clock"], cell["channel"]): cell["compliance"] for cell in found["cells"]} == {
        ("connect", None): 1.0, ("connect", "app"): 3 / 4, ("update", "app"): None,
    }  # fmt: skip
    assert (found["open"]["running"], found["open"]["paused"], found["open"]["overdue"]) == (2, 1, 0)


def test_the_window_of_a_cell_begins_with_its_first_minute() -> None:
    about = {"clock": "connect", "channel": "app"}
    ends = [about | {"step": LAST - 14, "met": 3, "breached": 1}, about | {"step": LAST - 15, "met": 50, "breached": 9}]
    found = _snapshot(ends=ends)
    [cell], [clock] = found["cells"], found["clocks"]
    assert (cell["met"], cell["breached"]) == (clock["met"], clock["breached"]) == (3, 1)
    assert clock["line"][-2:] == [53 / 63, 3 / 4]


def test_the_backlog_is_beside_who_waits_for_a_human_and_how_long() -> None:
    found = _snapshot()["open"]
    assert (found["cases"], found["waiting"], found["longest_wait_s"]) == (12, 3, 95.0)


def test_freshness_is_that_of_the_slowest_partition() -> None:
    found = _snapshot(fresh=Freshness({0: NOW - 300, 1: NOW - 4_000}, 12))
    assert found["behind_ms"] == 4_000
    assert Freshness({0: NOW - 300, 1: NOW - 6_000}, 0).lagging(range(3), NOW, 5_000) == [1, 2]
