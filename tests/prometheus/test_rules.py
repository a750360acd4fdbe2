"""The rules of deploy/prometheus, by promtool: they are valid, and each alert fires exactly when it must."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from agent.simulation.scenarios import SCENARIOS
from tests.prometheus.alert_cases import CASES, OWN, files
from tests.prometheus.engine import DEPLOY, promtool
from tests.support.agents import ROOT, agent_client

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_configuration_and_its_rules_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_hosts_behind_one_address_differ_in_the_example_of_targets() -> None:
    lines = (DEPLOY / "targets" / "example.yml").read_text().splitlines()
    groups = yaml.safe_load("\n".join(line[2:] for line in lines if line.startswith("# ")))

    hosts = [group["labels"].get("instance", target) for group in groups for target in group["targets"]]
    assert hosts == ["gpu01:8000", "gpu02:8000", "server1", "server2"]


@pytest.mark.parametrize("place", [0, 1], ids=["by the minute", "by the day"])
def test_every_alert_fires_despite_gaps_flapping_and_restarts_and_not_without_a_fault(
    place: int, tmp_path: Path
) -> None:
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump(files(str(DEPLOY / "alerts.yml"))[place]))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_every_alert_has_a_case_that_fires_and_one_that_must_not() -> None:
    cases: dict[str, set[bool]] = {case.alert: {True, False} for case in CASES}
    for own in OWN:
        cases.setdefault(own.alert, set()).add(own.fires)

    assert cases == {rule["alert"]: {True, False} for rule in alerts()}


def findings() -> set[tuple[str, str]]:
    """Every finding about a GPU with its verdict, from docs/findings.md; `xid_79` stands for `xid_N`."""
    table = (ROOT / "docs" / "findings.md").read_text().split("## Of a GPU")[1].split("## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", table, re.MULTILINE)
    return {
        (name.replace("_N", "_79"), verdict) for name, verdicts in rows for verdict in verdicts.split(" or ")
    }


def alerts_of(finding: str, verdict: str) -> list[str]:
    """The alerts whose expression selects this finding."""
    found = set()
    for rule in alerts():
        for selector in re.findall(r"nvidia_gpu_health_finding{([^}]*)}", rule["expr"]):
            matchers = re.findall(r'(\w+)(=~|!~|=)"([^"]*)"', selector)
            labels = {"finding": finding, "verdict": verdict}
            if all(
                (re.fullmatch(value, labels[name]) is None) == (how == "!~") for name, how, value in matchers
            ):
                found.add(rule["alert"])
    return sorted(found)


# Findings whose alerts use the state of the GPU or its clocks event reasons, which always have series.
BY_OTHER_SERIES = {"lost", "stuck", "silent", "thermal_slowdown_hw", "thermal_slowdown_sw", "power_brake"}


def test_each_finding_has_one_alert_or_is_alerted_by_another_series() -> None:
    assert len(findings()) > 25
    wrong = {
        (finding, verdict): found
        for finding, verdict in findings()
        if len(found := alerts_of(finding, verdict)) != (0 if finding in BY_OTHER_SERIES else 1)
    }
    assert wrong == {}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_has_a_severity_a_summary_and_a_description(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


@pytest.mark.anyio
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_promtool_finds_nothing_wrong_with_the_exposition(scenario: str) -> None:
    async with agent_client(SIMULATE_GPUS="5", SIMULATE_SCENARIO=scenario) as client:
        exposition = (await client.get("/metrics", headers={"Accept-Encoding": "identity"})).text

    assert promtool("check", "metrics", given=exposition) == ""
