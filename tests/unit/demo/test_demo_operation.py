from collections import Counter, defaultdict

import msgspec
import pytest

from schemas.event import EVENT_TYPES, decode_event
from schemas.times import parse
from services.demo.operation import Operation
from services.demo.rhythm import DayShape, Incidents, Trouble, is_month_end, is_weekend
from services.demo.world import TEAM_SIZES

HOUR_MS = 3_600_000
START = parse("2026-11-18T09:00:00+08:00")
HOURS = 2


@pytest.fixture(scope="module")
def morning():
    return Operation(7, START, rate=15).advance(START + HOURS * HOUR_MS)


@pytest.fixture(scope="module")
def cases(morning):
    """The events of each case as the engine applies them: once, by time and id."""
    found = defaultdict(list)
    for event in {event["event_id"]: event for event in morning}.values():
        if "case_id" in event:
            found[event["case_id"]].append(event)
    for events in found.values():
        events.sort(key=lambda event: (event["occurred_at"], event["event_id"]))
    return found


@pytest.fixture(scope="module")
def finished():
    """As `cases`, those that were closed in a quiet eight hours: long enough for complaints to be answered."""
    found = defaultdict(dict)
    for event in Operation(11, START, rate=4).advance(START + 8 * HOUR_MS):
        if "case_id" in event:
            found[event["case_id"]][event["event_id"]] = event
    ordered = (sorted(case.values(), key=lambda e: (e["occurred_at"], e["event_id"])) for case in found.values())
    return [events for events in ordered if "contact.closed" in {event["type"] for event in events}]


def first(events, type_):
    return next((parse(event["occurred_at"]) for event in events if event["type"] == type_), None)


def test_every_event_keeps_the_contract(morning):
    for event in morning[::7]:
        decode_event(msgspec.json.encode(event))


def test_the_same_seed_and_start_give_the_same_events_in_whatever_steps():
    whole = Operation(3, START).advance(START + 600_000)
    stepwise = Operation(3, START)
    parts = [event for at in range(200, 600_001, 200) for event in stepwise.advance(START + at)]
    assert parts == whole
    assert Operation(4, START).advance(START + 600_000) != whole


def test_two_starts_share_no_id():
    one, other = (Operation(3, start).advance(START + 600_000) for start in (START, START + 300_000))
    assert not {event["event_id"] for event in one} & {event["event_id"] for event in other}
    first_cases, other_cases = ({event["case_id"] for event in events if "case_id" in event} for events in (one, other))
    assert not first_cases & other_cases


def test_case_ids_are_dated_in_shanghai(morning):
    assert morning[-1]["case_id"].startswith("C-20261118-")


