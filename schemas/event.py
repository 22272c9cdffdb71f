"""Contract v1 events: one decoder for every door (HTTP, Kafka, files), fast enough for the hot path.

An event is one JSON object. Decoding validates it in one pass; what is invalid is refused with field and reason.
Unknown fields are ignored, here and inside `data`, so that producers may send more than we read.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from schemas.errors import EventRejected

Channel = Literal[
    "phone", "chat", "app", "web", "mini_program", "email", "social", "store", "video", "sms", "other"
]  # fmt: skip
Priority = Literal["L1", "L2", "L3"]
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(max_length=256)]
Instant = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(ge=0, le=10_000_000)]
"""A part of a call. Nobody talks for four months: larger numbers are other units, and their sums would not fit."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2150, 1, 1, tzinfo=UTC)
"""Instants that calendars, ClickHouse and text can all hold, with a due instant years after them."""


class Opened(msgspec.Struct, gc=False):
    """data of contact.opened."""

    complaint: bool | None = None
    direction: Literal["inbound", "outbound"] | None = None


class BotMessage(msgspec.Struct, gc=False):
    """data of message.bot."""

    intent_recognized: bool | None = None


class AgentMessage(msgspec.Struct, gc=False):
    """data of message.agent."""

    template: bool | None = None


class Transferred(msgspec.Struct, gc=False):
    """data of contact.transferred."""

    to_team: Label | None = None
    to_agent: Label | None = None


class Paused(msgspec.Struct, gc=False):
    """data of contact.pending and contact.resumed."""

    reason: Literal["customer", "third_party", "internal"] | None = None


class Updated(msgspec.Struct, gc=False):
    """data of contact.updated."""

    priority: Priority | None = None
    customer_tier: Label | None = None
    category: Label | None = None
    complaint: bool | None = None


class ComplaintStep(msgspec.Struct, gc=False):
    """data of complaint.filed, complaint.acknowledged and complaint.feedback_given."""

    complaint_category: Label | None = None


class Milestone(msgspec.Struct, gc=False):
    """data of milestone.reached."""

    name: Identifier


class CallbackPromised(msgspec.Struct, gc=False):
    """data of callback.promised; without due_at the policy's default applies."""

    callback_id: Identifier
    due_at: Instant | None = None


class CallbackMade(msgspec.Struct, gc=False):
    """data of callback.made."""

    callback_id: Identifier


class Wrapped(msgspec.Struct, gc=False):
    """data of call.wrapped, in seconds."""

    talk_s: Seconds = 0.0
    hold_s: Seconds = 0.0
    wrap_s: Seconds = 0.0


class Survey(msgspec.Struct, gc=False):
    """data of survey.submitted."""

    csat: Annotated[int, Meta(ge=1, le=5)] | None = None
    nps: Annotated[int, Meta(ge=0, le=10)] | None = None
    ces: Annotated[int, Meta(ge=1, le=7)] | None = None
    resolved: bool | None = None


class Sentiment(msgspec.Struct, gc=False):
    """data of sentiment.scored."""

    score: Annotated[float, Meta(ge=-1, le=1)]


class FollowUp(msgspec.Struct, gc=False):
    """data of followup.verified."""

    satisfied: bool | None = None


class Audit(msgspec.Struct, gc=False):
    """data of quality.audited."""

    classification_correct: bool | None = None
    consistent: bool | None = None


class AgentState(msgspec.Struct, gc=False):
    """data of agent.state."""

    state: Literal["available", "busy", "wrap", "offline"]


EventType = Literal[
    "contact.opened", "contact.queued", "contact.connected", "contact.abandoned", "contact.transferred",
    "contact.pending", "contact.resumed", "contact.updated", "contact.resolved", "contact.reopened", "contact.closed",
    "message.customer", "message.agent", "message.bot", "message.internal",
    "complaint.filed", "complaint.acknowledged", "complaint.feedback_given", "milestone.reached",
    "callback.promised", "callback.made", "call.wrapped", "survey.submitted", "sentiment.scored",
    "followup.verified", "quality.audited", "agent.state", "agent.praised", "suggestion.adopted",
]  # fmt: skip

EVENT_TYPES: tuple[str, ...] = get_args(EventType)
"""All types of contract v1. Their order is part of stored checkpoints: append, never reorder."""

CASELESS_TYPES = frozenset({"agent.state", "agent.praised", "suggestion.adopted"})
"""Types that need no case_id."""

