"""Each scenario of `--simulate`, with a fast clock: every endpoint reports it."""

from __future__ import annotations

from functools import partial

import pytest

from agent.simulation import SCENARIOS, Simulation
from tests.faults.endpoints import GPUS, WELL, Asker, Truth, check, tells
from tests.faults.table import DENIED, LOST, STUCK
from tests.support.agents import agent_server
from tests.support.clock import Clock

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DEADLINE = 15.0  # seconds until a step shows: what changes seldom is read every five

# Seconds of the scenario -> what a client is told from then on.
SCENES: dict[str, dict[float, Truth]] = {
    "lost": {1: WELL, 31: Truth({1: LOST}), 61: WELL, 91: Truth({1: LOST})},
    "hang": {1: WELL, 21: Truth({1: STUCK}), 81: WELL},
    "permission-denied": {1: Truth({1: DENIED}, known_before=False)},
    "no-driver": {1: Truth(no_driver="No NVIDIA driver: the NVML library"), 31: WELL},
    "sick": {1: Truth(ill=True)},
    "xid": {1: WELL, 61: Truth({1: LOST}), 81: WELL},
    "reset-required": {1: WELL, 61: Truth(ill=True), 121: WELL},
    "driver-mismatch": {1: Truth(no_driver="have different versions")},
}

# Scenarios in which not all GPUs are there -> the file that tells of it.
ELSEWHERE = {"gone": "tests/sampling/test_census.py"}


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in ELSEWHERE])
async def test_a_scenario_shows_what_it_says(name: str) -> None:
    """Those without a scene of their own only lack values."""
    clock = Clock(0.0)
    with (
        Simulation(GPUS, scenario=name, clock=clock),
        agent_server(SAMPLE_INTERVAL="0.5", SAMPLE_TIMEOUT="0.5") as url,
    ):
        async with Asker(url) as asker:
            for clock.now, truth in SCENES.get(name, {1.0: WELL}).items():
                await asker.see(partial(tells, truth=truth), DEADLINE, f"{name} at {clock.now} s")
                check((await asker.ask_all()).values(), truth, {})


def test_every_scene_is_of_a_scenario() -> None:
    assert SCENES.keys() | ELSEWHERE.keys() <= SCENARIOS.keys()
