"""What happened to the contacts of a history, counted fact by fact from the events in order; slices of facts.

Companion of `tests.oracles.engine`, from which it takes only what is known after each event and what reopened a case.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.cases import Seen, Story, stories
from tests.oracles.contract import AGENT_STATE, CASELESS, DIMS, MS, Json, duration, parse, show, unique
from tests.oracles.promises import Changes, Policy, hours, in_force, match

Fact = tuple[datetime, Json, str, int]
"""When, dimensions, measure, amount."""

Key = tuple[Any, ...]
"""A slice: its minute as text, then the dimensions in order."""

DURATIONS = (
    "connect_wait", "abandon_wait", "first_response", "first_response_business", "resolution", "resolution_business",
    "handle",
)  # fmt: skip
"""Of each there is a fact `<name>_ms` a value."""


def ms(span: timedelta) -> int:
    return span // MS


def facts_of_case(story: Story, policy: Policy, changes: Changes = ()) -> Iterator[Fact]:
    """Every fact of one case."""
    for at, dims, event, _ in story.seen:
        for measure, amount in _plain(event["type"], event.get("data") or {}, in_force(policy, changes, at)):
            yield at, dims, measure, amount
    if story.opening is not None:
        opened = story.seen[story.opening]
        yield opened.at, opened.dims, "opened", 1
        answer = story.first("message.agent", story.opening)
        if answer is not None:
            response = story.seen[answer]
            yield from _lasted("first_responses", "first_response", opened, response, policy, changes)
        yield from _resolved(story, opened, policy, changes)
    if story.reopenings:
        reopening = story.seen[story.reopenings[0]]
        yield reopening.at, reopening.dims, "reopened", 1
    bot = story.first("message.bot")
    if bot is not None:
        yield story.seen[bot].at, story.seen[bot].dims, "bot_cases", 1
    yield from _complaint(story)
    yield from _waited(story, policy, changes)


def _resolved(story: Story, opened: Seen, policy: Policy, changes: Changes) -> Iterator[Fact]:
    """What is booked at the last resolution."""
    end = story.resolution
    if end is None:
        return
    yield from _lasted("resolved", "resolution", opened, end, policy, changes)
    human = story.has("contact.connected") or story.has("message.agent")
    yield end.at, end.dims, "resolved_of_known", int(story.customer is not None)
    yield end.at, end.dims, "resolved_reopened", int(bool(story.reopenings))
    yield end.at, end.dims, "bot_contained", int(story.has("message.bot") and not human)


def _lasted(count: str, clock: str, opened: Seen, end: Seen, policy: Policy, changes: Changes) -> Iterator[Fact]:
    """The time from the opening by the wall clock, and by the calendar of the clock that the case's policy then has."""
    yield end.at, end.dims, count, 1
    yield end.at, end.dims, f"{clock}_ms", ms(end.at - opened.at)
    file = in_force(policy, changes, end.at)
    calendar = match(file, end.dims, end.complaint)["clocks"].get(clock, {}).get("calendar", "always")
    if calendar != "always":
        yield end.at, end.dims, f"{count}_business", 1
        yield end.at, end.dims, f"{clock}_business_ms", ms(hours(file, calendar).elapsed(opened.at, end.at))


def _complaint(story: Story) -> Iterator[Fact]:
    """The first event that makes the case a complaint; a repeated opening says nothing."""
    for n, (at, dims, event, _) in enumerate(story.seen):
        may_say = event["type"] == "contact.updated" or n == story.opening
        if event["type"] == "complaint.filed" or (may_say and (event.get("data") or {}).get("complaint")):
            yield at, dims, "complaints", 1
            return


def _waited(story: Story, policy: Policy, changes: Changes) -> Iterator[Fact]:
    """The first connection, or where there never was one the abandonment that no reopening undid, and how long the
    customer had waited for it. Where nothing tells since when, there is no wait and nothing is counted."""
    end, kind = story.first("contact.connected"), "connected"
    if end is None:
        end, kind = story.first("contact.abandoned", max(story.reopenings, default=0)), "abandoned"
    if end is None:
        return
    at, dims, *_ = story.seen[end]
    waited_from = story.first("contact.queued", until=end)
    if waited_from is None:
        waited_from = story.first("contact.opened", until=end)
    if waited_from is None:
        return
    wait = at - story.seen[waited_from].at
    limits = in_force(policy, changes, at).get("metrics") or {}
    limit = duration(limits.get("answer_within", "20s"))
    short = duration(limits.get("short_abandon", "5s"))
    yield at, dims, kind, 1
    yield at, dims, f"{kind}_in_limit", int(wait <= limit)
    if kind == "connected":
        yield at, dims, "connect_wait_ms", ms(wait)
    else:
        yield at, dims, "abandon_wait_ms", ms(wait)
        yield at, dims, "abandoned_short", int(wait <= short)


