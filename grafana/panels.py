"""Panels as all boards use them. Each has a title, a description, a unit and one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders import bargauge, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TableCellDisplayMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId

from grafana import look
from grafana.look import Unit
from grafana.query import SOURCE, Format, Query
from schemas.metrics import Metric

NO_VALUE: Final = "–"
"""Shown where nothing stands behind a value: never 0."""

_SPAN_MS: Final = 3_600_000
"""A line bridges gaps up to an hour; a longer silence shows as one."""

_SOFT_MIN: Final = 0.8

Panel = TypeVar("Panel", stat.Panel, timeseries.Panel, table.Panel, bargauge.Panel)

_NARROW: Final = 70
"""Pixels that a column may shrink to before a table scrolls sideways; Grafana's own 150 cuts off the last columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table is shown: in which unit, with a link (title, URL), how wide in pixels, as a bar."""

    name: str
    unit: Unit | None = None
    link: tuple[str, str] | None = None
    width: int | None = None
    bar: bool = False

    def properties(self) -> list[DynamicConfigValue]:
        """As an override of the field."""
        found: list[tuple[str, Any]] = []
        if self.unit:
            found += [("unit", self.unit.name), ("decimals", self.unit.decimals)]
        if self.link:
            title, url = self.link
            found.append(("links", [{"title": title, "url": url, "targetBlank": not url.startswith("/")}]))
        if self.width:
            found.append(("custom.width", self.width))
        if self.bar:
            found += [("min", 0), ("max", 1), ("color", {"mode": FieldColorModeId.CONTINUOUS_RD_YL_GR})]
            found.append(
                ("custom.cellOptions", {"type": TableCellDisplayMode.GAUGE, "mode": BarGaugeDisplayMode.BASIC})
            )
        return [DynamicConfigValue(name, setting) for name, setting in found]


def metric_stat(metric: Metric, sql: str, *, width: int = 4) -> stat.Panel:
    """The value of a metric over the range, coloured by its goal."""
    return number(metric.en, look.described(metric), look.unit_of(metric), sql, width=width, metric=metric)


def number(
    title: str, description: str, unit: Unit, sql: str, *, width: int = 4, metric: Metric | None = None
) -> stat.Panel:
    """One number. No sparkline: a ratio of a range is not the last or mean of its parts."""
    return (
        _begun(stat.Panel(), title, description, Query(sql, Format.TABLE), unit, metric)
        .color_scheme(look.by_thresholds())
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields(""))
        .span(width)
        .height(4)
    )


def series(
    title: str,
    description: str,
    unit: Unit,
    sql: str,
    *,
    width: int = 12,
    height: int = 8,
    label: str | None = None,
    metric: Metric | None = None,
    link: tuple[str, str] | None = None,
    step: str = "5m",
) -> timeseries.Panel:
    """Values over time, in steps of `step` at least. `label` names the column that tells the series apart, `metric` the
    one whose goal is drawn, `link` (title, URL) where a click on a point leads."""
    judged = metric is not None and metric.goal is not None
    panel = (
        _begun(timeseries.Panel(), title, description, Query(sql, Format.TIME_SERIES), unit, metric)
        .interval(step)
        .thresholds_style(
            GraphThresholdsStyleConfig().mode(
                GraphThresholdsStyleMode.DASHED if judged else GraphThresholdsStyleMode.OFF
            )
        )
        .color_scheme(look.by_series())
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(0)
        .line_width(2)
        .line_interpolation(LineInterpolation.LINEAR)
        .show_points(VisibilityMode.AUTO)
        .span_nulls(_SPAN_MS)
        .legend(
            VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.NONE))
        .span(width)
        .height(height)
    )
    if unit == look.RATIO:
        # Where all goes well, the last few per cent are what there is to see.
        panel.max(1).axis_soft_min(_SOFT_MIN)
    else:
        panel.min(0)
    if label:
        panel.display_name(f"${{__field.labels.{label}}}")
    if link:
        shown, url = link
        panel.override_by_field_type("number", [DynamicConfigValue("links", [{"title": shown, "url": url}])])
    return panel


def rows(
    title: str, description: str, columns: Sequence[Column], sql: str, *, width: int = 12, height: int = 8
) -> table.Panel:
    """A table. Numbers without a column of their own settings are counts."""
    panel = (
        _begun(table.Panel(), title, description, Query(sql, Format.TABLE), look.COUNT)
        .show_header(True)
        .min_width(_NARROW)
        .span(width)
        .height(height)
    )
    for column in columns:
        panel.override_by_name(column.name, column.properties())
    return panel


def shares(title: str, description: str, unit: Unit, sql: str, *, width: int = 12, height: int = 8) -> bargauge.Panel:
    """A bar for each row: its text column and its number."""
    return (
        _begun(bargauge.Panel(), title, description, Query(sql, Format.TABLE), unit)
        .min(0)
        .color_scheme(look.by_series())
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(ReduceDataOptions().values(True).calcs(["lastNotNull"]).fields(""))
        .span(width)
        .height(height)
    )


def _begun(panel: Panel, title: str, description: str, query: Query, unit: Unit, metric: Metric | None = None) -> Panel:
    """What every panel has. `metric`: the one whose goal colours it."""
    return (
        panel.title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query)
        .unit(unit.name)
        .decimals(unit.decimals)
        .no_value(NO_VALUE)
        .thresholds(look.thresholds(metric))
    )
