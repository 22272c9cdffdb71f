"""The restatement ledgers against a plain reading of a random told log, and the rules one by one."""

import random
from typing import Any

import pytest

from schemas.times import from_ms, parse, text
from tests.e2e.board.world import MINUTE_MS, outcome
from tests.integration.api import told
from tests.integration.api.conftest import NOW, Api, Warehouse
from tests.integration.api.oracle import unordered
from tests.integration.api.test_api_as_of import fill
from tests.integration.api.told import EPOCH, Row

PUBLISH_MS = 2_300
"""The default lateness of 0.3 s, and 2 s."""
DUE = parse("2026-03-02T10:00:30.000Z")


def _passes(team: str | None) -> Any:
    return lambda row: team is None or row["team"] == team


@pytest.mark.parametrize("seed", [3, 4])
def test_verdicts_equal_the_oracle(api: Api, warehouse: Warehouse, seed: int) -> None:
    log = fill(warehouse, seed, clocks=500)
    rng = random.Random(seed)
    times = sorted(row["told_ms"] for row in log)
    for start, end in [(times[0], NOW + 1), *(sorted(rng.sample(times, 2)) for _ in range(3))]:
        for team in (None, "a"):
            more = {} if team is None else {"team": team}
            answer = api.get("/v1/restatements", from_=text(start), to=text(end + 1), limit=10_000, **more)
            wanted = told.restated(log, start, end + 1, _passes(team))
            assert unordered(_flat(answer["verdicts"]["rows"])) == unordered(_flat(wanted))
            assert answer["verdicts"]["total"] == len(wanted)
            assert answer["verdicts"]["note"] is None
            newest_first = [row["told_at"] for row in answer["verdicts"]["rows"]]
            assert newest_first == sorted(newest_first, reverse=True)


def _flat(rows: list[Row]) -> list[Row]:
    return [
        {name: sorted(value.items(), key=str) if isinstance(value, dict) else value for name, value in row.items()}
        for row in rows
    ]


@pytest.mark.parametrize(("step", "step_ms"), [("1m", MINUTE_MS), ("7m", 7 * MINUTE_MS)])
def test_windows_equal_the_oracle_and_the_compliance_of_those_instants(
    api: Api, warehouse: Warehouse, step: str, step_ms: int
) -> None:
    log = fill(warehouse, 5, clocks=300)
    rng = random.Random(6)
    instants = sorted(row["told_ms"] for row in log)
    checked = 0
    for start, end in [(instants[0] - 1, NOW), *(sorted(rng.sample(instants, 2)) for _ in range(2))]:
        for team in (None, "b"):
            more = {} if team is None else {"team": team}
            answer = api.get(
                "/v1/restatements", from_=text(start), to=text(end), step=step, kind="window", limit=10_000, **more
            )
            assert answer["verdicts"]["rows"] == []
            windows = answer["windows"]["rows"]
            found = {(row["t"], row["clock"]): (_figures(row["old"]), _figures(row["new"])) for row in windows}
            assert found == told.changed_windows(log, start, end, step_ms, PUBLISH_MS, _passes(team))
            assert answer["windows"]["total"] == len(windows) == len(found)
            for row in rng.sample(windows, min(2, len(windows))):
                at = parse(row["t"])
                for said in (row["old"], row["new"]):
                    range_ = {"from_": row["t"], "to": text(at + step_ms), "clock": row["clock"], **more}
                    then = api.get("/v1/sla/compliance", as_of=said["as_of"], **range_)["rows"]
                    assert [(r["met"], r["breached"], r["compliance"]) for r in then if r["met"] + r["breached"]] == (
                        [(said["met"], said["breached"], said["compliance"])] if said["compliance"] is not None else []
                    )
                    checked += 1
    assert checked > 8


def _figures(said: Row) -> tuple[int, int]:
    return said["met"], said["breached"]


