"""Each scenario of `--simulate`, with a fast clock: every endpoint reports it."""

from __future__ import annotations

from functools import partial

import pytest

from agent.simulation import SCENARIOS, Simulation
from tests.faults.endpoints import GPUS, HEALTHY, TimedClient, Truth, check, reports
from tests.faults.table import DENIED, LOST, STUCK
from tests.support.agents import agent_server
from tests.support.clock import Clock

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DEADLINE = 15.0  # seconds until a step shows: slow values are read every five

# Seconds of the scenario -> what every answer reports from then on.
SCENES: dict[str, dict[float, Truth]] = {
    "lost": {1: HEALTHY, 31: Truth({1: LOST}), 61: HEALTHY, 91: Truth({1: LOST})},
    "hang": {1: HEALTHY, 21: Truth({1: STUCK}), 81: HEALTHY},
    "permission-denied": {1: Truth({1: DENIED}, known_before=False)},
    "no-driver": {1: Truth(no_driver="No NVIDIA driver: the NVML library"), 31: HEALTHY},
    "sick": {1: Truth(has_findings=True)},
    "xid": {1: HEALTHY, 61: Truth({1: LOST}), 81: HEALTHY},
    "reset-required": {1: HEALTHY, 61: Truth(has_findings=True), 121: HEALTHY},
    "driver-mismatch": {1: Truth(no_driver="have different versions")},
}

# Scenarios in which not all GPUs are there -> the file that tests them.
ELSEWHERE = {"gone": "tests/sampling/test_census.py"}


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in ELSEWHERE])
async def test_every_endpoint_reports_what_a_scenario_simulates(name: str) -> None:
    """A scenario without a scene only lacks some values."""
    clock = Clock(0.0)
    with (
        Simulation(GPUS, scenario=name, clock=clock),
        agent_server(SAMPLE_INTERVAL="0.5", SAMPLE_TIMEOUT="0.5") as url,
    ):
        async with TimedClient(url) as client:
            for clock.now, truth in SCENES.get(name, {1.0: HEALTHY}).items():
                await client.wait_for(partial(reports, truth=truth), DEADLINE, f"{name} at {clock.now} s")
                check((await client.get_all()).values(), truth, {})


def test_every_scene_belongs_to_a_scenario() -> None:
    assert SCENES.keys() | ELSEWHERE.keys() <= SCENARIOS.keys()
