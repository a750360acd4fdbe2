"""The dashboards of deploy/grafana: every query of every panel has an answer from a real Prometheus."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from tests.prometheus.engine import prometheus
from tests.support.agents import ROOT, agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.prometheus.engine import Engine

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
DASHBOARDS = sorted(path.name for path in FOLDER.glob("*.json"))
# What Grafana puts in the place of its variables; "All" of each.
VARIABLES = {"instance": ".*", "gpu": ".*", "user": ".*", "__rate_interval": "10s", "__range": "1m"}
# Only on Hopper and newer, with rights that the simulated driver does not give.
NOT_SIMULATED = ("nvidia_gpu_sm_activity_ratio", "nvidia_gpu_tensor_activity", "nvidia_gpu_dram_activity")


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return content


def queries(name: str) -> list[tuple[str, str]]:
    """Title of the panel and each of its queries, variables filled."""
    found = []
    for panel in load(name)["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(f"${variable}", value)
            found.append((panel["title"], expression))
    return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """It scrapes agents that between them have everything a panel shows."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    settings = {"HISTORY_INTERVAL": "1", "IDLE_HOLDER_MINUTES": "1"}
    with (
        agent_process("--simulate", "5", SIMULATE_SCENARIO="sick", **settings) as sick,
        agent_process("--simulate", "5", SIMULATE_SCENARIO="mixed-models", **settings) as mixed,
        agent_process("--simulate", "2", SIMULATE_SCENARIO="xid", **settings) as xid,
    ):
        targets = [process.url.split("/")[2] for process in (sick, mixed, xid)]
        scrapes = [{"job_name": "gpu", "static_configs": [{"targets": targets}]}]
        with prometheus(folder, scrapes) as running:
            wait_until(lambda: running.value("sum(up)") == 3, "all agents are scraped", deadline=30)
            yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_of_every_panel_is_answered(engine: Engine, name: str) -> None:
    for title, expression in queries(name):
        if any(metric in expression for metric in NOT_SIMULATED):
            engine.query(expression)  # not refused
            continue
        wait_until(
            lambda expression=expression: bool(engine.query(expression)),  # type: ignore[misc]  # bound in the loop
            f"{name}, {title}: {expression}",
            deadline=60,
        )


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_asks_the_data_source_that_was_chosen(name: str) -> None:
    dashboard = load(name)
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    variables = dashboard["templating"]["list"]

    assert variables[0] == {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    assert [one["datasource"] for one in variables[1:]] == [chosen] * (len(variables) - 1)
    assert dashboard["panels"]
    for panel in dashboard["panels"]:
        assert panel["targets"]
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [chosen] * (
            1 + len(panel["targets"])
        )


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_has_a_unit_and_a_place_of_its_own(name: str) -> None:
    panels = load(name)["panels"]

    assert panels
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        field = panel["fieldConfig"]
        assert "unit" in field["defaults"] or any(
            one["id"] == "unit" for override in field["overrides"] for one in override["properties"]
        ), panel["title"]
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_a_table_of_processes_shows_no_pod_but_theirs() -> None:
    """Under `pod`, `namespace` and `container` a PodMonitor tells those of the agent."""
    tables = [
        panel
        for name in DASHBOARDS
        for panel in load(name)["panels"]
        if panel["type"] == "table" and "nvidia_gpu_process_" in panel["targets"][0]["expr"]
    ]
    assert len(tables) == 2
    for table in tables:
        left_out = table["transformations"][0]["options"]["excludeByName"]
        assert {"pod", "namespace", "container", "endpoint"} <= left_out.keys()


def test_no_two_dashboards_are_the_same_to_grafana() -> None:
    assert [load(name)["uid"] for name in DASHBOARDS] == [name.removesuffix(".json") for name in DASHBOARDS]