def _plain(kind: str, data: Json, policy: Policy) -> Iterator[tuple[str, int]]:
    """Facts that one event tells by itself."""
    if kind == "contact.transferred":
        yield "transfers", 1
    elif kind == "agent.praised":
        yield "praises", 1
    elif kind == "suggestion.adopted":
        yield "suggestions", 1
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
        yield from (("csat_answers", 1), ("csat_sum", data["csat"]), ("csat_squares", data["csat"] ** 2))
        yield "csat_passed", int(data["csat"] >= csat_pass)
    if data.get("nps") is not None:
        yield "nps_answers", 1
        yield from (("nps_promoters", int(data["nps"] >= 9)), ("nps_detractors", int(data["nps"] <= 6)))
    if data.get("ces") is not None:
        yield from (("ces_answers", 1), ("ces_sum", data["ces"]), ("ces_squares", data["ces"] ** 2))


def facts(events: Iterable[Json], policy: Policy, changes: Changes = ()) -> Iterator[Fact]:
    """Every fact that one case or one event without a case tells."""
    listed = list(events)
    for story in stories(listed, policy, changes):
        yield from facts_of_case(story, policy, changes)
    for event in caseless(listed):
        at = parse(event["occurred_at"])
        for measure, amount in _plain(event["type"], event.get("data") or {}, in_force(policy, changes, at)):
            yield at, own_dims(event), measure, amount


def caseless(events: Iterable[Json]) -> list[Json]:
    """The praises and suggestions that name no case; each agent's are told apart by their own ids."""
    apart: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        if event.get("case_id") is None and event["type"] in CASELESS and event["type"] != AGENT_STATE:
            apart[event.get("agent_id") or event["event_id"]].append(event)
    return [event for of_one in apart.values() for event in unique(of_one)]


def own_dims(event: Json) -> Json:
    """The dimensions that an event itself carries."""
    return {key: event.get(key) for key in DIMS}


def slice_of(at: datetime, dims: Json) -> Key:
    """The slice of a fact."""
    return (show(at.replace(second=0, microsecond=0)), *(dims[d] for d in DIMS))


def contact_slices(told: Iterable[Fact]) -> dict[Key, dict[str, int]]:
    """Facts by (minute, dimensions); measures that are 0 are left out."""
    cells: dict[Key, Counter[str]] = defaultdict(Counter)
    for at, dims, measure, amount in told:
        cells[slice_of(at, dims)][measure] += amount
    return {key: {m: n for m, n in cell.items() if n} for key, cell in cells.items() if any(cell.values())}


def duration_slices(told: Iterable[Fact]) -> dict[Key, dict[str, list[int]]]:
    """All values in ms of each duration by (minute, dimensions), sorted."""
    cells: dict[Key, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at, dims, measure, amount in told:
        if measure.removesuffix("_ms") in DURATIONS:
            cells[slice_of(at, dims)][measure.removesuffix("_ms")].append(amount)
    return {key: {name: sorted(values) for name, values in cell.items()} for key, cell in cells.items()}


def clock_facts(records: Iterable[Json]) -> Iterator[Fact]:
    """Clocks met and ended, all and those of some names, at the stop or, where breached, when they were due. Their
    dimensions also have `clock`."""
    for record in records:
        if record["state"] not in ("met", "breached"):
            continue
        at = parse(record["due_at"] if record["state"] == "breached" else record["stopped_at"])
        dims = {key: record[key] for key in (*DIMS, "clock")}
        kinds = ["clocks"]
        if record["clock"] in ("first_response", "complaint_feedback", "callback"):
            kinds.append(record["clock"])
        for kind in kinds:
            yield at, dims, f"{kind}_ended", 1
            yield at, dims, f"{kind}_met", int(record["state"] == "met")


def clock_slices(records: Iterable[Json]) -> dict[Key, Json]:
    """Ended clocks by (minute, clock, dimensions)."""
    cells: dict[Key, Json] = {}
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
