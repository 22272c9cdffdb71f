"""The formula of every metric, written out one by one over facts, customers and open cases; intervals; quantiles."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

from tests.oracles.contract import Json

Z = NormalDist().inv_cdf(0.975)
PERCENTILES = (50, 90, 95, 99)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Answer:
    """A metric's value and what it rests on; value None where nothing does. `ci` are the 95 % limits."""

    value: float | None
    n: int
    numerator: float | None
    denominator: int | None
    ci: Interval | None = None


class OpenCase(NamedTuple):
    """A case open at an instant: its present dimensions, since how long, and the wait of a customer whom no human has
    taken yet."""

    case_id: str
    dims: Json
    age: timedelta
    wait: timedelta | None


def wilson(hits: float, n: int) -> Interval | None:
    """The shares p with (hits/n - p)^2 = z^2 p (1 - p) / n; None where hits are no share of n."""
    if n <= 0 or not 0 <= hits <= n:
        return None
    a, b, c = 1 + Z**2 / n, -(2 * hits / n + Z**2 / n), (hits / n) ** 2
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Mean -+ z s / sqrt(n), s the sample's standard deviation; None of fewer than two."""
    if len(values) < 2:
        return None
    half = Z * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def nearest_rank(values: Iterable[float], percent: int) -> float | None:
    """The smallest value that at least so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(1, -(-percent * len(ordered) // 100)) - 1] if ordered else None


def count(n: int) -> Answer:
    """So many."""
    return Answer(n, n, n, None)


def ratio(top: float, bottom: int) -> Answer:
    """One sum over another."""
    return Answer(top / bottom if bottom else None, bottom, top, bottom)


def share(top: int, bottom: int) -> Answer:
    """A proportion."""
    return Answer(top / bottom if bottom else None, bottom, top, bottom, wilson(top, bottom))


def mean(values: Sequence[float]) -> Answer:
    """The mean of single values."""
    total, n = math.fsum(values), len(values)
    return Answer(total / n if n else None, n, total, n, mean_interval(values))


def scaled(answer: Answer, by: float, plus: float = 0.0) -> Answer:
    """The same on another scale; what it rests on stays."""
    value = None if answer.value is None else answer.value * by + plus
    ci = None if answer.ci is None else (answer.ci[0] * by + plus, answer.ci[1] * by + plus)
    return Answer(value, answer.n, answer.numerator, answer.denominator, ci)


def durations(id: str, in_ms: Iterable[float]) -> dict[str, Answer]:
    """Mean and quantiles in seconds."""
    values = [value / 1000 for value in in_ms]
    quantiles = {f"{id}.p{p}": Answer(nearest_rank(values, p), len(values), None, len(values)) for p in PERCENTILES}
    return {f"{id}.mean": mean(values)} | quantiles


def answers(
    told: Iterable[tuple[datetime, Json, str, int]],
    customers: Iterable[str] = (),
    backlog: Iterable[OpenCase] = (),
) -> dict[str, Answer]:
    """All metrics by id over these facts, the customers of opened contacts, and the cases open at an instant."""
    amounts: dict[str, list[int]] = defaultdict(list)
    for _, _, measure, amount in told:
        amounts[measure].append(amount)
    n: dict[str, int] = defaultdict(int, {measure: sum(values) for measure, values in amounts.items()})
    return (
        _volume(n, customers)
        | _waits(n, amounts)
        | _times(amounts)
        | _promises(n)
        | _solving(n)
        | _said(n, amounts)
        | _work(n)
        | _open(list(backlog))
    )


def _volume(n: Mapping[str, int], customers: Iterable[str]) -> dict[str, Answer]:
    return {
        "contacts_opened": count(n["opened"]),
        "contacts_connected": count(n["connected"]),
        "contacts_abandoned": count(n["abandoned"]),
        "contacts_resolved": count(n["resolved"]),
        "customers": count(len(set(customers))),
        "complaints_filed": count(n["complaints"]),
        "praises": count(n["praises"]),
        "suggestions_adopted": count(n["suggestions"]),
    }


def _waits(n: Mapping[str, int], amounts: Mapping[str, list[int]]) -> dict[str, Answer]:
    connected, abandoned, good = n["connected"], n["abandoned"], n["connected_in_limit"]
    return {
        "asa": mean([ms / 1000 for ms in amounts["connect_wait_ms"]]),
        **durations("wait", amounts["connect_wait_ms"] + amounts["abandon_wait_ms"]),
        "abandonment_rate": share(abandoned, connected + abandoned),
        "sl_answered": share(good, connected),
        "sl_all": share(good, connected + abandoned),
        "sl_short_excluded": share(good, connected + abandoned - n["abandoned_short"]),
        "sl_abandon_met": share(good + n["abandoned_in_limit"], connected + abandoned),
        "sl_abandon_excluded": share(good, connected + abandoned - n["abandoned_in_limit"]),
    }


def _times(amounts: Mapping[str, list[int]]) -> dict[str, Answer]:
    return {
        **durations("first_response_time", amounts["first_response_ms"]),
        **durations("first_response_time.business", amounts["first_response_business_ms"]),
        **durations("resolution_time", amounts["resolution_ms"]),
        **durations("resolution_time.business", amounts["resolution_business_ms"]),
        **durations("handle_time", amounts["handle_ms"]),
    }


def _promises(n: Mapping[str, int]) -> dict[str, Answer]:
    return {
        "sla_compliance": share(n["clocks_met"], n["clocks_ended"]),
        "timely_response_rate": share(n["first_response_met"], n["first_response_ended"]),
        "complaint_timeliness": share(n["complaint_feedback_met"], n["complaint_feedback_ended"]),
        "callback_kept_rate": share(n["callback_met"], n["callback_ended"]),
    }


def _solving(n: Mapping[str, int]) -> dict[str, Answer]:
    resolved, opened = n["resolved"], n["opened"]
    return {
        "fcr": share(resolved - n["resolved_reopened"] - n["resolved_repeated"], resolved),
        "resolved_within_3": share(resolved - n["resolved_over_3"], resolved),
        "customer_known_rate": share(n["resolved_of_known"], resolved),
        "repeat_contact_rate": share(n["repeats"], opened),
        "channel_switch_rate": share(n["channel_switches"], opened),
        "reopen_rate": share(n["reopened"], resolved),
        "transfers_per_case": ratio(n["transfers"], resolved),
    }


def _said(n: Mapping[str, int], amounts: Mapping[str, list[int]]) -> dict[str, Answer]:
    csat, asked = mean(amounts["csat_sum"]), n["nps_answers"]
    promoters, detractors = n["nps_promoters"], n["nps_detractors"]
    votes = [1] * promoters + [-1] * detractors + [0] * (asked - promoters - detractors)
    return {
        "csat_mean": csat,
        "csat_pass_rate": share(n["csat_passed"], n["csat_answers"]),
        "csi": scaled(csat, by=25, plus=-25),
        "nps": scaled(mean(votes), by=100),
        "ces_mean": mean(amounts["ces_sum"]),
        "survey_response_rate": share(n["surveys"], n["resolved"]),
        "complaint_rate": share(n["complaints"], n["opened"]),
        "negative_sentiment_rate": share(n["scored_negative"], n["scored"]),
    }


def _work(n: Mapping[str, int]) -> dict[str, Answer]:
    cases, contained = n["bot_cases"], n["bot_contained"]
    occupied = n["agent_busy_ms"] + n["agent_wrap_ms"]
    return {
        "bot_containment": share(contained, cases),
        "handoff_rate": share(cases - contained, cases),
        "bot_recognition": share(n["bot_recognized"], n["bot_said"]),
        "classification_accuracy": share(n["classified_correctly"], n["audited_classification"]),
        "consistency": share(n["consistent"], n["audited_consistency"]),
        "template_use_rate": share(n["template_used"], n["template_said"]),
        "occupancy": ratio(occupied, n["agent_available_ms"] + occupied),
    }


def _open(backlog: Sequence[OpenCase]) -> dict[str, Answer]:
    ages = [case.age.total_seconds() for case in backlog]
    waits = [case.wait.total_seconds() for case in backlog if case.wait is not None]
    quantiles = {f"backlog_age.p{p}": Answer(nearest_rank(ages, p), len(ages), None, len(ages)) for p in PERCENTILES}
    total = math.fsum(ages)
    return quantiles | {
        "backlog": count(len(ages)),
        "backlog_age.mean": Answer(total / len(ages) if ages else None, len(ages), total if ages else None, len(ages)),
        "waiting": count(len(waits)),
        "oldest_waiting": Answer(max(waits, default=None), len(waits), None, None),
    }
