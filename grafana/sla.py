"""SLA drill-down: which promises were kept, by whom, where not, and where the time went."""

from collections.abc import Iterator, Mapping
from typing import Final

from grafana_foundation_sdk.builders.bargauge import Panel as Bars
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Series
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import board, cases, look, sql
from grafana.board import Section
from grafana.panels import Column, metric_stat, number, rows, series, shares
from schemas.metrics import CATALOGUE

FILTERS: Final[Mapping[str, str]] = {
    "team": "Team",
    "agent_id": "Agent",
    "channel": "Channel",
    "priority": "Level",
    "customer_tier": "Tier",
    "category": "Category",
    "clock": "Clock",
}
"""Variables by the column that they choose values of, with their labels."""

_AGENTS_OF: Final = ("team",)
"""Agents are offered by the chosen teams."""

_COMPLIANCE: Final = CATALOGUE["sla_compliance"]
_KEPT: Final = sql.value(_COMPLIANCE, of_clocks=True)
_ENDS: Final = {"Met": "sum(met)", "Breached": "sum(breached)", "Cancelled": "sum(cancelled)"}
_OPEN_STATES: Final = ("running", "paused")
_VALUES: Final = 1000
_OTHERS: Final = ("channel", "priority", "customer_tier", "category")
_TALL: Final = 11
_COMPLIANCE_COLUMN: Final = Column("Compliance", look.RATIO, width=120, bar=True)


def build() -> Dashboard:
    """The whole board."""
    started = board.board(
        board.SLA,
        "SLA drill-down",
        "Which promises were kept: by clock, team, agent, channel, level, tier and category.",
        since="24h",
        refresh="30s",
    )
    for name, label in FILTERS.items():
        started.with_variable(board.choice(name, label, _values_of(name)))
    return board.finished(started, _sections())


def _values_of(name: str) -> str:
    of = _AGENTS_OF if name == "agent_id" else ()
    column = name if name == "clock" else sql.shown(name)
    return sql.select(
        {"value": column}, "clock_slices FINAL", [sql.IN_RANGE, *sql.chosen(of)],
        group=("value",), order=("value",), limit=_VALUES,
    )  # fmt: skip


def _sections() -> Iterator[Section]:
    yield "Promises kept", [_compliance(), *_ended(), *_open_now()]
    yield "By clock", [_over_time(), _by_clock()]
    yield "By team and agent", [_by(name, _TALL) for name in ("team", "agent_id")]
    yield "By channel, level, tier and category", [_by(name) for name in _OTHERS]
    yield "Breaches", [_breaches(), _where_time_went()]


def _compliance() -> Stat:
    return metric_stat(_COMPLIANCE, sql.over_slices("clock_slices", {_COMPLIANCE.en: _KEPT}, only=FILTERS))


def _ended() -> Iterator[Stat]:
    about = {
        "Met": "Clocks stopped at or before they were due / 达标数.",
        "Breached": "Clocks due in the range that were not stopped by then / 超时数.",
        "Cancelled": "Clocks that ended without a verdict: the customer left, or the case was closed / 取消数.",
    }
    for name, column in _ENDS.items():
        yield number(name, about[name], look.COUNT, sql.over_slices("clock_slices", {name: column}, only=FILTERS))


def _open_now() -> Iterator[Stat]:
    about = {
        "running": "Clocks that run at present, whenever they began / 计时中.",
        "paused": "Clocks that stand still at present, because the case waits for someone else / 暂停中.",
    }
    for state in _OPEN_STATES:
        statement = sql.select(
            {state.capitalize(): "count()"}, "outcomes FINAL", [f"state = '{state}'", *sql.chosen(FILTERS)]
        )
        yield number(state.capitalize(), about[state], look.COUNT, statement)


