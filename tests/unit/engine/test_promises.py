"""The clocks of complaints, call-backs, updates and custom promises, and warnings, by worked examples."""

from typing import Any

import pytest
import yaml

from tests.oracles.contract import Json
from tests.support.stories import assert_told, at, events, records

COMPLAINT = "clocks: {complaint_ack: {target: 2h}, complaint_feedback: {target: 48h}}"
BACK = "clocks: {callback: {}}"
UPDATE = "clocks: {update: {target: 60m}, resolution: {target: 600m}}"
DIAGNOSIS = "clocks: {diagnosis: {target: 60m, start: contact.transferred, stop: {milestone: diagnosis}}}"
SURVEY = "clocks: {follow_up: {target: 60m, start: contact.resolved, stop: followup.verified}}"
CHAIN = "clocks: {step: {target: 10m, start: {milestone: a}, stop: {milestone: a}}}"
PLAIN_AND_COMPLAINT = """
    - {name: c, match: {complaint: true}, clocks: {resolution: {target: 30m}, complaint_ack: {target: 10m}}}
    - {name: p, clocks: {resolution: {target: 60m}}}
"""


def policy(text: str) -> Json:
    """A whole policy file: of one policy for all, where the text gives only its clocks."""
    content = yaml.safe_load(text)
    policies = content if isinstance(content, list) else [{"name": "p"} | content]
    return {"version": 1, "policies": policies}


