"""The stamp on every answer: how far the stream is, how much came late, who has gone silent."""

from typing import Any

from schemas.rollup import CUSTOMER_STAGE, DIMENSIONS
from schemas.times import from_ms, text
from tests.e2e.board.world import MINUTE_MS, beat
from tests.integration.api.conftest import NOW, Api, Warehouse

MINUTE = NOW // MINUTE_MS * MINUTE_MS


def _stamp(api: Api, **asked: Any) -> dict[str, Any]:
    stamp: dict[str, Any] = api.get("/v1/metrics/asa", **asked)["freshness"]
    return stamp


def test_the_slowest_partition_of_either_stage_decides(api: Api, warehouse: Warehouse) -> None:
    beat(warehouse.insert, NOW - 7_000, partitions=1)
    beat(warehouse.insert, NOW, partitions=1)
    assert api.get("/v1/metrics/asa")["as_of"] == text(NOW)
    assert (_stamp(api)["stream_time"], _stamp(api)["behind_s"]) == (text(NOW - 300), 0.3)
    late = {"partition": CUSTOMER_STAGE, "stream_time": from_ms(NOW - 2_000), "position": 1, "open_cases": 0}
    warehouse.insert("watermarks", [late | {"version": NOW + 1}])
    assert _stamp(api)["behind_s"] == 2.0


def test_what_was_folded_is_added_up_by_dimension(api: Api, warehouse: Warehouse) -> None:
    mark = {"stream_time": from_ms(NOW), "position": 1, "open_cases": 0}
    warehouse.insert(
        "watermarks",
        [
            mark | {"partition": 0, "version": 2, "folded": {"agent_id": 3, "team": 1}},
            mark | {"partition": 0, "version": 1, "folded": {"agent_id": 900}},
            mark | {"partition": 1, "version": 1, "folded": {"agent_id": 4}},
        ],
    )
    assert _stamp(api)["folded"] == {"agent_id": 7, "team": 1}


def test_the_late_share_is_that_of_range_and_filters(api: Api, warehouse: Warehouse) -> None:
    about = dict.fromkeys(DIMENSIONS) | {"partition": 0, "generation": 0, "version": 1}
    warehouse.insert(
        "contact_slices",
        [
            about | {"slice": from_ms(MINUTE), "channel": "app", "counts": {"events": 8, "events_late": 2}},
            about | {"slice": from_ms(MINUTE), "channel": "phone", "counts": {"events": 12}},
            about | {"slice": from_ms(MINUTE - MINUTE_MS), "counts": {"events": 9, "events_late": 9}},
        ],
    )
    minute, both = {"window": "1m"}, {"window": "2m"}
    shares = [(minute, 0.1), (minute | {"by": "channel"}, 0.1), (both, 11 / 29)]
    for asked, share in (*shares, (both | {"channel": "app"}, 0.25), (both | {"channel": "sms"}, None)):
        assert _stamp(api, **asked)["late_share"] == share
        assert api.get("/v1/metrics/backlog", **asked)["freshness"]["late_share"] == share


def _received(warehouse: Warehouse, source: str | None, channel: str | None, at_ms: int, events: int) -> None:
    warehouse.insert(
        "events",
        [
            {
                "case_id": f"{source} {channel}", "occurred_at": from_ms(at_ms), "event_id": f"{at_ms} {number}",
                "type": "contact.opened", "channel": channel, "source": source, "body": "{}",
                "received_at": from_ms(at_ms),
            }
            for number in range(events)
        ],
    )  # fmt: skip


def test_silent_is_who_would_have_sent_long_since(api: Api, warehouse: Warehouse) -> None:
    # 60 in the hour before the last: one a minute; 14 are expected in 14 minutes.
    for minute in range(60):
        _received(warehouse, "crm", "app", NOW - 14 * MINUTE_MS - minute * MINUTE_MS, 1)
    # Ten a second are missed after a second and a half, but nobody is called silent before a minute.
    _received(warehouse, "pbx", "phone", NOW - 59_000, 3_000)
    # One in an hour is not missed in half a day.
    _received(warehouse, "fax", "email", NOW - 12 * 60 * MINUTE_MS, 1)
    # Who left out its name has none to be missed by.
    _received(warehouse, None, None, NOW - 3 * 60 * MINUTE_MS, 500)
    # Three hours ago there were many, in the last hour before the last event few.
    _received(warehouse, "sms", "sms", NOW - 3 * 60 * MINUTE_MS, 500)
    _received(warehouse, "sms", "sms", NOW - 30 * MINUTE_MS, 1)
    lost = [
        {"kind": kind, "name": name, "last_seen": text(NOW - 14 * MINUTE_MS), "expected_per_min": 1.0}
        for kind, name in (("channel", "app"), ("source", "crm"))
    ]
    assert _stamp(api)["silent"] == lost
    api.now_ms -= 1
    assert _stamp(api)["silent"] == []
    api.now_ms += 1_001
    assert {one["name"] for one in _stamp(api)["silent"]} == {"app", "crm", "phone", "pbx"}
    api.now_ms += 24 * 60 * MINUTE_MS
    assert _stamp(api)["silent"] == []


def test_a_range_in_the_past_says_who_was_silent_at_its_end(api: Api, warehouse: Warehouse) -> None:
    last = MINUTE - 5 * 60 * MINUTE_MS
    _received(warehouse, "crm", None, last, 600)
    _received(warehouse, "crm", None, NOW - 1_000, 600)
    for minutes, silent in ((1, []), (2, ["crm"]), (60, ["crm"])):
        asked = {"from_": text(last - 60 * MINUTE_MS), "to": text(last + minutes * MINUTE_MS)}
        assert [one["name"] for one in _stamp(api, **asked)["silent"]] == silent
    assert _stamp(api)["silent"] == []
