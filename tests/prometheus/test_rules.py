"""The rules of deploy/prometheus, by promtool: valid, and every alert fires when it must and only then."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agent.simulation.scenarios import SCENARIOS
from tests.prometheus.engine import DEPLOY, promtool
from tests.support.agents import agent_client

pytestmark = pytest.mark.slow


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_configuration_and_its_rules_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_every_alert_fires_and_is_silent_as_its_cases_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_every_alert_has_a_case_that_fires_and_one_that_must_not() -> None:
    cases: dict[str, set[bool]] = {}
    for test in yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            cases.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))

    assert cases == {rule["alert"]: {True, False} for rule in alerts()}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_grave_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


@pytest.mark.anyio
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_promtool_finds_nothing_wrong_with_the_exposition(scenario: str) -> None:
    async with agent_client(SIMULATE_GPUS="5", SIMULATE_SCENARIO=scenario) as client:
        exposition = (await client.get("/metrics", headers={"Accept-Encoding": "identity"})).text

    assert promtool("check", "metrics", given=exposition) == ""
