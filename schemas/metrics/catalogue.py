"""All metrics. Formulas are contract v1's; goals and baselines are the operation's service standards of 2026.

Numerators and denominators are summed before dividing, and a metric without denominator has no value (null, never 0).
The five service-level conventions are the usual ones of contact-centre practice.
"""

from collections.abc import Iterator, Mapping

from schemas.metrics.formula import Interval, Metric, Source, Terms
from schemas.metrics.measures import Duration as D
from schemas.metrics.measures import Measure as M

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def _plus(*measures: str) -> Terms:
    return tuple((1, m) for m in measures)


def _minus(*measures: str) -> Terms:
    return tuple((-1, m) for m in measures)


def _count(id: str, en: str, zh: str, measure: str, formula: str, direction: str = "none") -> Metric:
    return Metric(id, en, zh, "count", formula, _plus(measure), direction=direction)


def _share(
    id: str, en: str, zh: str, formula: str, top: Terms, bottom: Terms, direction: str = "up",
    goal: float | None = None, baseline: float | None = None, provisional: bool = False, caveat: str = "",
) -> Metric:  # fmt: skip
    return Metric(
        id, en, zh, "ratio", formula, top, bottom, direction=direction, goal=goal, baseline=baseline,
        interval=Interval.SHARE, provisional=provisional, caveat=caveat,
    )  # fmt: skip


def _durations(
    id: str, en: str, zh: str, formula: str, names: tuple[str, ...], n: Terms, goal: float | None = None,
    caveat: str = "",
) -> Iterator[Metric]:  # fmt: skip
    """Mean and quantiles of a duration. The goal is that of the mean."""
    yield Metric(
        f"{id}.mean", f"{en}, mean", f"{zh}（均值）", "s", f"mean of {formula}",
        _plus(*(f"{name}_ms" for name in names)), n, scale=0.001, durations=names, direction="down", goal=goal,
        interval=Interval.MEAN, caveat=caveat,
    )  # fmt: skip
    for name, q in QUANTILES.items():
        yield Metric(
            f"{id}.{name}", f"{en}, {name}", f"{zh}（{name.upper()}）", "s", f"{name} of {formula}, within 1 %", (), n,
            durations=names, quantile=q, direction="down", caveat=caveat,
        )  # fmt: skip


def _ages() -> Iterator[Metric]:
    about = "how long the cases open at the instant have been so, since contact.opened"
    for name, q in (("mean", None), *QUANTILES.items()):
        yield Metric(
            f"backlog_age.{name}", f"Age of the backlog, {name}",
            f"积压时长（{'均值' if q is None else name.upper()}）", "s", f"{name} of {about}", quantile=q,
            direction="down", source=Source.OPEN,
        )  # fmt: skip


_WAITED = _plus(M.CONNECTED, M.ABANDONED)
_FORWARD = "of one customer and category, any channel, opened after it and at most repeat_window after its resolution"
_UNKNOWN = "Cases without customer_id count as never repeated: see customer_known_rate."
_CONCURRENT = (
    "Says how much of the signed-in time was spent with contacts, not how many were handled at once: an agent with "
    "three chats is as busy as one with one. A state counts until the next one of the agent, for 24 h at most. "
    "Numerator and denominator are milliseconds of agents."
)

