"""What contact slices count: measures, which are sums, and durations, which are also kept as histograms."""

from typing import Final


class Measure:
    """What a contact slice counts. Every measure is a whole number and additive; `_ms` ones are milliseconds.

    Plain strings, not an enum: the engine uses them as dictionary keys several times an event, and an enum member's
    hash is a Python call. ClickHouse has a column of the same name for each.
    """

    # What arrived, for the stamp on every window: how much of it came after its minute had been told.
    EVENTS: Final = "events"
    EVENTS_LATE: Final = "events_late"

    OPENED: Final = "opened"
    CONNECTED: Final = "connected"
    CONNECTED_IN_LIMIT: Final = "connected_in_limit"
    CONNECT_WAIT_MS: Final = "connect_wait_ms"
    ABANDONED: Final = "abandoned"
    ABANDONED_IN_LIMIT: Final = "abandoned_in_limit"
    ABANDONED_SHORT: Final = "abandoned_short"
    ABANDON_WAIT_MS: Final = "abandon_wait_ms"
    FIRST_RESPONSES: Final = "first_responses"
    FIRST_RESPONSE_MS: Final = "first_response_ms"
    FIRST_RESPONSES_BUSINESS: Final = "first_responses_business"
    FIRST_RESPONSE_BUSINESS_MS: Final = "first_response_business_ms"
    RESOLVED: Final = "resolved"
    RESOLUTION_MS: Final = "resolution_ms"
    RESOLVED_BUSINESS: Final = "resolved_business"
    RESOLUTION_BUSINESS_MS: Final = "resolution_business_ms"
    REOPENED: Final = "reopened"
    TRANSFERS: Final = "transfers"
    HANDLED: Final = "handled"
    HANDLE_MS: Final = "handle_ms"

    # What spans cases, booked at the resolution or opening it is about.
    RESOLVED_OF_KNOWN: Final = "resolved_of_known"
    RESOLVED_REOPENED: Final = "resolved_reopened"
    RESOLVED_REPEATED: Final = "resolved_repeated"
    RESOLVED_OVER_3: Final = "resolved_over_3"
    REPEATS: Final = "repeats"
    CHANNEL_SWITCHES: Final = "channel_switches"

    COMPLAINTS: Final = "complaints"
    PRAISES: Final = "praises"
    SUGGESTIONS: Final = "suggestions"
    SURVEYS: Final = "surveys"
    CSAT_ANSWERS: Final = "csat_answers"
    CSAT_SUM: Final = "csat_sum"
    CSAT_SQUARES: Final = "csat_squares"
    CSAT_PASSED: Final = "csat_passed"
    NPS_ANSWERS: Final = "nps_answers"
    NPS_PROMOTERS: Final = "nps_promoters"
    NPS_DETRACTORS: Final = "nps_detractors"
    CES_ANSWERS: Final = "ces_answers"
    CES_SUM: Final = "ces_sum"
    CES_SQUARES: Final = "ces_squares"
    SCORED: Final = "scored"
    SCORED_NEGATIVE: Final = "scored_negative"
    BOT_CASES: Final = "bot_cases"
    BOT_CONTAINED: Final = "bot_contained"
    BOT_SAID: Final = "bot_said"
    BOT_RECOGNIZED: Final = "bot_recognized"
    TEMPLATE_SAID: Final = "template_said"
    TEMPLATE_USED: Final = "template_used"
    AUDITED_CLASSIFICATION: Final = "audited_classification"
    CLASSIFIED_CORRECTLY: Final = "classified_correctly"
    AUDITED_CONSISTENCY: Final = "audited_consistency"
    CONSISTENT: Final = "consistent"

    AGENT_AVAILABLE_MS: Final = "agent_available_ms"
    AGENT_BUSY_MS: Final = "agent_busy_ms"
    AGENT_WRAP_MS: Final = "agent_wrap_ms"

    # Ends of clocks, so that metrics over clocks are formulas like all others.
    CLOCKS_MET: Final = "clocks_met"
    CLOCKS_ENDED: Final = "clocks_ended"
    FIRST_RESPONSE_MET: Final = "first_response_met"
    FIRST_RESPONSE_ENDED: Final = "first_response_ended"
    COMPLAINT_FEEDBACK_MET: Final = "complaint_feedback_met"
    COMPLAINT_FEEDBACK_ENDED: Final = "complaint_feedback_ended"
    CALLBACK_MET: Final = "callback_met"
    CALLBACK_ENDED: Final = "callback_ended"


MEASURES: tuple[str, ...] = tuple(value for name, value in vars(Measure).items() if name.isupper())
"""All of them."""


class Duration:
    """Durations that slices keep as histograms (`schemas.metrics.histogram`) beside their sum `<name>_ms`."""

    CONNECT_WAIT: Final = "connect_wait"
    ABANDON_WAIT: Final = "abandon_wait"
    FIRST_RESPONSE: Final = "first_response"
    FIRST_RESPONSE_BUSINESS: Final = "first_response_business"
    RESOLUTION: Final = "resolution"
    RESOLUTION_BUSINESS: Final = "resolution_business"
    HANDLE: Final = "handle"


DURATIONS: tuple[str, ...] = tuple(value for name, value in vars(Duration).items() if name.isupper())
"""All of them."""
