"""Operations live: how it goes now. Volume, response time, satisfaction, complaints; then promises and cases."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Series
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import board, cases, look, sql
from grafana.board import SLA, Section
from grafana.panels import Column, metric_stat, number, rows, series
from schemas.metrics import CATALOGUE, Measure, Metric

SERVICE_LEVELS: Final = ("sl_answered", "sl_all", "sl_short_excluded", "sl_abandon_met", "sl_abandon_excluded")


def build() -> Dashboard:
    """The whole board."""
    started = board.board(
        board.OPERATIONS,
        "Operations live",
        "How the service goes now: volume, response time, satisfaction, complaints, promises, cases at risk.",
        since="1h",
        refresh="5s",
    ).with_variable(
        board.option(
            "within",
            "At risk within",
            "How soon a clock must be due to be listed as at risk; in seconds.",
            {"5 min": "300", "15 min": "900", "30 min": "1800", "1 h": "3600", "4 h": "14400"},
            "15 min",
        )
    )
    return board.finished(started, _sections())


def _sections() -> Iterator[Section]:
    opened = [_stat(id) for id in ("contacts_opened", "contacts_connected", "contacts_abandoned")]
    response = [_stat(id) for id in ("first_response_time.mean", "first_response_time.p90", "asa")]
    customers = [_stat(id) for id in ("csat_mean", "csat_pass_rate", "complaint_rate")]
    yield "Volume, response time, satisfaction, complaints", [
        *opened, *_open_now(), *response, *customers,
    ]  # fmt: skip
    yield "Promises", [_kept(), *_freshness(), _compliance_by("clock"), _compliance_by("channel")]
    yield "Waiting for a human", [_service_levels(), _open_by_channel()]
    yield "Over time", [_volume(), _response()]
    yield "Cases", [cases.at_risk(), cases.breached("Breached in the range")]


def _stat(id: str) -> Stat:
    metric = CATALOGUE[id]
    return metric_stat(metric, sql.over_slices("contact_slices", {metric.en: sql.value(metric)}))


def _open_now() -> Iterator[Stat]:
    backlog, waiting, oldest = (CATALOGUE[id] for id in ("backlog", "waiting", "oldest_waiting"))
    yield metric_stat(backlog, sql.open_cases({backlog.en: "count()"}))
    yield metric_stat(waiting, sql.open_cases({waiting.en: "count()"}, waiting=True))
    yield metric_stat(oldest, sql.open_cases({oldest.en: "maxOrNull(wait)"}, waiting=True))


def _kept() -> Stat:
    return _stat("sla_compliance").span(6)


def _freshness() -> Iterator[Stat]:
    ended = sql.select({"Clocks breached": "sum(breached)"}, "clock_slices FINAL", [sql.IN_RANGE])
    yield number("Clocks breached", "Clocks due in the range that were not stopped by then / 超时数.",
                 look.COUNT, ended, width=6)  # fmt: skip
    behind = f"greatest(0, dateDiff('millisecond', min(stream_time), {sql.AT})) / 1000"
    yield number("Data behind", "How far the slowest partition of the stream is behind the end of the range: what "
                 "happened later is not in yet / 数据延迟.", look.SECONDS,
                 sql.at_end(sql.select({"Behind": behind}, "watermarks FINAL")), width=6)  # fmt: skip
    late = f"sum({Measure.EVENTS_LATE}) / nullIf(sum({Measure.EVENTS}), 0)"
    yield number("Late events", "Share of the range's events that came more than 2 s after their minute had ended and "
                 "corrected it / 迟到事件占比.", look.RATIO,
                 sql.over_slices("contact_slices", {"Late events": late}), width=6)  # fmt: skip


def _compliance_by(name: str) -> Series:
    metric = CATALOGUE["sla_compliance"]
    return series(
        f"SLA compliance by {name}", look.described(metric), look.RATIO,
        sql.over_slices("clock_slices", {metric.en: sql.value(metric, of_clocks=True)}, by=(name,), steps=True),
        label=name, metric=metric, link=_drill(name),
    )  # fmt: skip


def _service_levels() -> Table:
    metrics = [CATALOGUE[id] for id in SERVICE_LEVELS]
    read = ", ".join(f"('{_convention(m)}', {sql.summed(m.top)}, {sql.summed(m.bottom)})" for m in metrics)
    counted = sql.select({"level": f"arrayJoin([{read}])"}, "contact_slices FINAL", [sql.IN_RANGE])
    # All five are plain shares; the formula of any says how numerator and denominator become the value.
    columns = {
        "Convention": "level.1",
        "Service level": sql.quotient(metrics[0], "level.2", "level.3"),
        "Successes": "level.2",
        "Counted": "level.3",
    }
    about = " ".join(f"{m.en} / {m.zh}: {m.formula}." for m in metrics)
    return rows(
        "Service level, five conventions", f"The same contacts by five conventions. {about}",
        [Column("Service level", look.RATIO, bar=True), Column("Convention", width=260)],
        sql.select(columns, f"(\n{counted}\n)"),
    )  # fmt: skip


def _open_by_channel() -> Table:
    columns = {
        "Backlog": "count()",
        "Oldest case": "max(age)",
        "Waiting": "countIf(waits)",
        "Longest wait": "maxIf(if(waits, wait, NULL), waits)",
    }
    return rows(
        "Open cases by channel",
        f"Backlog and waiting at the end of the range. {look.described(CATALOGUE['oldest_waiting'])}",
        [
            Column("Oldest case", look.SECONDS),
            Column("Longest wait", look.SECONDS),
            Column("Channel", link=_drill_row("Channel", "channel")),
        ],
        sql.open_cases(columns, by={"Channel": sql.shown("channel")}),
    )  # fmt: skip


def _volume() -> Series:
    metrics = [
        CATALOGUE[id] for id in ("contacts_opened", "contacts_connected", "contacts_abandoned", "contacts_resolved")
    ]
    return series(
        "Volume", " ".join(look.described(metric) for metric in metrics), look.COUNT,
        sql.over_slices("contact_slices", _values(metrics), steps=True), step="1m",
    )  # fmt: skip


def _response() -> Series:
    metrics = [CATALOGUE[id] for id in ("first_response_time.mean", "first_response_time.p90", "asa")]
    return series(
        "Response time", " ".join(look.described(metric) for metric in metrics), look.SECONDS,
        sql.over_slices("contact_slices", _values(metrics), steps=True), metric=metrics[0],
    )  # fmt: skip


def _values(metrics: list[Metric]) -> dict[str, str]:
    return {metric.en: sql.value(metric) for metric in metrics}


def _convention(metric: Metric) -> str:
    return metric.en.removeprefix("Service level, ")


def _drill(name: str) -> tuple[str, str]:
    """From a series to the drill-down of what its label names."""
    return "Drill down", f"/d/{SLA}?var-{name}=${{__field.labels.{name}:percentencode}}&${{__url_time_range}}"


def _drill_row(column: str, name: str) -> tuple[str, str]:
    return "Drill down", f"/d/{SLA}?var-{name}=${{__data.fields.{column}:percentencode}}&${{__url_time_range}}"
