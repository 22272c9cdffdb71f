"""Every panel's and every variable's query runs as the read-only user, whatever is chosen."""

import pytest

from tests.integration.grafana.conftest import World, board, panels

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
def test_a_panel_answers_with_every_variable_chosen_and_over_nothing(world: World, name: str, title: str) -> None:
    [panel] = [panel for panel in panels(name) if panel["title"] == title]
    sql = panel["targets"][0]["rawSql"]
    world.ask(sql, **CHOICES)
    rows = world.ask(sql, **(CHOICES | {"team": ["nobody"], "clock": ["none"]}))
    if name == "sla" and panel["type"] == "table":
        assert rows == []


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
