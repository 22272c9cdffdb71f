"""Stories told by the calendar, for examples of the oracle.

A story is `day time event` lines of one case in March 2026 (the 2nd is a Monday), UTC; after `|` fields of the event,
`=` for its own, `.` for those of `data`. Outcomes read `clock.seq[ref] state started-due @stop !warned share`.
"""

from itertools import islice
from typing import Any

import yaml

from tests.oracles.contract import parse
from tests.oracles.hours import Hours

CALENDARS = """
office:
  timezone: Europe/London
  hours: {mon: &day ["09:00-12:00", "13:00-18:00"], tue: *day, wed: *day, thu: *day, fri: *day}
short:
  hours: {mon: &long ["09:00-17:00"], tue: *long, wed: *long, thu: *long, fri: ["09:00-12:00"]}
  closed: ["2026-03-10"]
  open: {"2026-03-14": ["10:00-12:00"]}
night:
  timezone: Europe/Berlin
  hours:
    {mon: &night ["00:00-06:00", "22:00-24:00"], tue: *night, wed: *night, thu: *night, fri: *night, sat: *night,
     sun: *night}
through:
  timezone: Europe/Berlin
  hours: {sat: ["22:00-06:00"], sun: ["22:00-06:00"]}
early:
  timezone: Europe/Berlin
  hours: {sun: ["01:30-02:15", "02:30-03:30"]}
free:
  timezone: Asia/Shanghai
  hours: {fri: ["09:00-17:00"], sat: ["10:00-12:00"]}
  holidays: CN
  makeup: ["09:00-10:00"]
"""
KINDS = {
    "acknowledged": "complaint.acknowledged",
    "adopted": "suggestion.adopted",
    "agent": "message.agent",
    "bot": "message.bot",
    "customer": "message.customer",
    "feedback": "complaint.feedback_given",
    "filed": "complaint.filed",
    "made": "callback.made",
    "milestone": "milestone.reached",
    "praised": "agent.praised",
    "promised": "callback.promised",
    "state": "agent.state",
    "survey": "survey.submitted",
    "wrapped": "call.wrapped",
}


def at(day: str, clock: str) -> str:
    """`02 09:00` or `02 09:00:00.001` as an instant of March 2026."""
    return f"2026-03-{day}T{clock}{':00' * (clock.count(':') == 1)}Z"


def events(story: str, case_id: str | None = "c") -> list[dict[str, Any]]:
    """The events of a story; without `case_id` they are of no case."""
    told = []
    for number, line in enumerate(story.split(";")):
        words, _, fields = line.partition("|")
        day, clock, kind = words.split()
        event: dict[str, Any] = {"event_id": f"{number:02}", "type": KINDS.get(kind, f"contact.{kind}")}
        event |= {"occurred_at": at(day, clock)} | ({"channel": "chat"} if kind == "opened" else {})
        if case_id is not None:
            event["case_id"] = case_id
        for text in fields.split():
            if "=" in text:
                name, _, value = text.partition("=")
                event[name] = value
            else:
                name, _, value = text.partition(".")
                event.setdefault("data", {})[name] = (
                    at(*value.split("T")) if name == "due_at" else yaml.safe_load(value)
                )
        told.append(event)
    return told


def policies(text: str) -> dict[str, Any]:
    """A policy a line, the last for all: `name [key=value] [reopen]: YAML of its clocks`."""
    told = []
    for line in text.strip().splitlines():
        head, _, clocks = line.partition(": ")
        name, *about = head.split()
        policy: dict[str, Any] = {"name": name, "clocks": yaml.safe_load("{" + clocks + "}")}
        for word in about:
            key, _, value = word.partition("=")
            if value:
                policy["match"] = {key: yaml.safe_load(value)}
            else:
                policy["reopen"] = word
        told.append(policy)
    return {"version": 1, "calendars": yaml.safe_load(CALENDARS), "policies": told}


def short(instant: str | None) -> str:
    """An instant as stories write it."""
    if instant is None:
        return ""
    day, clock = instant.removeprefix("2026-03-").removesuffix("Z").split("T")
    return f"{day} {clock.removesuffix('.000').removesuffix(':00')}"


def shown(record: dict[str, Any]) -> str:
    """An outcome record in a line."""
    ref = f"[{record['ref']}]" if record["ref"] else ""
    text = f"{record['clock']}.{record['seq']}{ref} {record['state']} "
    text += f"{short(record['started_at'])}-{short(record['due_at'])}"
    text += f" @{short(record['stopped_at'])}" if record["stopped_at"] else ""
    return text + (f" !{short(record['warned_at'])} {record['warned']}" if record["warned_at"] else "")


def opening(calendar: str, since: str, pieces: int) -> list[str]:
    """The first open pieces from an instant on."""
    open_time = Hours(yaml.safe_load(CALENDARS)[calendar]).open(parse(since))
    return [f"{a:%d %H:%M}-{b:%H:%M}" for a, b, _ in islice(open_time, pieces)]