_METRICS: tuple[Metric, ...] = (
    # Volume
    _count("contacts_opened", "Contacts opened", "进线量", M.OPENED, "count of contact.opened"),
    _count("contacts_connected", "Contacts connected", "接通量", M.CONNECTED, "contacts that a human took"),
    _count("contacts_abandoned", "Contacts abandoned", "放弃量", M.ABANDONED, "contacts left before a human", "down"),
    _count("contacts_resolved", "Contacts resolved", "解决量", M.RESOLVED, "contacts with contact.resolved", "up"),
    Metric("customers", "Customers", "客户数", "count", "different customers whose contacts were opened",
           distinct=True, direction="none"),
    _count("complaints_filed", "Complaints filed", "投诉量", M.COMPLAINTS, "cases that became complaints", "down"),
    _count("praises", "Praises", "表扬数", M.PRAISES, "count of agent.praised", "up"),
    _count("suggestions_adopted", "Suggestions adopted", "采纳建议数", M.SUGGESTIONS,
           "count of suggestion.adopted", "up"),
    # The backlog
    Metric("backlog", "Open backlog", "未结工单", "count", "cases open at the instant", source=Source.OPEN,
           direction="down"),
    *_ages(),
    Metric("waiting", "Waiting for a human", "等待人工", "count",
           "open cases that are neither connected nor answered by a human yet", source=Source.OPEN, direction="down"),
    Metric("oldest_waiting", "Longest wait now", "当前最长等待", "s",
           "longest wait of the open cases that are neither connected nor answered by a human yet, since queued "
           "(opened where not queued)", source=Source.OPEN, direction="down"),
    # Waiting for a human
    Metric("asa", "Average speed of answer", "平均接通等待", "s", "mean wait of connected contacts",
           _plus(M.CONNECT_WAIT_MS), _plus(M.CONNECTED), scale=0.001, durations=(D.CONNECT_WAIT,), direction="down",
           interval=Interval.MEAN),
    *_durations("wait", "Wait for a human", "排队等待",
                "connection (or abandonment) minus queued (opened where not queued)",
                (D.CONNECT_WAIT, D.ABANDON_WAIT), _WAITED),
    _share("abandonment_rate", "Abandonment rate", "放弃率", "abandoned / (connected + abandoned)",
           _plus(M.ABANDONED), _WAITED, direction="down"),
    _share("sl_answered", "Service level, abandons ignored", "服务水平（不计放弃）",
           "connected within limit / connected", _plus(M.CONNECTED_IN_LIMIT), _plus(M.CONNECTED)),
    _share("sl_all", "Service level, abandons are misses", "服务水平（放弃计为未达）",
           "connected within limit / (connected + abandoned)", _plus(M.CONNECTED_IN_LIMIT), _WAITED),
    _share("sl_short_excluded", "Service level, short abandons removed", "服务水平（剔除短放弃）",
           "connected within limit / (connected + abandoned after more than short_abandon)",
           _plus(M.CONNECTED_IN_LIMIT), _WAITED + _minus(M.ABANDONED_SHORT)),
    _share("sl_abandon_met", "Service level, abandons within the limit succeed", "服务水平（限内放弃计为达标）",
           "(connected within limit + abandoned within limit) / (connected + abandoned)",
           _plus(M.CONNECTED_IN_LIMIT, M.ABANDONED_IN_LIMIT), _WAITED),
    _share("sl_abandon_excluded", "Service level, abandons within the limit removed", "服务水平（剔除限内放弃）",
           "connected within limit / (connected + abandoned later than limit)",
           _plus(M.CONNECTED_IN_LIMIT), _WAITED + _minus(M.ABANDONED_IN_LIMIT)),
    # Times
    *_durations("first_response_time", "First response time", "首次响应时间", "opened to first message.agent",
                (D.FIRST_RESPONSE,), _plus(M.FIRST_RESPONSES), goal=300.0),
    *_durations("first_response_time.business", "First response time in business hours", "首次响应时间（工作时段）",
                "open time of the first_response clock's calendar from opened to first message.agent",
                (D.FIRST_RESPONSE_BUSINESS,), _plus(M.FIRST_RESPONSES_BUSINESS),
                caveat="Only cases whose first_response clock has a calendar other than always."),
    *_durations("resolution_time", "Resolution time", "解决时长", "opened to the last contact.resolved",
                (D.RESOLUTION,), _plus(M.RESOLVED)),
    *_durations("resolution_time.business", "Resolution time in business hours", "解决时长（工作时段）",
                "open time of the resolution clock's calendar from opened to the last contact.resolved",
                (D.RESOLUTION_BUSINESS,), _plus(M.RESOLVED_BUSINESS),
                caveat="Only cases whose resolution clock has a calendar other than always."),
    *_durations("handle_time", "Handle time (AHT)", "处理时长", "talk + hold + wrap per call.wrapped",
                (D.HANDLE,), _plus(M.HANDLED)),
    # Promises
    Metric("sla_compliance", "SLA compliance", "时效达标率", "ratio", "clocks met / (met + breached)",
           _plus(M.CLOCKS_MET), _plus(M.CLOCKS_ENDED), interval=Interval.SHARE, by_clock=True),
    _share("timely_response_rate", "Timely response rate", "及时响应率", "first_response clocks met / (met + breached)",
           _plus(M.FIRST_RESPONSE_MET), _plus(M.FIRST_RESPONSE_ENDED), goal=0.90),
    _share("complaint_timeliness", "Complaint timeliness", "投诉反馈及时率",
           "complaint_feedback clocks met / (met + breached)",
           _plus(M.COMPLAINT_FEEDBACK_MET), _plus(M.COMPLAINT_FEEDBACK_ENDED), goal=0.95),
    _share("callback_kept_rate", "Call-backs kept", "回电履约率",
           "call-backs made at or before due / call-backs due (those made, and those whose time has passed)",
           _plus(M.CALLBACK_MET), _plus(M.CALLBACK_ENDED), caveat="Needs a callback clock in the policy."),
    # Solving it
    _share("fcr", "First-contact resolution", "首次解决率",
           f"resolved cases without reopening and without another contact {_FORWARD} / resolved cases",
           _plus(M.RESOLVED) + _minus(M.RESOLVED_REOPENED, M.RESOLVED_REPEATED), _plus(M.RESOLVED), goal=0.85,
           provisional=True, caveat=_UNKNOWN),
    _share("resolved_within_3", "Resolved within three contacts", "三次内解决率",
           f"resolved cases with at most two other contacts {_FORWARD} / resolved cases",
           _plus(M.RESOLVED) + _minus(M.RESOLVED_OVER_3), _plus(M.RESOLVED), goal=0.80, provisional=True,
           caveat=_UNKNOWN),
    _share("customer_known_rate", "Customers known", "客户识别率", "resolved cases with a customer_id / resolved cases",
           _plus(M.RESOLVED_OF_KNOWN), _plus(M.RESOLVED)),
    _share("repeat_contact_rate", "Repeat contacts", "重复来电率",
           "contacts opened within repeat_window of an earlier one of that customer and category, any channel / opened",
           _plus(M.REPEATS), _plus(M.OPENED), direction="down"),
    _share("channel_switch_rate", "Channel switches", "渠道切换率",
           "repeat contacts in another channel than the one before / opened",
           _plus(M.CHANNEL_SWITCHES), _plus(M.OPENED), direction="down"),
    _share("reopen_rate", "Reopen rate", "重开率", "reopened cases / resolved cases",
           _plus(M.REOPENED), _plus(M.RESOLVED), direction="down"),
    Metric("transfers_per_case", "Transfers per case", "单均转接次数", "1", "transfers / resolved cases",
           _plus(M.TRANSFERS), _plus(M.RESOLVED), direction="down", baseline=3.2),
    # What customers say
    Metric("csat_mean", "CSAT, mean of 1-5", "满意度均分", "score", "mean CSAT",
           _plus(M.CSAT_SUM), _plus(M.CSAT_ANSWERS), goal=4.2, interval=Interval.MEAN, squares=M.CSAT_SQUARES),
    _share("csat_pass_rate", "CSAT pass rate", "满意率", "answers of at least csat_pass / answers",
           _plus(M.CSAT_PASSED), _plus(M.CSAT_ANSWERS)),
    Metric("csi", "Customer satisfaction index", "客户满意度指数", "points", "(mean CSAT - 1) / 4 x 100",
           _plus(M.CSAT_SUM), _plus(M.CSAT_ANSWERS), scale=25.0, offset=-25.0, goal=88.0, baseline=82.0,
           interval=Interval.MEAN, squares=M.CSAT_SQUARES),
    Metric("nps", "Net promoter score", "净推荐值", "points", "% of 9-10 minus % of 0-6",
           _plus(M.NPS_PROMOTERS) + _minus(M.NPS_DETRACTORS), _plus(M.NPS_ANSWERS), scale=100.0, goal=20.0,
           interval=Interval.NPS),
    Metric("ces_mean", "Customer effort, mean of 1-7", "客户费力度均分", "score", "mean CES",
           _plus(M.CES_SUM), _plus(M.CES_ANSWERS), interval=Interval.MEAN, squares=M.CES_SQUARES),
    _share("survey_response_rate", "Survey response rate", "评价参与率", "surveys / resolved cases",
           _plus(M.SURVEYS), _plus(M.RESOLVED)),
    _share("complaint_rate", "Complaint rate", "投诉率", "complaints / opened contacts",
           _plus(M.COMPLAINTS), _plus(M.OPENED), direction="down"),
    _share("negative_sentiment_rate", "Negative sentiment rate", "负面情绪占比", "scores below -0.3 / scores",
           _plus(M.SCORED_NEGATIVE), _plus(M.SCORED), direction="down"),
    # The bot
    _share("bot_containment", "Bot containment", "机器人自助解决率",
           "cases resolved with a bot message and no human / cases with a bot message",
           _plus(M.BOT_CONTAINED), _plus(M.BOT_CASES), goal=0.60,
           caveat="A contained case counts when it is resolved, a case with a bot message at its first one."),
    _share("handoff_rate", "Hand-off to a human", "转人工率", "1 - bot containment",
           _plus(M.BOT_CASES) + _minus(M.BOT_CONTAINED), _plus(M.BOT_CASES), direction="down", goal=0.40),
    _share("bot_recognition", "Bot recognition rate", "机器人识别率", "recognised / bot messages that say",
           _plus(M.BOT_RECOGNIZED), _plus(M.BOT_SAID), goal=0.80, baseline=0.30),
    # How it is done
    _share("classification_accuracy", "Classification accuracy", "工单分类准确率", "audited correct / audited",
           _plus(M.CLASSIFIED_CORRECTLY), _plus(M.AUDITED_CLASSIFICATION), goal=0.90, baseline=0.75),
    _share("consistency", "Answer consistency", "跨渠道答复一致率", "audited consistent / audited",
           _plus(M.CONSISTENT), _plus(M.AUDITED_CONSISTENCY), baseline=0.65),
    _share("template_use_rate", "Template use rate", "模板使用率", "with template / agent messages that say",
           _plus(M.TEMPLATE_USED), _plus(M.TEMPLATE_SAID), goal=0.80),
    Metric("occupancy", "Occupancy", "坐席占用率", "ratio",
           "(busy + wrap time) / (available + busy + wrap time) of agents",
           _plus(M.AGENT_BUSY_MS, M.AGENT_WRAP_MS), _plus(M.AGENT_AVAILABLE_MS, M.AGENT_BUSY_MS, M.AGENT_WRAP_MS),
           direction="none", caveat=_CONCURRENT),
)  # fmt: skip

CATALOGUE: Mapping[str, Metric] = {metric.id: metric for metric in _METRICS}
"""All metrics by id."""

ALIASES: Mapping[str, str] = {id.removesuffix(".mean"): id for id in CATALOGUE if id.endswith(".mean")}
"""A duration's name alone stands for its mean: `first_response_time` for `first_response_time.mean`."""


def find_metric(id: str) -> Metric | None:
    """The metric of an id or alias."""
    return CATALOGUE.get(ALIASES.get(id, id))
