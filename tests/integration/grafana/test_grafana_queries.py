"""Every panel's and every variable's query, asked as the read-only user, shows what is chosen."""

import pytest

from tests.integration.grafana.conftest import World, board, panels
from tests.integration.grafana.traffic import CLOCKS

PANELS = [(name, panel["title"]) for name in ("operations", "sla") for panel in panels(name)]
VARIABLES = [
    (name, variable["name"])
    for name in ("operations", "sla")
    for variable in board(name)["templating"]["list"]
    if variable["type"] == "query"
]
CHOICES = {
    "team": ["billing", "it's", "(none)"],
    "agent_id": ["a1"],
    "channel": ["chat"],
    "priority": ["L1", "L2"],
    "customer_tier": ["(none)"],
    "category": ["refund", "other"],
    "clock": ["first_response"],
}
EVERY = {
    "team": ["billing", "售后", "it's", "(none)"],
    "agent_id": ["a1", "a2", "b7", "(none)"],
    "channel": ["chat", "phone", "(none)"],
    "priority": ["L1", "L2", "L3", "(none)"],
    "customer_tier": ["vip", "(none)"],
    "category": ["refund", "other", "(none)"],
    "clock": list(CLOCKS),
}
WHOSE = {"Team": "team", "Agent": "agent_id", "Channel": "channel", "Level": "priority", "Clock": "clock"}
"""What a column of a table is about, by its title."""


@pytest.mark.parametrize(("name", "title"), PANELS)
def test_a_panel_shows_something_of_the_range(world: World, name: str, title: str) -> None:
    [panel] = [panel for panel in panels(name) if panel["title"] == title]
    [target] = panel["targets"]
    rows = world.ask(target["rawSql"])
    assert rows
    assert target["format"] == (0 if panel["type"] == "timeseries" else 1)
    if panel["type"] == "timeseries":
        assert all("time" in row for row in rows)
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    if panel["type"] == "stat":
        assert len(rows) == 1 and len(rows[0]) == 1
    # Columns that have settings of their own are there under that name.
    if panel["type"] == "table":
        named = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        assert named <= {*rows[0]}


@pytest.mark.parametrize(("name", "title"), PANELS)
def test_a_panel_shows_what_is_chosen_and_nothing_else(world: World, name: str, title: str) -> None:
    [panel] = [panel for panel in panels(name) if panel["title"] == title]
    sql = panel["targets"][0]["rawSql"]
    everything, chosen = world.ask(sql), world.ask(sql, **CHOICES)
    assert world.ask(sql, **EVERY) == everything, "to choose every value is to choose all"
    for row in chosen:
        assert {*row} == {*everything[0]}
        for column, variable in WHOSE.items():
            if name == "sla" and column in row:
                assert (row[column] or "(none)") in CHOICES[variable], (column, row)
    assert (chosen != everything) is (name == "sla"), "only the drill-down is narrowed by them"
    rows = world.ask(sql, **(CHOICES | {"team": ["nobody"], "clock": ["none"]}))
    if name == "sla":
        assert not any(value for row in rows for value in row.values() if isinstance(value, int | float))
        assert rows == [] or panel["type"] == "stat"


@pytest.mark.parametrize(("name", "variable"), VARIABLES)
def test_a_variable_offers_what_the_range_has(world: World, name: str, variable: str) -> None:
    [sql] = [one["query"] for one in board(name)["templating"]["list"] if one["name"] == variable]
    compared = world.api("/v1/sla/compliance", by=None if variable == "clock" else variable)
    found = {row[variable] or "(none)" for row in compared["rows"] if row["met"] + row["breached"] + row["cancelled"]}
    assert found <= {row["value"] for row in world.ask(sql)} <= {*found, "(none)", "other"}


def test_agents_are_offered_by_team(world: World) -> None:
    [sql] = [one["query"] for one in board("sla")["templating"]["list"] if one["name"] == "agent_id"]
    rows = world.api("/v1/sla/compliance", by="agent_id", team="billing")["rows"]
    ended = {row["agent_id"] or "(none)" for row in rows if row["met"] + row["breached"] + row["cancelled"]}
    assert ended == {row["value"] for row in world.ask(sql, team=["billing"])}
    assert ended < {row["value"] for row in world.ask(sql)}