def test_ledgers_of_neighbouring_ranges_follow_on_each_other(api: Api, warehouse: Warehouse) -> None:
    log = fill(warehouse, 7)
    times = sorted(row["told_ms"] for row in log)
    first, middle, last = times[0], times[len(times) // 2], times[-1] + 1
    cut = [api.get("/v1/restatements", from_=text(a), to=text(b)) for a, b in ((first, middle), (middle, last))]
    whole = api.get("/v1/restatements", from_=text(first), to=text(last))
    verdicts = [row for part in cut for row in part["verdicts"]["rows"]]
    assert unordered(_flat(verdicts)) == unordered(_flat(whole["verdicts"]["rows"]))
    early, late = ({(row["t"], row["clock"]): row for row in part["windows"]["rows"]} for part in cut)
    for key in early.keys() & late.keys():
        assert _figures(early[key]["new"]) == _figures(late[key]["old"])


# The rules one by one


def say(warehouse: Warehouse, *records: Row) -> None:
    """One clock's records, told one after the other: version, time, cause and cause's event by position."""
    for number, record in enumerate(records, 1):
        about = {"version": EPOCH + number, "told_at": from_ms(DUE + number * 100_000), "cause": f"e{number}"}
        warehouse.insert("outcomes", [outcome(started_ms=DUE - 60_000, due_ms=DUE, team="a") | about | record])


def ended(state: str, at: int, **more: Any) -> Row:
    """A record that counts at `at`."""
    name = "breached_at" if state == "breached" else "stopped_at"
    return {"state": state, name: from_ms(at), **more}


def kinds(api: Api, **asked: Any) -> list[str]:
    """Kinds told in the hour, oldest first."""
    found = api.get("/v1/restatements", window="1h", **asked)["verdicts"]["rows"]
    return [row["kind"] for row in found][::-1]


def test_a_late_stop_before_the_due_instant_restates_verdict_and_window(api: Api, warehouse: Warehouse) -> None:
    say(warehouse, {"state": "running"}, ended("breached", DUE), ended("met", DUE - 20_000))
    event = {"case_id": "c", "event_id": "e3", "type": "message.agent", "occurred_at": from_ms(DUE - 20_000)}
    warehouse.insert("events", [event | {"body": "{}", "received_at": from_ms(DUE + 300_000)}])
    answer = api.get("/v1/restatements", window="1h")
    nothing = dict.fromkeys(("agent_id", "channel", "priority", "customer_tier", "category", "queue"))
    cause = {"event_id": "e3", "type": "message.agent", "occurred_at": text(DUE - 20_000)}
    assert answer["verdicts"]["rows"] == [
        {
            "told_at": text(DUE + 300_000),
            "kind": "verdict",
            "case_id": "c",
            "clock": "connect",
            "seq": 0,
            "old": {
                "state": "breached", "ended_at": text(DUE), "stopped_at": None, "told_at": text(DUE + 200_000),
                "team": "a", **nothing,
            },
            "new": {
                "state": "met", "ended_at": text(DUE - 20_000), "stopped_at": text(DUE - 20_000),
                "told_at": text(DUE + 300_000), "team": "a", **nothing,
            },
            "cause": cause,
        }
    ]  # fmt: skip
    # It was told as breached only after the window had been published, empty.
    assert answer["windows"]["rows"] == [
        {
            "t": "2026-03-02T10:00:00.000Z",
            "clock": "connect",
            "published_at": "2026-03-02T10:01:02.300Z",
            "old": {"as_of": "2026-03-02T10:01:02.299Z", "met": 0, "breached": 0, "compliance": None},
            "new": {"as_of": text(NOW), "met": 1, "breached": 0, "compliance": 1.0},
            "clocks_changed": 1,
            "causes": [
                {"case_id": "c", "event_id": "e2", "type": None, "occurred_at": None}, {"case_id": "c", **cause},
            ],
        }
    ]  # fmt: skip
    since = api.get("/v1/restatements", from_=text(DUE + 250_000), to=text(NOW))["windows"]["rows"]
    assert [_figures(row["old"]) for row in since] == [(0, 1)]


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([{"state": "running"}, ended("met", DUE)], []),
        ([{"state": "running"}, {"state": "paused"}, {"state": "running"}], []),
        ([ended("breached", DUE), ended("breached", DUE, stopped_at=from_ms(DUE + 5), team="b")], []),
        ([ended("breached", DUE), ended("cancelled", DUE - 5)], ["verdict"]),
        ([ended("met", DUE), {"state": "running"}, ended("met", DUE - 1)], ["reopened"]),
        ([ended("met", DUE), ended("met", DUE, elapsed_s=3.0), ended("met", DUE, target_s=9.0)], []),
        ([ended("met", DUE), ended("met", DUE - 1)], ["time"]),
        ([ended("breached", DUE), ended("breached", DUE - 1)], ["time"]),
        ([ended("met", DUE), ended("met", DUE, team="b")], ["dimensions"]),
        ([ended("met", DUE), ended("met", DUE, withdrawn=1)], ["withdrawn"]),
        ([ended("met", DUE), ended("met", DUE, withdrawn=1), ended("breached", DUE)], ["withdrawn", "restored"]),
        ([{"state": "running"}, {"state": "running", "withdrawn": 1}, {"state": "running"}], []),
    ],
)
def test_what_counts_as_a_restated_verdict(
    api: Api, warehouse: Warehouse, records: list[Row], wanted: list[str]
) -> None:
    say(warehouse, *records)
    assert kinds(api) == wanted


