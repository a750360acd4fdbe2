"""During each driver fault every endpoint answers correctly and quickly, and recovers soon after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from agent.simulation.call_faults import Faults
from agent.simulation.gpu import SimulatedGpu
from agent.simulation.library import SimulatedLibrary
from tests.faults.endpoints import GPUS, HEALTHY, SCHEDULING, TimedClient, check, reports, states_of
from tests.faults.table import FAULTS
from tests.support.agents import agent_server, hung_agent_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.endpoints import Answer
    from tests.faults.table import Fault

pytestmark = pytest.mark.anyio

INTERVAL = 0.5
SAMPLE_TIMEOUT = 0.5
SETTINGS = {"SAMPLE_INTERVAL": str(INTERVAL), "SAMPLE_TIMEOUT": str(SAMPLE_TIMEOUT)}
# Until it shows: the sample in progress, the timeout of a call, and the sample that reports it.
SHOWS_WITHIN = 2 * INTERVAL + SAMPLE_TIMEOUT + SCHEDULING
RECOVERS_WITHIN = 2 * INTERVAL + SCHEDULING
BEFORE, AFTERWARDS = 40, 70  # degrees Celsius of GPU 0

QUICK = "one call on a GPU hangs"


def rows(*, at_start: bool) -> list[object]:
    """The names of the faults that are possible then; one of a running agent is in the quick suite."""
    return [
        pytest.param(name, marks=() if name == QUICK and not at_start else pytest.mark.slow, id=name)
        for name, fault in FAULTS.items()
        if (fault.at_start if at_start else fault.running) is not None
    ]


@pytest.mark.parametrize("name", rows(at_start=False))
async def test_every_endpoint_reports_a_fault_in_a_running_agent_and_recovers(name: str) -> None:
    fault = FAULTS[name]
    truth = replace(fault.running or HEALTHY, celsius=BEFORE)
    with healthy_simulation() as simulation, agent_server(**SETTINGS) as url:
        async with TimedClient(url) as client, client.twenty_dashboards() as statuses:
            await client.wait_for(lambda status: reports(status, HEALTHY), SCHEDULING, "all GPUs are ok")
            healthy = await client.get_all()
            check(healthy.values(), replace(HEALTHY, celsius=BEFORE), healthy)
            fault.begin(simulation)
            if fault.end is not None:
                await client.wait_for(
                    lambda status: reports(status, truth), SHOWS_WITHIN, f"reported: {name}"
                )
                for _ in range(2):
                    check((await client.get_all()).values(), truth, healthy)
            await check_recovery(fault, simulation, client, healthy)
        assert statuses == {200} if truth.gpus_are_shown else statuses == {200, truth.error()[0]}


@pytest.mark.parametrize("name", rows(at_start=True))
async def test_every_endpoint_reports_a_fault_from_before_the_agent_and_recovers(name: str) -> None:
    fault = FAULTS[name]
    truth = replace(fault.at_start or HEALTHY, celsius=BEFORE)
    with healthy_simulation() as simulation:
        fault.begin(simulation)
        with hung_agent_server(**SETTINGS) as url:
            async with TimedClient(url) as client, client.twenty_dashboards():
                await client.wait_for(
                    lambda status: reports(status, truth), SHOWS_WITHIN, f"reported: {name}"
                )
                for _ in range(2):
                    check((await client.get_all()).values(), truth, {})
                await check_recovery(fault, simulation, client, {})


async def check_recovery(
    fault: Fault, simulation: Simulation, client: TimedClient, healthy: Mapping[str, Answer]
) -> None:
    """Every GPU is `ok` and live within two sample intervals, and every endpoint answers as before."""
    fix_temperatures(simulation, AFTERWARDS)
    if fault.end is not None:
        fault.end(simulation)
    await client.wait_for(is_healthy_and_live, RECOVERS_WITHIN, "all GPUs are ok and live again")
    check((await client.get_all()).values(), replace(HEALTHY, celsius=AFTERWARDS), healthy)


def healthy_simulation() -> Simulation:
    simulation = Simulation(GPUS)
    fix_temperatures(simulation, BEFORE)
    return simulation


def fix_temperatures(simulation: Simulation, celsius: int) -> None:
    for gpu in simulation.gpus:
        gpu.fix(temperature=celsius + gpu.index)


def is_healthy_and_live(status: Any) -> bool:
    return states_of(status) == HEALTHY.states() and all(
        device["temperature"] == AFTERWARDS + device["idx"] for device in status["data"]["devices"]
    )


@pytest.mark.slow
async def test_an_upgraded_driver_reports_its_new_version() -> None:
    with healthy_simulation() as simulation, agent_server(**SETTINGS) as url:
        async with TimedClient(url) as client:
            await client.wait_for(lambda status: reports(status, HEALTHY), SCHEDULING, "all GPUs are ok")
            simulation.driver_version = "999.1"
            simulation.reload_driver()
            fix_temperatures(simulation, AFTERWARDS)
            await client.wait_for(is_healthy_and_live, RECOVERS_WITHIN, "all GPUs are ok and live again")
            assert (await client.get("/gpu")).json["system_info"]["driver_version"] == "999.1"


def test_every_fault_of_the_simulated_driver_is_in_the_table() -> None:
    """A new method needs a row in the table, or a line in NO_FAULT or ENDS."""
    known = {
        name
        for kind in (Faults, SimulatedLibrary, Simulation, SimulatedGpu)
        for name, member in vars(kind).items()
        if callable(member) and not name.startswith("_")
    }
    assert known - NO_FAULT - ENDS == {fault.by for fault in FAULTS.values()} - NOT_A_METHOD, (
        "a new way to fail needs a row in FAULTS (tests/faults/table.py);"
        " add other methods to NO_FAULT or ENDS (tests/faults/test_table.py)"
    )


NOT_A_METHOD = {"churn", "call_seconds"}
ENDS = {
    "appear",
    "release",
    "heal",
    "restore",
    "permit",
    "reset",
    "support",
    "unfix",
    "disable_mig",
    "restore_driver",
    "restore_function",
}
NO_FAULT = {
    "require_reset",  # the GPU can be read: see the scenario, tests/faults/test_scenarios.py
    "bridge",
    "count_in_new_process",
    "install",
    "lacks",
    "uninstall",
    "join_held_up",
    "wake",  # as the kernel wakes a GPU: tests/faults/test_sleeping_gpus.py
    "elapsed",
    "process_table",
    "advance",
    "initialise",
    "shut_down",
    "device",
    "handle_of",
    "mig_instance",
    "reset_calls",
    "supports",
    "processes_to_fill",
    "raise_if_faulty",
    "raise_if_failing",
    "block_while_hung",
    "wait_until_blocked",
}