@pytest.mark.parametrize("hour", [3, 10, 20])
def test_the_rate_is_lively_at_any_hour(hour):
    start = parse("2026-11-18T00:00:00+08:00") + hour * HOUR_MS
    operation = Operation(1, start - HOUR_MS // 6)
    operation.advance(start)
    rate = len(operation.advance(start + HOUR_MS // 6)) / 600
    assert 17 < rate < 48


def test_the_rate_scales():
    counts = [len(Operation(1, START, rate).advance(START + HOUR_MS // 4)) for rate in (5, 50)]
    assert 8 < counts[1] / counts[0] < 12


def test_nearly_all_types_and_all_channels_teams_and_levels_occur(morning):
    never = set(EVENT_TYPES) - {event["type"] for event in morning}
    assert never <= {"agent.state", "suggestion.adopted"}
    opened = [event for event in morning if event["type"] == "contact.opened"]
    assert len({event["channel"] for event in opened}) == 10
    assert {event["priority"] for event in opened} == {"L1", "L2", "L3"}
    assert {event["customer_tier"] for event in opened} == {"vip", "gold", "standard"}
    assert {event["team"] for event in morning if "team" in event} == set(TEAM_SIZES)
    assert 60 <= len({event["agent_id"] for event in morning if "agent_id" in event}) <= 100


def test_some_events_arrive_late_and_some_twice_but_none_before_its_time(morning):
    latest = late = 0
    for event in morning:
        at = parse(event["occurred_at"])
        late += at < latest - 2_000
        latest = max(latest, at)
    twice = len(morning) - len({event["event_id"] for event in morning})
    assert 0.005 < late / len(morning) < 0.15
    assert 0.002 < twice / len(morning) < 0.008
    operation = Operation(5, START)
    for at in range(START + 10_000, START + 300_000, 10_000):
        assert all(parse(event["occurred_at"]) <= at for event in operation.advance(at))


def test_a_case_is_opened_first_and_never_connected_before_it_queued(cases):
    for events in cases.values():
        if first(events, "contact.opened") is None:
            continue  # opened, but that news is still under way
        assert events[0]["type"] == "contact.opened"
        queued, connected = first(events, "contact.queued"), first(events, "contact.connected")
        if queued and connected:
            assert queued <= connected
        ends = Counter(event["type"] for event in events)
        assert ends["contact.closed"] <= 1
        assert ends["contact.abandoned"] <= 1


def test_promises_are_mostly_kept_and_sometimes_broken(cases):
    """The service standards' connect targets: 15 s on the phone, 5, 10 and 15 min by level elsewhere."""
    by_level = {"L1": 300_000, "L2": 600_000, "L3": 900_000}
    kept, broken = Counter(), Counter()
    for events in cases.values():
        opened, queued, connected = events[0], first(events, "contact.queued"), first(events, "contact.connected")
        if "channel" in opened and queued and connected:
            target = 15_000 if opened["channel"] == "phone" else by_level[opened["priority"]]
            (kept if connected - queued <= target else broken)[opened["channel"]] += 1
    for channel in ("phone", "chat", "app", "web", "mini_program", "email", "social", "sms"):
        assert 0.75 < kept[channel] / (kept[channel] + broken[channel]) < 0.995, channel


def test_complaints_are_acknowledged_then_answered_and_only_then_closed(finished):
    acknowledged, answered = [], []
    for events in finished:
        filed, said = first(events, "complaint.filed"), first(events, "complaint.feedback_given")
        if events[0].get("data", {}).get("complaint"):
            filed = first(events, "contact.opened")
        if filed is None or first(events, "contact.connected") is None or first(events, "contact.abandoned"):
            continue
        noted = first(events, "complaint.acknowledged")
        assert filed < noted < said <= first(events, "contact.closed")
        acknowledged.append(noted - filed <= 2 * HOUR_MS)
        answered.append(said - filed)
    assert len(answered) > 50
    assert 0.85 < sum(acknowledged) / len(acknowledged) < 1
    assert max(answered) > 2 * min(answered)


def test_calls_back_are_promised_and_mostly_made_in_time(finished):
    kept = Counter()
    for events in finished:
        made = {e["data"]["callback_id"]: parse(e["occurred_at"]) for e in events if e["type"] == "callback.made"}
        for promise in (event["data"] for event in events if event["type"] == "callback.promised"):
            kept[made[promise["callback_id"]] <= parse(promise["due_at"])] += 1
    assert kept.total() > 30
    assert 0.8 < kept[True] / kept.total() < 0.99


def test_every_wait_has_a_reason_and_ends_before_the_case_is_resolved(finished):
    waits = Counter()
    for events in finished:
        held = None
        for event in events:
            if event["type"] == "contact.pending":
                held = event["data"]["reason"]
                waits[held] += 1
            elif event["type"] == "contact.resumed":
                assert event["data"]["reason"] == held
                held = None
            assert event["type"] != "contact.resolved" or held is None
    assert waits.keys() == {"customer", "third_party", "internal"}
    assert waits["customer"] > waits["third_party"] > waits["internal"]


def test_who_a_case_is_passed_on_to_mostly_says_what_is_the_matter(finished):
    passed_on = diagnosed = stopgaps = 0
    for events in finished:
        names = [event["data"]["name"] for event in events if event["type"] == "milestone.reached"]
        transferred = first(events, "contact.transferred")
        passed_on += transferred is not None
        diagnosed += "diagnosis" in names
        stopgaps += "temporary_solution" in names
        if "diagnosis" in names:
            assert transferred <= first(events, "milestone.reached")
    assert 0.6 < diagnosed / passed_on < 0.95
    assert stopgaps > 20


def test_the_bot_settles_most_of_what_it_gets(cases):
    met_bot = [events for events in cases.values() if first(events, "message.bot")]
    settled = sum(first(events, "contact.queued") is None for events in met_bot)
    assert 0.55 < settled / len(met_bot) < 0.8


def test_the_day_has_its_peaks_mid_morning_and_mid_afternoon_and_a_low_at_night():
    shape, midnight = DayShape(), parse("2026-11-18T00:00:00+08:00")
    at = [shape.at(midnight + hour * HOUR_MS) for hour in range(24)]
    assert at[10] > at[12] < at[15] > at[18]
    assert min(at) == min(at[2:6])
    assert 0.6 < min(at) < max(at) < 1.4


def test_weekends_and_month_ends_are_those_of_shanghai():
    assert not is_weekend(parse("2026-11-20T15:59:00Z"))
    assert is_weekend(parse("2026-11-20T16:00:00Z"))
    assert is_month_end(parse("2026-11-30T12:00:00+08:00"))
    assert not is_month_end(parse("2026-11-15T12:00:00+08:00"))


def test_an_incident_shows_in_its_teams_figures():
    """A team with half its seats answers more slowly while that lasts."""
    incidents = Incidents(1)
    first_block = START // (40 * 60_000)
    blocks = (incidents.of_block(block) for block in range(first_block, first_block + 400))
    chosen = next(one for one in blocks if one and (one.trouble, one.where) == (Trouble.SHORT_STAFFED, "hotline-1"))
    operation = Operation(1, chosen.start_ms - HOUR_MS // 4, rate=40)
    waits = defaultdict(list)
    queued = {}
    for event in operation.advance(chosen.end_ms):
        at = parse(event["occurred_at"])
        if event["type"] == "contact.queued" and event["team"] == "hotline-1":
            queued[event["case_id"]] = at
        if event["type"] in ("contact.connected", "contact.abandoned") and event.get("case_id") in queued:
            waits[at >= chosen.start_ms + 300_000].append(at - queued.pop(event["case_id"]))
    calm, troubled = (sum(waits[when]) / len(waits[when]) for when in (False, True))
    assert troubled > 3 * calm
    assert incidents.at(chosen.start_ms) == chosen
    assert incidents.at(chosen.end_ms) != chosen