CASES: list[tuple[str, str, str, str, str]] = [
    # complaints
    ("filing starts both", COMPLAINT, "0 opened; 10 filed; 20 acknowledged; 30 feedback_given", "40",
     "complaint_ack.0 met 10-130@20, complaint_feedback.0 met 10-2890@30"),
    ("a contact may open as one", COMPLAINT, "0 opened | complaint.true", "1",
     "complaint_ack.0 running 0-120, complaint_feedback.0 running 0-2880"),
    ("filing again while it runs starts nothing", COMPLAINT, "0 opened; 10 filed; 20 filed", "30",
     "complaint_ack.0 running 10-130, complaint_feedback.0 running 10-2890"),
    ("only what ended starts again", COMPLAINT, "0 opened; 10 filed; 15 acknowledged; 20 filed", "30",
     "complaint_ack.0 met 10-130@15, complaint_ack.1 running 20-140, complaint_feedback.0 running 10-2890"),
    ("resolution leaves them", COMPLAINT, "0 opened; 10 filed; 20 resolved; 130.001 acknowledged", "140",
     "complaint_ack.0 breached 10-130@130.001, complaint_feedback.0 running 10-2890"),
    ("closing does not", COMPLAINT, "0 opened; 10 filed; 20 closed", "140",
     "complaint_ack.0 cancelled 10-130@20, complaint_feedback.0 cancelled 10-2890@20"),
    ("a closed case may be complained about", COMPLAINT, "0 opened; 5 closed; 10 filed; 20 acknowledged", "30",
     "complaint_ack.0 met 10-130@20, complaint_feedback.0 running 10-2890"),
    ("one never opened too", COMPLAINT, "10 filed", "30",
     "complaint_ack.0 running 10-130, complaint_feedback.0 running 10-2890"),
    ("contact.updated starts none", COMPLAINT, "0 opened; 1 updated | complaint.true", "30", ""),
    ("filing gives running clocks the complaints' targets", PLAIN_AND_COMPLAINT, "0 opened; 10 filed", "20",
     "complaint_ack.0 running 10-20, resolution.0 running 0-30"),
    ("beyond them already, they are breached when reached", PLAIN_AND_COMPLAINT, "0 opened; 40 filed", "45",
     "complaint_ack.0 running 40-50, resolution.0 breached 0-30"),
    # call-backs
    ("due at the promised time", BACK, "0 opened; 5 promised | callback_id.k due_at.30; 30 made | callback_id.k", "40",
     "callback.0 met 5-30@30"),
    ("later is breached", BACK, "0 opened; 5 promised | callback_id.k due_at.30; 31 made | callback_id.k", "40",
     "callback.0 breached 5-30@31"),
    ("without a time within a day", BACK, "0 opened; 5 promised | callback_id.k", "40", "callback.0 running 5-1445"),
    ("or within what the policy says", "clocks: {callback: {target: 60m}}", "0 opened; 5 promised | callback_id.k",
     "40", "callback.0 running 5-65"),
    ("each promise has its own", BACK,
     "0 opened; 5 promised | callback_id.a due_at.30; 6 promised | callback_id.b due_at.20; 10 made | callback_id.a",
     "25", "callback.0 met 5-30@10, callback.1 breached 6-20"),
    ("promised again: the new time holds", BACK,
     "0 opened; 5 promised | callback_id.a due_at.30; 10 promised | callback_id.a due_at.60; 50 made | callback_id.a",
     "70", "callback.0 met 5-60@50"),
    ("a broken promise stays broken", BACK,
     "0 opened; 5 promised | callback_id.a due_at.8; 10 promised | callback_id.a due_at.60; 50 made | callback_id.a",
     "70", "callback.0 breached 5-8@50, callback.1 met 10-60@50"),
    ("resolution leaves it, closing does not", BACK,
     "0 opened; 5 promised | callback_id.a due_at.30; 10 resolved; 20 closed", "70", "callback.0 cancelled 5-30@20"),
    ("a time already past", BACK, "0 opened; 5 promised | callback_id.a due_at.2", "6", "callback.0 breached 5-5"),
    # periodic updates
    ("every message of a human begins the next", UPDATE, "0 opened; 50 agent; 120 agent; 130 bot", "140",
     "resolution.0 running 0-600, update.0 met 0-60@50, update.1 breached 50-110@120, update.2 running 120-180"),
    ("not once it is resolved", UPDATE, "0 opened; 50 resolved; 60 agent", "140",
     "resolution.0 met 0-600@50, update.0 cancelled 0-60@50"),
    # custom clocks
    ("started and stopped by what the policy names", DIAGNOSIS,
     "0 opened; 5 transferred; 20 transferred; 30 reached | name.other; 40 reached | name.diagnosis", "50",
     "diagnosis.0 met 5-65@40"),
    ("each start its own once the one before ended", DIAGNOSIS,
     "0 opened; 5 transferred; 10 reached | name.diagnosis; 20 transferred", "50",
     "diagnosis.0 met 5-65@10, diagnosis.1 running 20-80"),
    ("resolution cancels it", DIAGNOSIS, "0 opened; 5 transferred; 10 resolved", "50", "diagnosis.0 cancelled 5-65@10"),
    ("unless that is what starts it", SURVEY, "0 opened; 10 resolved; 20 verified | satisfied.true", "50",
     "follow_up.0 met 10-70@20"),
    ("one event may end one and begin the next", CHAIN, "0 opened; 1 reached | name.a; 4 reached | name.a", "5",
     "step.0 met 1-11@4, step.1 running 4-14"),
    ("from the opening where nothing else is said", "clocks: {hello: {target: 1m, stop: message.agent}}",
     "0 opened; 2 agent", "3", "hello.0 breached 0-1@2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "story", "now", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_rule(text: str, story: str, now: str, want: str) -> None:
    assert_told(policy(text), story, now, want)


WARNED = "clocks: {resolution: {target: 100m, pause_on: [customer], warn_at: [0.5, 0.8]}}"
WARNINGS: list[tuple[str, str, str, Any]] = [
    ("not yet at its instant", "0 opened", "50", (None, None)),
    ("right after it", "0 opened", "50.001", ("50", 0.5)),
    ("the last one counts", "0 opened", "90", ("80", 0.8)),
    ("pauses move it", "0 opened; 10 pending; 30 resumed", "75", ("70", 0.5)),
    ("a pause keeps what was given", "0 opened; 60 pending", "75", ("50", 0.5)),
    ("none comes while it is paused", "0 opened; 40 pending", "75", (None, None)),
    ("stopped at the instant, it was not given", "0 opened; 50 resolved", "75", (None, None)),
    ("stopped later, it was", "0 opened; 51 resolved", "200", ("50", 0.5)),
    ("breached, it stays", "0 opened", "200", ("80", 0.8)),
]


@pytest.mark.parametrize(("story", "now", "want"), [w[1:] for w in WARNINGS], ids=[w[0] for w in WARNINGS])
def test_warning(story: str, now: str, want: tuple[str | None, float | None]) -> None:
    (record,) = records(policy(WARNED), events(story), now)
    assert (record["warned_at"], record["warned"]) == (want[0] and at(want[0]), want[1])
