"""The live board in a browser."""

import re
import signal
import time
from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import expect

from tests.e2e.board import world
from tests.e2e.board.conftest import KEY, Operation, Screen, Server, eventually

LIVE = "#fresh[data-state=live]"


def _now() -> int:
    return time.time_ns() // 1_000_000


def _contact(now_ms: int, channel: str, opened: int) -> dict[str, object]:
    about = {"channel": channel, "team": "billing", "agent_id": f"new-{now_ms}"}
    rest = dict.fromkeys(("priority", "customer_tier", "category", "queue"))
    return world._slice((now_ms // world.MINUTE_MS, *(about | rest).values())) | about | rest | {
        "counts": {"opened": opened}
    }  # fmt: skip


def test_it_loads_by_itself_and_shows_every_part(server: Server, screen: Screen) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    for metric in ("contacts_opened", "first_response_time", "csat_mean", "complaint_rate", "sla_compliance", "open"):
        shown = screen.text(f"[data-metric={metric}] .value")
        assert shown not in ("", "–"), metric
    assert screen.page.locator("#by-clock canvas").count() == 1
    assert screen.page.locator("#by-channel canvas").count() == 1
    assert screen.page.locator("#matrix tbody tr").count() == len(world.CLOCKS)
    assert screen.page.locator("#at-risk tbody tr").count() > 3
    assert screen.page.locator("#overdue tbody tr").count() > 0
    overflow = "document.documentElement.scrollHeight - innerHeight + document.documentElement.scrollWidth - innerWidth"
    for width, height in ((1920, 1080), (1366, 768)):
        screen.page.set_viewport_size({"width": width, "height": height})
        assert screen.page.evaluate(overflow) == 0
    assert screen.complaints == []


def test_an_inserted_row_comes_onto_the_board_by_itself(server: Server, screen: Screen, operation: Operation) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    before = int(screen.text("[data-metric=contacts_opened] .value").replace(",", ""))
    now = _now()
    operation.insert("contact_slices", [_contact(now, "app", 20_000)])
    about = {"case_id": f"new-{now}", "clock": "connect", "channel": "app", "team": "billing"}
    operation.insert("outcomes", [world.outcome(**about, started_ms=now, due_ms=now + 45_000)])
    eventually(lambda: int(screen.text("[data-metric=contacts_opened] .value").replace(",", "")) > before + 19_000)
    row = screen.page.locator("#at-risk tr", has_text=f"new-{now}")
    expect(row).to_have_class("now")
    left = row.locator("[role=timer]").inner_text()
    eventually(lambda: row.locator("[role=timer]").inner_text() != left)
    api = server.get("/v1/metrics/contacts_opened?window=15m")["rows"][0]["value"]
    assert int(screen.text("[data-metric=contacts_opened] .value").replace(",", "")) == api
    assert screen.complaints == []


def test_the_language_switches_everything_and_is_remembered(server: Server, screen: Screen) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    assert screen.page.locator("html").get_attribute("lang") == "en"
    assert screen.text("[data-metric=csat_mean] .name") == "CSAT, mean of 1-5"
    screen.page.click("#language")
    assert screen.text("[data-metric=csat_mean] .name") == "满意度均分"
    assert "即将超时" in screen.text(".urgent")
    assert "接入人工" in screen.text("#matrix")
    assert "数据截至" in screen.text("#fresh")
    screen.page.reload()
    assert screen.page.locator("html").get_attribute("lang") == "zh-CN"
    screen.page.wait_for_selector(LIVE)
    assert screen.text("[data-metric=csat_mean] .name") == "满意度均分"
    assert screen.complaints == []


def test_a_channel_heading_narrows_the_whole_board(server: Server, screen: Screen) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    screen.page.click("#matrix [data-channel=email]")
    eventually(lambda: screen.page.locator("#matrix thead th").count() == 2)
    assert screen.page.url.endswith("?channel=email")
    shown = int(screen.text("[data-metric=contacts_opened] .value").replace(",", ""))
    assert shown == server.get("/v1/metrics/contacts_opened?window=15m&channel=email")["rows"][0]["value"]
    screen.page.reload()
    screen.page.wait_for_selector(LIVE)
    assert screen.page.locator("#matrix thead th").count() == 2
    screen.page.click("#all")
    eventually(lambda: screen.page.locator("#matrix thead th").count() > 2)
    assert screen.complaints == []


def test_the_stamp_turns_red_when_the_stream_stands_still_and_back(
    server: Server, screen: Screen, operation: Operation
) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    operation.beating.clear()
    try:
        screen.page.wait_for_selector("#fresh[data-state=stale]")
        assert "old" in screen.text("#fresh")
        assert "old" in (screen.page.locator("#announce").text_content() or "")
    finally:
        operation.beating.set()
    screen.page.wait_for_selector(LIVE)
    assert screen.complaints == []


def test_the_stamp_turns_red_when_nothing_comes_over_an_open_connection(
    start: Callable[..., Server], screen: Screen
) -> None:
    server = start()
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    server.process.send_signal(signal.SIGSTOP)  # the line stays open and says nothing
    try:
        screen.page.wait_for_selector("#fresh[data-state=stale]")
        assert "old" in screen.text("#fresh")
        screen.page.wait_for_selector("#fresh[data-state=lost]")
    finally:
        server.process.send_signal(signal.SIGCONT)
    screen.page.wait_for_selector(LIVE)


def test_an_overdue_row_says_how_long_it_has_been(server: Server, screen: Screen, operation: Operation) -> None:
    now = _now()
    due = now - 125_000
    about = {"case_id": f"over-{now}", "clock": "connect", "channel": "app", "team": "billing"}
    row = world.outcome(**about, state="breached", started_ms=due - 15_000, due_ms=due, breached_ms=due)
    operation.insert("outcomes", [row])
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    shown = screen.page.locator("#overdue tr", has_text=f"over-{now}")
    expect(shown).to_have_class("over")
    timer = shown.locator("[role=timer]")

    def late_s() -> int:
        found = re.fullmatch(r"\+(\d+):(\d\d)", timer.inner_text())
        assert found, timer.inner_text()
        return int(found[1]) * 60 + int(found[2])

    first = late_s()
    assert 125 <= first <= (_now() - due) / 1000 + 2
    eventually(lambda: late_s() > first)


def test_no_share_is_rounded_up_over_its_goal_or_to_the_whole(server: Server, screen: Screen) -> None:
    screen.page.goto(server.url)
    told = """async ([unit, value]) => {
        const format = await import('/static/format.js');
        return unit === 'percent' ? format.percent(value) : format.valueText(unit, value);
    }"""
    for unit, value, shown in (
        ("ratio", 0.8996, "89.9%"), ("ratio", 0.9, "90.0%"), ("ratio", 0.9996, "99.9%"), ("ratio", 1, "100%"),
        ("ratio", 0.29, "29.0%"), ("ratio", 0.999999, "99.9%"), ("ratio", 0, "0.0%"), ("ratio", None, "–"),
        ("percent", 0.8996, "89"), ("percent", 0.9, "90"), ("percent", 0.9996, "99"), ("percent", 1, "100"),
        ("percent", 0.29, "29"), ("s", 9.96, "10.0s"), ("s", 59.4, "59s"), ("s", 65, "1m 05s"),
        ("s", 3_599.6, "1h 00m"), ("s", 172_800, "2d 00h"), ("count", 1234, "1,234"), ("score", 4.125, "4.13"),
    ):  # fmt: skip
        assert screen.page.evaluate(told, [unit, value]) == shown, (unit, value)
    assert screen.complaints == []


def test_it_survives_a_restart_of_the_server(start: Callable[..., Server], screen: Screen) -> None:
    server = start()
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    took = server.stop()
    assert took < 3.0
    assert server.process.returncode == 0
    screen.page.wait_for_selector("#fresh[data-state=lost]")
    assert "Connection lost" in screen.text("#fresh")
    start(port=int(server.url.rpartition(":")[2]))
    screen.page.wait_for_selector(LIVE)


def test_a_case_opens_with_its_clocks_and_history_and_runs_no_foreign_script(server: Server, screen: Screen) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    screen.page.goto(f"{server.url}/cases/{quote(world.ODD_CASE, safe='')}")
    expect(screen.page.locator("#events li:not(.passed)")).to_have_count(7)
    assert "starts" in screen.text("#events .effect.started")
    assert screen.page.locator("#waterfall .bar rect").count() >= 1
    assert screen.text("#case-id") == world.ODD_CASE
    assert screen.page.locator("#clocks tbody tr").count() == 1
    assert "<img src=x" in screen.text("#events")
    assert screen.complaints == []
    screen.page.goto(f"{server.url}/cases/no-such-case")
    expect(screen.page.locator("#trouble")).to_have_text("There is no such case.")


def test_a_click_on_a_listed_case_opens_it(server: Server, screen: Screen) -> None:
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    link = screen.page.locator("#overdue tbody a[href^='/cases/']").first
    case_id = link.inner_text()
    link.click()
    expect(screen.page.locator("#case-id")).to_have_text(case_id)
    screen.page.wait_for_selector("#clocks tbody tr")


def test_beyond_loopback_it_asks_for_the_key(start: Callable[..., Server], screen: Screen) -> None:
    server = start(loopback=False)
    screen.page.goto(f"{server.url}/cases/T-00001")
    screen.page.fill("[name=key]", "wrong")
    screen.page.click("form button")
    expect(screen.page.locator("#wrong")).to_be_visible()
    screen.page.fill("[name=key]", KEY)
    screen.page.click("form button")
    screen.page.wait_for_selector("#clocks tbody tr")
    screen.page.goto(server.url)
    screen.page.wait_for_selector(LIVE)
    screen.page.click("#logout button")
    screen.page.wait_for_selector("[name=key]")