def test_what_a_worker_repeats_after_a_restart_is_no_restatement(api: Api, warehouse: Warehouse) -> None:
    again = [
        ended("breached", DUE, version=2 * EPOCH, cause=None),
        ended("met", DUE - 1, version=2 * EPOCH + 1, cause="e1"),
    ]
    say(warehouse, ended("met", DUE - 1), *again)
    assert kinds(api) == []
    later = {"version": 2 * EPOCH + 2, "told_at": from_ms(DUE + 900_000), "cause": "e9"}
    warehouse.insert("outcomes", [outcome(started_ms=DUE - 60_000) | ended("breached", DUE, **later)])
    assert kinds(api) == ["verdict"]


def test_the_same_change_by_another_event_is_one_even_after_a_restart(api: Api, warehouse: Warehouse) -> None:
    say(warehouse, ended("met", DUE), ended("breached", DUE, version=2 * EPOCH), ended("met", DUE, version=3 * EPOCH))
    assert kinds(api) == ["verdict", "verdict"]


def test_filters_by_case_clock_and_kind(api: Api, warehouse: Warehouse) -> None:
    for case_id in ("it's 1", "2"):
        moved = [ended("met", DUE), ended("met", DUE - 60_000), ended("breached", DUE)]
        say(warehouse, *({"case_id": case_id} | record for record in moved))
    assert kinds(api) == ["time", "time", "verdict", "verdict"]
    assert kinds(api, kind=["time", "reopened"]) == ["time", "time"]
    assert kinds(api, case_id="it's 1") == ["time", "verdict"]
    assert kinds(api, clock="resolution") == kinds(api, team="b") == kinds(api, kind="window") == []
    windows = api.get("/v1/restatements", window="1h", case_id="it's 1")["windows"]["rows"]
    # Both cases count, though only one was asked for.
    assert [(row["t"][11:16], row["clocks_changed"], _figures(row["new"])) for row in windows] == [("10:00", 2, (0, 2))]
    assert api.get("/v1/restatements", window="1h", case_id="3")["windows"]["rows"] == []


def test_a_long_ledger_is_cut_and_says_so(api: Api, warehouse: Warehouse) -> None:
    for seq in range(3):
        late = ended("met", DUE - seq * MINUTE_MS, seq=seq)
        say(warehouse, late, late | {"team": "b"})
    answer = api.get("/v1/restatements", window="1h", limit=2)
    for ledger in (answer["verdicts"], answer["windows"]):
        assert (ledger["total"], len(ledger["rows"])) == (3, 2)
        assert ledger["note"] == "only the latest 2 of 3; ask for a shorter range or filter"
    assert [row["t"][11:16] for row in answer["windows"]["rows"]] == ["10:00", "09:59"]


def test_nothing_restated_and_what_cannot_be_asked(api: Api) -> None:
    empty = {"total": 0, "note": None, "rows": []}
    assert api.get("/v1/restatements") == {
        "from": text(NOW // MINUTE_MS * MINUTE_MS + MINUTE_MS - 86_400_000),
        "to": text(NOW // MINUTE_MS * MINUTE_MS + MINUTE_MS),
        "step_s": 60.0,
        "published_after_s": 2.3,
        "verdicts": empty,
        "windows": empty,
    }
    for asked, said in (
        ({"step": "90s"}, "step: must be whole minutes"),
        ({"step": "32d"}, "step: must be whole minutes"),
        ({"window": "91d"}, "window: what was told when is kept for 90 days"),
        ({"from_": "2025-01-01T00:00:00Z", "to": text(NOW)}, "from: what was told when is kept for 90 days"),
        ({"kind": "rumour"}, "kind"),
        ({"by": "team"}, "by"),
        ({"limit": 0}, "limit"),
    ):
        assert api.get("/v1/restatements", 422, **asked)["detail"].startswith(said)