def _over_time() -> Series:
    return series(
        "SLA compliance by clock", look.described(_COMPLIANCE), look.RATIO,
        sql.over_slices("clock_slices", {_COMPLIANCE.en: _KEPT}, by=("clock",), steps=True, only=FILTERS),
        label="clock", metric=_COMPLIANCE,
        link=("Only this clock", _here({"clock": "${__field.labels.clock:percentencode}"})), width=10, height=_TALL,
    )  # fmt: skip


def _by_clock() -> Table:
    counts = ("met", "breached", "cancelled", *_OPEN_STATES)
    only = "${__data.fields.Clock:percentencode}"
    ends = sql.select(
        {"of": "clock", **{name: name if name not in _OPEN_STATES else "0" for name in counts}},
        "clock_slices FINAL", [sql.IN_RANGE, *sql.chosen(FILTERS)],
    )  # fmt: skip
    opens = sql.select(
        {"of": "clock", **{name: f"state = '{name}'" if name in _OPEN_STATES else "0" for name in counts}},
        "outcomes FINAL", [f"state IN {_OPEN_STATES!r}", *sql.chosen(FILTERS)],
    )  # fmt: skip
    columns = {
        "Clock": "of",
        **_ENDS,
        **{name.capitalize(): f"sum({name})" for name in _OPEN_STATES},
        "Compliance": _KEPT,
    }
    return rows(
        "Clocks", f"Ends of clocks in the range, and clocks open at present. {look.described(_COMPLIANCE)}",
        [
            _COMPLIANCE_COLUMN,
            Column("Clock", link=("Only this clock", _here({"clock": only})), width=160),
        ],
        sql.select(columns, f"(\n{ends}\nUNION ALL\n{opens}\n)", group=("Clock",), order=('"Clock"',)),
        width=14, height=_TALL,
    )  # fmt: skip


def _by(name: str, height: int = 8) -> Table:
    label = FILTERS[name]
    only = f"${{__data.fields.{label}:percentencode}}"
    statement = sql.select(
        {label: sql.shown(name), **_ENDS, "Compliance": _KEPT},
        "clock_slices FINAL", [sql.IN_RANGE, *sql.chosen(FILTERS)],
        group=(label,), order=('"Breached" DESC', sql.quoted(label)), limit=_VALUES,
    )  # fmt: skip
    return rows(
        f"{label}s" if name != "category" else "Categories",
        f"Ends of clocks in the range by {label.lower()}, most breaches first. "
        + look.described(_COMPLIANCE),
        [
            _COMPLIANCE_COLUMN,
            Column(label, link=(f"Only this {label.lower()}", _here({name: only}))),
        ],
        statement, height=height,
    )  # fmt: skip


def _breaches() -> Table:
    whose = {**cases.WHOSE, "Tier": "customer_tier", "Category": "category"}
    return cases.breached("Breaches", only=FILTERS, whose=whose)


def _where_time_went() -> Bars:
    statement = sql.select(
        {"Holder": "splitByChar(':', holder)[1]", "Time": "sum(seconds)"},
        "outcomes FINAL\nARRAY JOIN mapKeys(held) AS holder, mapValues(held) AS seconds",
        [sql.ENDED_IN_RANGE, *sql.chosen(FILTERS)], group=("Holder",), order=('"Time" DESC',),
    )  # fmt: skip
    return shares(
        "Where the time went",
        "Who had the case while the clocks ran that stopped and ended in the range: the queue, the bot, agents, teams, "
        "the customer, a third party, or nobody because it was closed hours / 时间去向.",
        look.SECONDS, statement, width=24,
    )  # fmt: skip


def _here(choice: Mapping[str, str]) -> str:
    """This board with one choice more: everything else stays as it is."""
    kept = [f"var-{name}={text}" for name, text in choice.items()]
    kept += [f"${{{name}:queryparam}}" for name in ("datasource", "board_url", *FILTERS) if name not in choice]
    return f"/d/{board.SLA}?{'&'.join(kept)}&${{__url_time_range}}"
