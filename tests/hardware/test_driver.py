"""The measurement of query costs works on any NVML library; needs no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from agent.sources.nvml import DriverSource
from tests.hardware.driver import sample_costs, timed_driver

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def simulated() -> Iterator[Simulation]:
    """One simulated GPU, not installed yet: the timed library is put in front of it."""
    simulation = Simulation(1, models=["h100"], pcie_window_seconds=0)
    yield simulation
    simulation.uninstall()


def test_every_call_of_a_sample_is_timed_and_no_call_is_added(simulated: Simulation) -> None:
    with timed_driver(simulated) as library:
        DriverSource().read()
        costs = sample_costs(library, 0, samples=3, step=6, pause=0)
        timed = {symbol: len(seconds) for symbol, seconds in costs.calls.items()}
        simulated.reset_calls()
        again = sample_costs(library, 0, samples=3, step=6, pause=0)
    assert timed == {symbol: len(seconds) for symbol, seconds in again.calls.items()}
    assert all(simulated.calls[symbol] >= count for symbol, count in timed.items())
    assert timed["nvmlDeviceGetUtilizationRates"] == 3
    assert timed["nvmlDeviceGetComputeRunningProcesses_v3"] >= 3, "everything is read each time"


def test_values_that_are_read_every_few_seconds_are_not_part_of_each_sample(simulated: Simulation) -> None:
    with timed_driver(simulated) as library:
        DriverSource().read()
        costs = sample_costs(library, 0, samples=10, step=1, pause=0)
    assert len(costs.calls["nvmlDeviceGetUtilizationRates"]) == 10
    assert len(costs.calls["nvmlDeviceGetPowerManagementLimit"]) == 2


def test_the_table_has_a_row_for_each_function_and_one_for_the_sample(simulated: Simulation) -> None:
    with timed_driver(simulated) as library:
        DriverSource().read()
        costs = sample_costs(library, 0, samples=2, step=6, pause=0)
    lines = costs.table().splitlines()
    assert len(lines) == 2 + len(costs.calls) + 1
    assert {line.count("|") for line in lines} == {5}


def test_the_previous_library_is_in_use_again_afterwards(simulated: Simulation) -> None:
    with simulated:
        with timed_driver(simulated) as library:
            DriverSource().read()
            assert library.seconds
        library.seconds.clear()
        DriverSource().read()
        assert not library.seconds
