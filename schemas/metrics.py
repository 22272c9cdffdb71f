"""The metric catalogue: each metric once, by formula. Code, API, boards and docs read it from here.

A metric is a ratio of sums of additive measures (or a plain sum): numerators and denominators are summed over slices
before dividing, and a metric without denominator has no value (null, never 0). Formulas and goals are the operation's
service standards; the five service-level conventions are the usual ones of contact-centre practice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Measure:
    """What a contact slice counts. Every measure is a whole number and additive; `_ms` ones are milliseconds.

    Plain strings, not an enum: the engine uses them as dictionary keys several times an event, and an enum member's
    hash is a Python call.
    """

    OPENED: Final = "opened"
    CONNECTED: Final = "connected"
    CONNECTED_IN_LIMIT: Final = "connected_in_limit"
    CONNECT_WAIT_MS: Final = "connect_wait_ms"
    ABANDONED: Final = "abandoned"
    ABANDONED_IN_LIMIT: Final = "abandoned_in_limit"
    ABANDONED_SHORT: Final = "abandoned_short"
    RESOLVED: Final = "resolved"
    REOPENED: Final = "reopened"
    RESOLUTION_MS: Final = "resolution_ms"
    FIRST_RESPONSES: Final = "first_responses"
    FIRST_RESPONSE_MS: Final = "first_response_ms"
    TRANSFERS: Final = "transfers"
    HANDLED: Final = "handled"
    HANDLE_MS: Final = "handle_ms"
    COMPLAINTS: Final = "complaints"
    PRAISES: Final = "praises"
    SURVEYS: Final = "surveys"
    CSAT_ANSWERS: Final = "csat_answers"
    CSAT_SUM: Final = "csat_sum"
    CSAT_PASSED: Final = "csat_passed"
    NPS_ANSWERS: Final = "nps_answers"
    NPS_PROMOTERS: Final = "nps_promoters"
    NPS_DETRACTORS: Final = "nps_detractors"
    CES_ANSWERS: Final = "ces_answers"
    CES_SUM: Final = "ces_sum"
    SCORED: Final = "scored"
    SCORED_NEGATIVE: Final = "scored_negative"
    BOT_SAID: Final = "bot_said"
    BOT_RECOGNIZED: Final = "bot_recognized"
    TEMPLATE_SAID: Final = "template_said"
    TEMPLATE_USED: Final = "template_used"
    AUDITED_CLASSIFICATION: Final = "audited_classification"
    CLASSIFIED_CORRECTLY: Final = "classified_correctly"
    AUDITED_CONSISTENCY: Final = "audited_consistency"
    CONSISTENT: Final = "consistent"
    # Ends of clocks, so that metrics over clocks are formulas like all others.
    CLOCKS_MET: Final = "clocks_met"
    CLOCKS_ENDED: Final = "clocks_ended"
    FIRST_RESPONSE_MET: Final = "first_response_met"
    FIRST_RESPONSE_ENDED: Final = "first_response_ended"


M = Measure


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: scale x (sum of numerator terms) / (sum of denominator terms) + offset.

    Terms are (sign, measure). Without denominator the metric is a count. `direction` tells which way is better,
    `goal` the default target in the metric's unit where the operation has one. `n` of a value is its denominator
    (a count's n is the count).
    """

    id: str
    en: str
    zh: str
    unit: str
    formula: str
    numerator: tuple[tuple[int, str], ...]
    denominator: tuple[tuple[int, str], ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    direction: str = "up"
    goal: float | None = None

    @property
    def measures(self) -> frozenset[str]:
        """All measures the formula reads."""
        return frozenset(m for _, m in self.numerator + self.denominator)

    def compute(self, counts: Mapping[str, int]) -> "MetricValue":
        """The metric over summed measures; measures that are missing count as 0."""
        top = sum(sign * counts.get(m, 0) for sign, m in self.numerator)
        if not self.denominator:
            return MetricValue(top, top, top, None)
        bottom = sum(sign * counts.get(m, 0) for sign, m in self.denominator)
        value = self.offset + self.scale * top / bottom if bottom else None
        return MetricValue(value, bottom, top, bottom)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric's value with what it rests on. `value` is None where there is no denominator."""

    value: float | None
    n: int
    numerator: int
    denominator: int | None


def _plus(*measures: str) -> tuple[tuple[int, str], ...]:
    return tuple((1, m) for m in measures)


def _count(id: str, en: str, zh: str, measure: str, formula: str, direction: str = "none") -> Metric:
    return Metric(id, en, zh, "count", formula, _plus(measure), direction=direction)


_WAITED = _plus(M.CONNECTED, M.ABANDONED)

_METRICS = (
    _count("contacts_opened", "Contacts opened", "进线量", M.OPENED, "count of contact.opened"),
    _count("contacts_connected", "Contacts connected", "接通量", M.CONNECTED, "contacts that a human took"),
    _count("contacts_abandoned", "Contacts abandoned", "放弃量", M.ABANDONED, "contacts left before a human", "down"),
    _count("contacts_resolved", "Contacts resolved", "解决量", M.RESOLVED, "contacts with contact.resolved", "up"),
    _count("complaints_filed", "Complaints filed", "投诉量", M.COMPLAINTS, "cases that became complaints", "down"),
    _count("praises", "Praises", "表扬数", M.PRAISES, "count of agent.praised", "up"),
    Metric("asa", "Average speed of answer", "平均接通等待", "s", "mean wait of connected contacts",
           _plus(M.CONNECT_WAIT_MS), _plus(M.CONNECTED), scale=0.001, direction="down"),
    Metric("abandonment_rate", "Abandonment rate", "放弃率", "ratio", "abandoned / (connected + abandoned)",
           _plus(M.ABANDONED), _WAITED, direction="down"),
    Metric("sl_answered", "Service level, abandons ignored", "服务水平（不计放弃）", "ratio",
           "connected within limit / connected", _plus(M.CONNECTED_IN_LIMIT), _plus(M.CONNECTED)),
    Metric("sl_all", "Service level, abandons are misses", "服务水平（放弃计为未达）", "ratio",
           "connected within limit / (connected + abandoned)", _plus(M.CONNECTED_IN_LIMIT), _WAITED),
    Metric("sl_short_excluded", "Service level, short abandons removed", "服务水平（剔除短放弃）", "ratio",
           "connected within limit / (connected + abandoned after more than short_abandon)",
           _plus(M.CONNECTED_IN_LIMIT), (*_WAITED, (-1, M.ABANDONED_SHORT))),
    Metric("sl_abandon_met", "Service level, abandons within the limit succeed", "服务水平（限内放弃计为达标）",
           "ratio",
           "(connected within limit + abandoned within limit) / (connected + abandoned)",
           _plus(M.CONNECTED_IN_LIMIT, M.ABANDONED_IN_LIMIT), _WAITED),
    Metric("sl_abandon_excluded", "Service level, abandons within the limit removed", "服务水平（剔除限内放弃）",
           "ratio",
           "connected within limit / (connected + abandoned later than limit)",
           _plus(M.CONNECTED_IN_LIMIT), (*_WAITED, (-1, M.ABANDONED_IN_LIMIT))),
    Metric("first_response_time", "First response time, mean", "平均首次响应时间", "s",
           "mean of opened to first message.agent", _plus(M.FIRST_RESPONSE_MS), _plus(M.FIRST_RESPONSES),
           scale=0.001, direction="down", goal=300.0),
    Metric("resolution_time", "Resolution time, mean", "平均解决时长", "s",
           "mean of opened to the last contact.resolved", _plus(M.RESOLUTION_MS), _plus(M.RESOLVED),
           scale=0.001, direction="down"),
    Metric("handle_time", "Handle time, mean (AHT)", "平均处理时长", "s", "mean of talk + hold + wrap per call.wrapped",
           _plus(M.HANDLE_MS), _plus(M.HANDLED), scale=0.001, direction="down"),
    Metric("timely_response_rate", "Timely response rate", "及时响应率", "ratio",
           "first_response clocks met / (met + breached)", _plus(M.FIRST_RESPONSE_MET), _plus(M.FIRST_RESPONSE_ENDED),
           goal=0.90),
    Metric("sla_compliance", "SLA compliance", "时效达标率", "ratio", "clocks met / (met + breached)",
           _plus(M.CLOCKS_MET), _plus(M.CLOCKS_ENDED)),
    Metric("reopen_rate", "Reopen rate", "重开率", "ratio", "reopened cases / resolved cases",
           _plus(M.REOPENED), _plus(M.RESOLVED), direction="down"),
    Metric("transfers_per_case", "Transfers per case", "单均转接次数", "1", "transfers / resolved cases",
           _plus(M.TRANSFERS), _plus(M.RESOLVED), direction="down", goal=3.2),
    Metric("csat_mean", "CSAT, mean of 1-5", "满意度均分", "score", "mean CSAT",
           _plus(M.CSAT_SUM), _plus(M.CSAT_ANSWERS),
           goal=4.2),
    Metric("csat_pass_rate", "CSAT pass rate", "满意率", "ratio", "answers of at least csat_pass / answers",
           _plus(M.CSAT_PASSED), _plus(M.CSAT_ANSWERS)),
    Metric("csi", "Customer satisfaction index", "客户满意度指数", "points", "(mean CSAT - 1) / 4 x 100",
           _plus(M.CSAT_SUM), _plus(M.CSAT_ANSWERS), scale=25.0, offset=-25.0, goal=88.0),
    Metric("nps", "Net promoter score", "净推荐值", "points", "% of 9-10 minus % of 0-6",
           ((1, M.NPS_PROMOTERS), (-1, M.NPS_DETRACTORS)), _plus(M.NPS_ANSWERS), scale=100.0, goal=20.0),
    Metric("ces_mean", "Customer effort, mean of 1-7", "客户费力度均分", "score", "mean CES",
           _plus(M.CES_SUM), _plus(M.CES_ANSWERS)),
    Metric("survey_response_rate", "Survey response rate", "评价参与率", "ratio", "surveys / resolved cases",
           _plus(M.SURVEYS), _plus(M.RESOLVED)),
    Metric("complaint_rate", "Complaint rate", "投诉率", "ratio", "complaints / opened contacts",
           _plus(M.COMPLAINTS), _plus(M.OPENED), direction="down"),
    Metric("bot_recognition", "Bot recognition rate", "机器人识别率", "ratio", "recognised / bot messages that say",
           _plus(M.BOT_RECOGNIZED), _plus(M.BOT_SAID), goal=0.80),
    Metric("classification_accuracy", "Classification accuracy", "工单分类准确率", "ratio", "audited correct / audited",
           _plus(M.CLASSIFIED_CORRECTLY), _plus(M.AUDITED_CLASSIFICATION), goal=0.90),
    Metric("consistency", "Answer consistency", "跨渠道答复一致率", "ratio", "audited consistent / audited",
           _plus(M.CONSISTENT), _plus(M.AUDITED_CONSISTENCY)),
    Metric("negative_sentiment_rate", "Negative sentiment rate", "负面情绪占比", "ratio", "scores below -0.3 / scores",
           _plus(M.SCORED_NEGATIVE), _plus(M.SCORED), direction="down"),
    Metric("template_use_rate", "Template use rate", "模板使用率", "ratio", "with template / agent messages that say",
           _plus(M.TEMPLATE_USED), _plus(M.TEMPLATE_SAID), goal=0.80),
)  # fmt: skip

CATALOGUE: Mapping[str, Metric] = {metric.id: metric for metric in _METRICS}
"""All metrics by id."""
