"""The committed boards: current, complete, and fixed where others rely on it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana import build
from grafana.query import UID
from schemas.metrics import CATALOGUE

ROOT = Path(build.__file__).parent
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "boards").glob("*.json")
}
PANELS = [pytest.param(name, panel, id=f"{name}-{panel['title']}") for name, board in BOARDS.items()
          for panel in board["panels"] if panel["type"] != "row"]  # fmt: skip
METRICS = {metric.en: metric for metric in CATALOGUE.values()}


def provisioned(kind: str) -> Any:
    return yaml.safe_load((ROOT / "provisioning" / kind / "contactpulse.yaml").read_text(encoding="utf-8"))


def test_the_committed_boards_are_current() -> None:
    assert build.outdated() == []


def test_a_board_that_is_not_current_is_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sla.json").write_text("{}")
    (tmp_path / "gone.json").write_text("{}")
    where = ["--directory", str(tmp_path)]
    assert build.main([*where, "--check"]) == 1
    assert [line.partition(" is not current")[0] for line in capsys.readouterr().err.splitlines()] == [
        str(tmp_path / name) for name in ("gone.json", "operations.json", "sla.json")
    ]
    assert build.main(where) == 0
    assert build.main([*where, "--check"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["operations.json", "sla.json"]


def test_uids_and_variables_stay_what_links_rely_on() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "operations": "contactpulse-operations",
        "sla": "contactpulse-sla",
    }
    assert {name: [one["name"] for one in board["templating"]["list"]] for name, board in BOARDS.items()} == {
        "operations": ["datasource", "board_url", "within"],
        "sla": ["datasource", "board_url", "team", "agent_id", "channel", "priority", "customer_tier", "category",
                "clock"],
    }  # fmt: skip
    for variable in BOARDS["sla"]["templating"]["list"][2:]:
        assert variable["multi"] and variable["includeAll"] and variable["refresh"] == 2


def test_boards_cannot_be_edited_and_know_their_ranges() -> None:
    shown = {name: (board["editable"], board["refresh"], board["time"]) for name, board in BOARDS.items()}
    assert shown == {
        "operations": (False, "5s", {"from": "now-1h", "to": "now"}),
        "sla": (False, "30s", {"from": "now-24h", "to": "now"}),
    }


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_panels_are_numbered_and_do_not_overlap(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert [panel["id"] for panel in panels] == [*range(1, len(panels) + 1)]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_has_title_description_unit_and_a_query_of_the_plugin(name: str, panel: dict[str, Any]) -> None:
    assert panel["title"] and panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"] in ("locale", "none", "percentunit", "s")
    assert panel["datasource"] == {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    [target] = panel["targets"]
    assert target.keys() == {
        "datasource", "editorType", "format", "pluginVersion", "queryType", "rawSql", "refId",
    }  # fmt: skip
    assert target["datasource"] == panel["datasource"]
    assert (target["editorType"], target["refId"]) == ("sql", "A")
    assert (target["format"], target["queryType"]) in ((0, "timeseries"), (1, "table"))
    assert " FINAL" in target["rawSql"]


@pytest.mark.parametrize(("name", "panel"), [one for one in PANELS if one.values[1]["title"] in METRICS])  # type: ignore[index]
def test_a_metrics_panel_is_described_and_judged_by_the_catalogue(name: str, panel: dict[str, Any]) -> None:
    metric = METRICS[panel["title"]]
    assert panel["description"].startswith(f"{metric.en} / {metric.zh}. ")
    assert metric.formula[1:] in panel["description"]
    steps = [(step["value"], step["color"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    if metric.goal is None:
        assert steps == [(None, "text")]
    else:
        order = ("red", "green") if metric.direction == "up" else ("green", "red")
        assert steps == [(None, order[0]), (metric.goal, order[1])]


def test_links_lead_to_the_drill_down_and_to_the_case() -> None:
    texts = {name: json.dumps(board) for name, board in BOARDS.items()}
    assert "/d/contactpulse-sla?var-channel=${__field.labels.channel:percentencode}" in texts["operations"]
    assert "/d/contactpulse-sla?var-team=${__data.fields.Team:percentencode}" in texts["sla"]
    assert all("${board_url}/cases/${__value.text:percentencode}" in text for text in texts.values())


def test_the_provisioned_data_source_is_the_one_that_boards_start_with() -> None:
    [source] = provisioned("datasources")["datasources"]
    assert (source["uid"], source["type"], source["editable"]) == (UID, "grafana-clickhouse-datasource", False)
    for board in BOARDS.values():
        [variable] = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
        assert (variable["query"], variable["current"]["value"]) == (source["type"], UID)
    secrets = [*source["jsonData"].values(), *source["secureJsonData"].values()]
    assert {value for value in secrets if str(value).startswith("$")} == {
        "$CONTACTPULSE_CLICKHOUSE_HOST", "$CONTACTPULSE_CLICKHOUSE_PORT", "$CONTACTPULSE_CLICKHOUSE_USER",
        "$CONTACTPULSE_CLICKHOUSE_PASSWORD",
    }  # fmt: skip


def test_the_provisioned_folder_holds_the_boards() -> None:
    [provider] = provisioned("dashboards")["providers"]
    assert (provider["folder"], provider["allowUiUpdates"]) == ("ContactPulse", False)
    assert provider["options"]["path"] == "$CONTACTPULSE_GRAFANA_BOARDS"
