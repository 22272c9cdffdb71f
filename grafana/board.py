"""What all boards have in common: folder tags, variables, links, numbered panels."""

from collections.abc import Iterable, Mapping
from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.query import PLUGIN, SOURCE, UID

OPERATIONS: Final = "contactpulse-operations"
SLA: Final = "contactpulse-sla"
"""Their uids: links lead there, so they stay."""

BOARD_URL: Final = "http://127.0.0.1:8080"
"""Where `contactpulse up` serves the live board and the cases' pages, unless told otherwise."""

ALL: Final = "$__all"

Section = tuple[str, Iterable[Builder[models.Panel]]]
"""A row's title and its panels."""


def board(uid: str, title: str, description: str, *, since: str, refresh: str) -> Dashboard:
    """An empty board that cannot be edited, over the last `since`, read again every `refresh`."""
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["contactpulse"])
        .readonly()
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(f"now-{since}", "now")
        .refresh(refresh)
        .with_variable(_source())
        .with_variable(_board_url())
        .link(
            DashboardLink("ContactPulse boards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["contactpulse"])
            .as_dropdown(False)
            .keep_time(True)
            .include_vars(False)
        )
        .link(
            DashboardLink("Live board")
            .type(DashboardLinkType.LINK)
            .icon("external link")
            .tooltip("ContactPulse's own board")
            .url("${board_url}")
            .target_blank(True)
        )
    )


def finished(started: Dashboard, sections: Iterable[Section]) -> models.Dashboard:
    """The board with its panels, row by row, numbered in this order."""
    for title, panels in sections:
        started.with_row(Row(title))
        for panel in panels:
            started.with_panel(panel)
    built = started.build()
    for number, item in enumerate(built.panels or [], start=1):
        item.id_val = number
    return built


def choice(name: str, label: str, sql: str) -> QueryVariable:
    """A variable that a query lists the values of: any number of them, or all. Read again when the range changes."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(sql)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.DISABLED)
        .multi(True)
        .include_all(True)
        .current(VariableOption(text=["All"], value=[ALL], selected=True))
    )


def option(name: str, label: str, description: str, values: Mapping[str, str], current: str) -> CustomVariable:
    """A variable of fixed values, by the texts shown for them."""
    return (
        CustomVariable(name)
        .label(label)
        .description(description)
        .values(", ".join(f"{text} : {value}" for text, value in values.items()))
        .options([VariableOption(text=text, value=value, selected=text == current) for text, value in values.items()])
        .current(VariableOption(text=current, value=values[current], selected=True))
    )


def _source() -> DatasourceVariable:
    return (
        DatasourceVariable("datasource")
        .label("Data source")
        .type(PLUGIN)
        .current(VariableOption(text="ContactPulse", value=UID, selected=True))
    )


def _board_url() -> TextBoxVariable:
    return (
        TextBoxVariable("board_url")
        .label("Links to")
        .description("Where ContactPulse's own pages are, for links to cases.")
        .default_value(BOARD_URL)
        .current(VariableOption(text=BOARD_URL, value=BOARD_URL, selected=True))
    )
