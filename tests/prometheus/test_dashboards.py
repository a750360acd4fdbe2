"""The dashboards of deploy/grafana: every query of every panel has an answer from a real Prometheus."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from tests.prometheus.engine import DEPLOY, prometheus
from tests.prometheus.panels import FOLDER, filled, load
from tests.support.agents import agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.prometheus.engine import Engine

DASHBOARDS = sorted(path.name for path in FOLDER.glob("*.json"))
# Metrics of Hopper and newer, which need permissions that the simulated driver does not give.
NOT_SIMULATED = ("nvidia_gpu_sm_activity_ratio", "nvidia_gpu_tensor_activity", "nvidia_gpu_dram_activity")


def queries(name: str) -> list[tuple[str, str]]:
    """Title of the panel and each of its queries, variables filled."""
    dashboard = load(name)
    found = [(panel["title"], target) for panel in dashboard["panels"] for target in panel["targets"]]
    found += [(annotation["name"], annotation) for annotation in dashboard["annotations"]["list"]]
    return [(title, filled(target["expr"])) for title, target in found]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Prometheus that scrapes several agents, which together have every series that a panel shows."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    settings = {"HISTORY_INTERVAL": "1", "IDLE_HOLDER_MINUTES": "1"}
    with (
        agent_process("--simulate", "5", SIMULATE_SCENARIO="sick", **settings) as sick,
        agent_process("--simulate", "5", SIMULATE_SCENARIO="mixed-models", **settings) as mixed,
        agent_process("--simulate", "2", SIMULATE_SCENARIO="xid", **settings) as xid,
        agent_process("--simulate", "1", SIMULATE_SCENARIO="mig", **settings) as mig,
    ):
        targets = [process.url.split("/")[2] for process in (sick, mixed, xid, mig)]
        scrapes = [{"job_name": "gpu", "static_configs": [{"targets": targets}]}]
        with prometheus(folder, scrapes) as running:
            wait_until(lambda: running.value("sum(up)") == 4, "all agents are scraped", deadline=30)
            yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_of_every_panel_has_a_result(engine: Engine, name: str) -> None:
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
def test_each_dashboard_queries_the_chosen_data_source(name: str) -> None:
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
def test_every_panel_has_a_unit_and_its_own_place(name: str) -> None:
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


def test_a_table_of_processes_does_not_show_the_pod_of_the_agent() -> None:
    """With a PodMonitor, the labels `pod`, `namespace` and `container` are those of the agent."""
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


def test_the_uid_of_each_dashboard_is_the_name_of_its_file() -> None:
    assert [load(name)["uid"] for name in DASHBOARDS] == [name.removesuffix(".json") for name in DASHBOARDS]


@pytest.mark.slow
@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_s_own_types_have_every_field(name: str) -> None:
    """No field is lost on the way through the types, except those that their schema leaves to plugins."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    shown = load(name)
    decoded = json.loads(JSONEncoder().encode(Dashboard.from_json(shown)))
    for variable in shown["templating"]["list"]:
        variable.pop("definition", None)  # which Grafana writes in addition to the query
    for annotation in shown["annotations"]["list"]:
        for field in ("useValueForTime", "step", "titleFormat", "textFormat", "tagKeys"):
            annotation.pop(field, None)  # defined by the data source, Prometheus
    assert lost(shown, decoded) == []


def lost(before: Any, after: Any, place: str = "") -> list[str]:
    """The paths of the values that are different or missing after the way through the types."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [one for key, value in before.items() for one in lost(value, after.get(key), f"{place}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            one
            for at, pair in enumerate(zip(before, after, strict=True))
            for one in lost(*pair, f"{place}[{at}]")
        ]
    return [] if before == after else [place]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_filtered_by_cluster_job_and_instance(name: str) -> None:
    assert [one["name"] for one in load(name)["templating"]["list"]][:4] == [
        "datasource",
        "cluster",
        "job",
        "instance",
    ]
    for _, expression in queries(name):
        for selector in re.findall(r"nvidia_gpu_\w+{([^}]*)}", expression):
            assert {"cluster", "job", "instance"} <= set(re.findall(r"(\w+)=~", selector)), expression


def test_no_line_chart_of_the_fleet_shows_every_host() -> None:
    charts = [
        panel
        for panel in load("gpu-fleet.json")["panels"]
        if panel["type"] in ("timeseries", "state-timeline")
    ]
    assert len(charts) > 5
    for panel in charts:
        (target,) = panel["targets"]
        assert "topk(10, " in target["expr"] or "sum by (state)" in target["expr"], panel["title"]


def test_each_row_of_a_host_links_to_the_dashboard_of_the_host() -> None:
    tables = [
        panel
        for name in ("gpu-fleet.json", "gpu-users.json")
        for panel in load(name)["panels"]
        if panel["type"] == "table" and "by (user)" not in panel["targets"][0]["expr"]
    ]
    assert len(tables) > 4
    for panel in tables:
        links = [
            link["url"]
            for override in panel["fieldConfig"]["overrides"]
            if override["matcher"]["options"] == "instance"
            for one in override["properties"]
            if one["id"] == "links"
            for link in one["value"]
        ]
        assert [link.startswith("/d/gpu-host?") for link in links] == [True], panel["title"]
    assert any(link.get("url") == "http://$instance/" for link in load("gpu-host.json")["links"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_alert_is_an_annotation(name: str) -> None:
    alerts = set(re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text()))
    (shown,) = (
        re.findall(r'alertname=~"([^"]+)"', annotation["expr"])
        for annotation in load(name)["annotations"]["list"]
        if annotation["name"] == "Alerts"
    )

    assert len(alerts) > 20
    assert {alert for alert in alerts if not re.fullmatch(shown[0], alert)} == set()
