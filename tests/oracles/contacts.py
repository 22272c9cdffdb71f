"""What happened to the contacts of a history, counted fact by fact from the events in order; slices; the metrics.

Companion of `tests.oracles.engine`, from which it takes only the dimensions after each event and what reopened a case.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.contract import CASELESS, DIMS, Json, cases_of, duration, parse, show, unique
from tests.oracles.engine import walk
from tests.oracles.promises import Changes, Policy, in_force

Fact = tuple[datetime, Json, str, int]
"""When, dimensions, measure, amount."""

Seen = tuple[datetime, Json, Json]
"""An event's time, the case's dimensions after it, and the event."""


def ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def facts_of_case(events: list[Json], policy: Policy, changes: Changes = ()) -> Iterator[Fact]:
    """Every fact of one case; `events` in order."""
    case = walk(events, policy, parse(events[-1]["occurred_at"]), changes)
    seen: list[Seen] = [(parse(e["occurred_at"]), d, e) for e, d in zip(events, case.history, strict=True)]
    for at, dims, event in seen:
        for measure, amount in _plain(event["type"], event.get("data") or {}, in_force(policy, changes, at)):
            yield at, dims, measure, amount
    begin = _first(seen, "contact.opened")
    if begin is not None:
        opened, dims, _ = seen[begin]
        yield opened, dims, "opened", 1
        since = seen[begin:]
        answer = _first(since, "message.agent")
        if answer is not None:
            yield *since[answer][:2], "first_responses", 1
            yield *since[answer][:2], "first_response_ms", ms(since[answer][0] - opened)
        if _first(since, "contact.resolved") is not None:
            at, dims, _ = [s for s in since if s[2]["type"] == "contact.resolved"][-1]
            yield at, dims, "resolved", 1
            yield at, dims, "resolution_ms", ms(at - opened)
    if case.reopenings:
        yield *seen[case.reopenings[0]][:2], "reopened", 1
    yield from _complaint(seen)
    yield from _waited(seen, case.reopenings, policy, changes)


def _first(seen: Sequence[Seen], kind: str) -> int | None:
    return next((n for n, (_, _, event) in enumerate(seen) if event["type"] == kind), None)


def _complaint(seen: list[Seen]) -> Iterator[Fact]:
    """The first event that makes the case a complaint; a repeated opening says nothing."""
    opening = _first(seen, "contact.opened")
    for n, (at, dims, event) in enumerate(seen):
        may_say = event["type"] == "contact.updated" or n == opening
        if event["type"] == "complaint.filed" or (may_say and (event.get("data") or {}).get("complaint")):
            yield at, dims, "complaints", 1
            return


def _waited(seen: list[Seen], reopenings: list[int], policy: Policy, changes: Changes) -> Iterator[Fact]:
    """The first connection, or where there never was one the abandonment that no reopening undid, and how long the
    customer had waited for it. Where nothing tells since when, there is no wait and nothing is counted."""
    end, kind = _first(seen, "contact.connected"), "connected"
    if end is None:
        kind, began = "abandoned", max(reopenings, default=0)
        end = _first(seen[began:], "contact.abandoned")
        end = None if end is None else end + began
    if end is None:
        return
    at, dims, _ = seen[end]
    waited_from = _first(seen[:end], "contact.queued")
    if waited_from is None:
        waited_from = _first(seen[:end], "contact.opened")
    if waited_from is None:
        return
    wait = at - seen[waited_from][0]
    limits = in_force(policy, changes, at).get("metrics") or {}
    limit = duration(limits.get("answer_within", "20s"))
    short = duration(limits.get("short_abandon", "5s"))
    yield at, dims, kind, 1
    yield at, dims, f"{kind}_in_limit", int(wait <= limit)
    if kind == "connected":
        yield at, dims, "connect_wait_ms", ms(wait)
    else:
        yield at, dims, "abandoned_short", int(wait <= short)


def _plain(kind: str, data: Json, policy: Policy) -> Iterator[tuple[str, int]]:
    """Facts that one event tells by itself."""
    if kind == "contact.transferred":
        yield "transfers", 1
    elif kind == "agent.praised":
        yield "praises", 1
    elif kind == "call.wrapped":
        yield "handled", 1
        yield "handle_ms", round(1000 * sum(data.get(k, 0) for k in ("talk_s", "hold_s", "wrap_s")))
    elif kind == "survey.submitted":
        yield from _survey(data, (policy.get("metrics") or {}).get("csat_pass", 4))
    elif kind == "sentiment.scored":
        yield "scored", 1
        yield "scored_negative", int(data["score"] < -0.3)
    else:
        for key, of, said, yes in (
            ("intent_recognized", "message.bot", "bot_said", "bot_recognized"),
            ("template", "message.agent", "template_said", "template_used"),
            ("classification_correct", "quality.audited", "audited_classification", "classified_correctly"),
            ("consistent", "quality.audited", "audited_consistency", "consistent"),
        ):
            if kind == of and data.get(key) is not None:
                yield said, 1
                yield yes, int(data[key])


def _survey(data: Json, csat_pass: int) -> Iterator[tuple[str, int]]:
    yield "surveys", 1
    if data.get("csat") is not None:
        yield from (("csat_answers", 1), ("csat_sum", data["csat"]), ("csat_passed", int(data["csat"] >= csat_pass)))
    if data.get("nps") is not None:
        yield "nps_answers", 1
        yield from (("nps_promoters", int(data["nps"] >= 9)), ("nps_detractors", int(data["nps"] <= 6)))
    if data.get("ces") is not None:
        yield from (("ces_answers", 1), ("ces_sum", data["ces"]))


def facts(events: Iterable[Json], policy: Policy, changes: Changes = ()) -> Iterator[Fact]:
    """Every fact of a history, also of events without a case."""
    listed = list(events)
    for of_case in cases_of(listed).values():
        yield from facts_of_case(of_case, policy, changes)
    apart: dict[str, list[Json]] = defaultdict(list)
    for event in listed:
        if event.get("case_id") is None and event["type"] in CASELESS:
            apart[event.get("agent_id") or event["event_id"]].append(event)
    for of_one in apart.values():
        for event in unique(of_one):
            at, dims = parse(event["occurred_at"]), {key: event.get(key) for key in DIMS}
            for measure, amount in _plain(event["type"], event.get("data") or {}, in_force(policy, changes, at)):
                yield at, dims, measure, amount


def contact_slices(told: Iterable[Fact]) -> dict[tuple[Any, ...], dict[str, int]]:
    """Facts by (minute, dimensions); measures that are 0 are left out."""
    cells: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for at, dims, measure, amount in told:
        minute = show(at.replace(second=0, microsecond=0))
        cells[(minute, *(dims[d] for d in DIMS))][measure] += amount
    return {key: {m: n for m, n in cell.items() if n} for key, cell in cells.items() if any(cell.values())}


def clock_slices(records: Iterable[Json]) -> dict[tuple[Any, ...], Json]:
    """Ended clocks by (minute, clock, dimensions)."""
    cells: dict[tuple[Any, ...], Json] = {}
    for r in records:
        end = r["due_at"] if r["state"] == "breached" else r["stopped_at"]
        if r["state"] in ("met", "breached", "cancelled"):
            key = (end[:17] + "00.000Z", r["clock"], *(r[d] for d in DIMS))
            cell = cells.setdefault(key, dict.fromkeys(("met", "breached", "cancelled", "stopped", "elapsed_ms"), 0))
            cell[r["state"]] += 1
            if r["state"] == "met" or (r["state"] == "breached" and r["stopped_at"]):
                cell["stopped"] += 1
                cell["elapsed_ms"] += round(r["elapsed_s"] * 1000)
    return cells


def ratio(top: float, bottom: float, scale: float = 1.0, offset: float = 0.0) -> float | None:
    return scale * top / bottom + offset if bottom else None


def metrics(told: Iterable[Fact], records: Iterable[Json]) -> dict[str, float | None]:
    """All metrics of the catalogue over facts and outcome records, formula by formula."""
    n: Counter[str] = Counter()
    for _, _, measure, amount in told:
        n[measure] += amount
    ends = [(r["clock"], r["state"]) for r in records if r["state"] in ("met", "breached")]
    first = [state for clock, state in ends if clock == "first_response"]
    gone = n["connected"] + n["abandoned"]
    return {
        "contacts_opened": n["opened"],
        "contacts_connected": n["connected"],
        "contacts_abandoned": n["abandoned"],
        "contacts_resolved": n["resolved"],
        "complaints_filed": n["complaints"],
        "praises": n["praises"],
        "asa": ratio(n["connect_wait_ms"] / 1000, n["connected"]),
        "abandonment_rate": ratio(n["abandoned"], gone),
        "sl_answered": ratio(n["connected_in_limit"], n["connected"]),
        "sl_all": ratio(n["connected_in_limit"], gone),
        "sl_short_excluded": ratio(n["connected_in_limit"], gone - n["abandoned_short"]),
        "sl_abandon_met": ratio(n["connected_in_limit"] + n["abandoned_in_limit"], gone),
        "sl_abandon_excluded": ratio(n["connected_in_limit"], gone - n["abandoned_in_limit"]),
        "first_response_time": ratio(n["first_response_ms"] / 1000, n["first_responses"]),
        "resolution_time": ratio(n["resolution_ms"] / 1000, n["resolved"]),
        "handle_time": ratio(n["handle_ms"] / 1000, n["handled"]),
        "timely_response_rate": ratio(first.count("met"), len(first)),
        "sla_compliance": ratio(sum(state == "met" for _, state in ends), len(ends)),
        "reopen_rate": ratio(n["reopened"], n["resolved"]),
        "transfers_per_case": ratio(n["transfers"], n["resolved"]),
        "csat_mean": ratio(n["csat_sum"], n["csat_answers"]),
        "csat_pass_rate": ratio(n["csat_passed"], n["csat_answers"]),
        "csi": ratio(n["csat_sum"], n["csat_answers"], 25, -25),
        "nps": ratio(n["nps_promoters"] - n["nps_detractors"], n["nps_answers"], 100),
        "ces_mean": ratio(n["ces_sum"], n["ces_answers"]),
        "survey_response_rate": ratio(n["surveys"], n["resolved"]),
        "complaint_rate": ratio(n["complaints"], n["opened"]),
        "bot_recognition": ratio(n["bot_recognized"], n["bot_said"]),
        "classification_accuracy": ratio(n["classified_correctly"], n["audited_classification"]),
        "consistency": ratio(n["consistent"], n["audited_consistency"]),
        "negative_sentiment_rate": ratio(n["scored_negative"], n["scored"]),
        "template_use_rate": ratio(n["template_used"], n["template_said"]),
    }