DATA_TYPES: dict[str, type[msgspec.Struct]] = {
    "contact.opened": Opened,
    "contact.transferred": Transferred,
    "contact.pending": Paused,
    "contact.resumed": Paused,
    "contact.updated": Updated,
    "message.bot": BotMessage,
    "message.agent": AgentMessage,
    "complaint.filed": ComplaintStep,
    "complaint.acknowledged": ComplaintStep,
    "complaint.feedback_given": ComplaintStep,
    "milestone.reached": Milestone,
    "callback.promised": CallbackPromised,
    "callback.made": CallbackMade,
    "call.wrapped": Wrapped,
    "survey.submitted": Survey,
    "sentiment.scored": Sentiment,
    "followup.verified": FollowUp,
    "quality.audited": Audit,
    "agent.state": AgentState,
}
"""What `data` holds, by type; types not named here have none that is read."""

_OUT_OF_RANGE = "the year must lie between 1970 and 2149"
_REQUIRED_DATA = frozenset(
    {"milestone.reached", "callback.promised", "callback.made", "sentiment.scored", "agent.state"}
)


class Event(msgspec.Struct, gc=False):
    """One decoded event. `data` is the raw JSON of the object; `decode_data` gives its typed form."""

    event_id: Identifier
    type: EventType
    occurred_at: Instant
    case_id: Identifier | None = None
    channel: Channel | None = None
    customer_id: Label | None = None
    team: Label | None = None
    agent_id: Label | None = None
    priority: Priority | None = None
    customer_tier: Label | None = None
    category: Label | None = None
    queue: Label | None = None
    source: Label | None = None
    data: msgspec.Raw = msgspec.Raw()

    @property
    def key(self) -> str:
        """What the event is routed by: its case, else its agent, else itself. An agent's state is the agent's alone."""
        if self.type == "agent.state":
            return self.agent_id or self.event_id
        return self.case_id or self.agent_id or self.event_id


class _EventId(msgspec.Struct):
    event_id: str | None = None


_event = msgspec.json.Decoder(Event)
_event_id = msgspec.json.Decoder(_EventId)
_data = {name: msgspec.json.Decoder(type_) for name, type_ in DATA_TYPES.items()}
_AT = re.compile(r"(?s)(.*?)(?: - at `\$\.?(.*)`)?")
_MISSING = re.compile(r"Object missing required field `(.*)`")


def decode_event(raw: bytes) -> Event:
    """The event of one JSON object, checked against contract v1, its `data` too.

    Raises `EventRejected` naming the field and the reason.
    """
    event = decode_envelope(raw)
    decode_data(event)
    return event


def decode_envelope(raw: bytes) -> Event:
    """As `decode_event`, `data` left unread: for the hot path, which reads it with `decode_data` at once."""
    try:
        event = _event.decode(raw)
    except msgspec.ValidationError as error:
        raise _rejected(str(error), _id_of(raw)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventRejected(f"not valid JSON: {error}") from None
    except RecursionError:
        raise EventRejected("nested too deeply") from None
    if not EARLIEST <= event.occurred_at < LATEST:
        raise EventRejected(_OUT_OF_RANGE, "occurred_at", event.event_id)
    if event.case_id is None and event.type not in CASELESS_TYPES:
        raise EventRejected(f"required for {event.type}", "case_id", event.event_id)
    if event.channel is None and event.type == "contact.opened":
        raise EventRejected("required for contact.opened", "channel", event.event_id)
    return event


def decode_data(event: Event) -> msgspec.Struct | None:
    """The typed `data` of an event; None where its type reads none or it has none.

    Raises `EventRejected`.
    """
    decoder = _data.get(event.type)
    if decoder is None:
        return None
    raw = event.data
    if not raw or bytes(raw) == b"null":
        if event.type in _REQUIRED_DATA:
            raise EventRejected(f"required for {event.type}", "data", event.event_id)
        return None
    try:
        data: msgspec.Struct = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _rejected(str(error), event.event_id, "data") from None
    except RecursionError:
        raise EventRejected("nested too deeply", "data", event.event_id) from None
    if type(data) is CallbackPromised and data.due_at is not None and not EARLIEST <= data.due_at < LATEST:
        raise EventRejected(_OUT_OF_RANGE, "data.due_at", event.event_id)
    return data


def _rejected(message: str, event_id: str | None, below: str = "") -> EventRejected:
    """msgspec's message ("Expected `int` - at `$.csat`") as our error with field path and reason."""
    match = _AT.fullmatch(message)
    reason, path = (match[1], match[2] or "") if match else (message, "")
    missing = _MISSING.fullmatch(reason)
    if missing:
        path, reason = f"{path}.{missing[1]}".strip("."), "required"
    return EventRejected(reason, f"{below}.{path}".strip("."), event_id)


def _id_of(raw: bytes) -> str | None:
    try:
        return _event_id.decode(raw).event_id
    except msgspec.DecodeError:
        return None
