"""A query of Grafana's ClickHouse plugin (4.x), as boards hold it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.4.0"
"""The query's form is that of this version; later ones read it unchanged."""

UID: Final = "contactpulse-clickhouse"
"""Of the provisioned data source; boards come to it through their variable `datasource`."""

SOURCE: Final = DataSourceRef(PLUGIN, "${datasource}")


class Format(IntEnum):
    """What a query's rows are."""

    TIME_SERIES = 0
    TABLE = 1


@dataclass(frozen=True, slots=True)
class ClickHouseQuery(Dataquery):
    """One SQL statement; texts among the columns of a time series become its labels."""

    sql: str
    format: Format
    ref: str = "A"

    def to_json(self) -> dict[str, Any]:
        """As it stands in a board."""
        return {
            "datasource": SOURCE,
            "editorType": "sql",
            "format": int(self.format),
            "pluginVersion": PLUGIN_VERSION,
            "queryType": "timeseries" if self.format is Format.TIME_SERIES else "table",
            "rawSql": self.sql,
            "refId": self.ref,
        }


class Query(Builder[Dataquery]):
    """Hands a query to the builders of panels."""

    def __init__(self, sql: str, format: Format) -> None:
        self._query = ClickHouseQuery(sql, format)

    def build(self) -> Dataquery:
        """The query."""
        return self._query
