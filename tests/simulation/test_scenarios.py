"""Each scenario does what its description says, at the documented times."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pynvml
import pytest
from nvitop import NA, Device, libnvml

from agent.simulation import SCENARIOS, Simulation


def simulated(scenario: str, gpus: int = 3) -> tuple[SimpleNamespace, Simulation]:
    """A simulation, and its clock in seconds since the start, which the test sets."""
    at = SimpleNamespace(seconds=0.0)
    return at, Simulation(gpus, scenario=scenario, clock=lambda: at.seconds, pcie_window_seconds=0)


def test_an_unknown_scenario_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(ValueError, match=r"'quiet' is no scenario; accepted are healthy, lost, .*old-driver"):
        Simulation(1, scenario="quiet")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_works_with_a_single_gpu(name: str) -> None:
    at, simulation = simulated(name, gpus=1)
    with simulation:
        for at.seconds in (0.0, 31.0, 61.0, 1e6):
            simulation.advance()
            assert simulation.scenario.description.endswith(".")


def test_healthy_has_no_fault() -> None:
    _, simulation = simulated("healthy")
    with simulation:
        devices = Device.all()
        assert devices
        assert all(device.gpu_utilization() is not NA for device in devices)


def test_lost_loses_gpu_1_every_other_half_minute() -> None:
    at, simulation = simulated("lost")
    lost = []
    with simulation:
        devices = Device.all()
        for at.seconds in (0, 29, 30, 59, 60, 89, 90, 615, 645):
            lost.append(devices[1].temperature() is NA)
            assert devices[0].temperature() is not NA

    assert lost == [False, False, True, True, False, False, True, False, True]


def test_hang_blocks_calls_on_gpu_1_from_second_20_to_80() -> None:
    at, simulation = simulated("hang")
    with simulation:
        devices = Device.all()
        assert devices[1].temperature() > 0
        at.seconds = 20.0
        call = threading.Thread(target=devices[1].temperature, daemon=True)
        call.start()
        assert simulation.gpus[1].wait_until_blocked()
        assert devices[0].temperature() > 0

        at.seconds = 80.0  # there is no other call: the hung call itself notices the end

        call.join(5)
        assert not call.is_alive()
        assert devices[1].temperature() > 0


def test_missing_functions_are_missing() -> None:
    _, simulation = simulated("missing-functions")
    with simulation, pytest.raises(pynvml.NVMLError_FunctionNotFound):
        pynvml.nvmlDeviceGetFanSpeed(Device(0).handle)


def test_permission_denied_affects_gpu_1_only() -> None:
    _, simulation = simulated("permission-denied")
    with simulation:
        assert Device(0).temperature() > 0
        with pytest.raises(pynvml.NVMLError_NoPermission):
            Device(1)


def test_not_supported_leaves_the_other_values() -> None:
    _, simulation = simulated("not-supported")
    with simulation:
        assert Device(0).gpu_utilization() is NA
        assert Device(0).power_usage() is NA
        assert Device(0).temperature() > 0


def test_no_driver_ends_after_half_a_minute() -> None:
    at, simulation = simulated("no-driver")
    with simulation:
        with pytest.raises(pynvml.NVMLError_LibraryNotFound):
            Device.count()

        at.seconds = 30.0

        assert Device.count() == 3


def test_driver_mismatch_never_ends() -> None:
    at, simulation = simulated("driver-mismatch")
    with simulation:
        at.seconds = 1e5
        with pytest.raises(pynvml.NVMLError_LibRmVersionMismatch):
            Device.count()


def test_slow_takes_time_for_each_call_and_has_no_pcie_counters() -> None:
    _, simulation = simulated("slow")
    with simulation:
        assert simulation.call_seconds == 0.001
        assert libnvml.nvmlQueryFieldValues(Device(0).handle, [197])[0][0] is NA
        assert Device(0).pcie_tx_throughput() is not NA


def test_mig_partitions_every_other_gpu() -> None:
    _, simulation = simulated("mig")
    with simulation:
        assert [len(device.mig_devices()) for device in Device.all()] == [4, 0, 4]


def test_unified_memory_reports_no_memory() -> None:
    _, simulation = simulated("unified-memory")
    with simulation:
        assert Device(0).name() == "NVIDIA GB10"
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetMemoryInfo(Device(0).handle)


def test_old_driver_is_read_by_its_old_functions() -> None:
    _, simulation = simulated("old-driver")
    with simulation:
        Device(0).processes()

        assert simulation.calls["nvmlDeviceGetComputeRunningProcesses_v2"] == 2


def test_churn_changes_lists_between_two_calls() -> None:
    _, simulation = simulated("churn")
    with simulation:
        listed = {pid for _ in range(4) for pid in Device(0).processes()}

        assert listed > {process.pid for process in simulation.gpus[0].processes}


def test_mixed_models_has_all_models() -> None:
    _, simulation = simulated("mixed-models", gpus=5)
    with simulation:
        assert len({device.name() for device in Device.all()}) == 5


def test_requested_models_take_precedence_over_those_of_a_scenario() -> None:
    simulation = Simulation(2, models=["k80"], scenario="mixed-models")

    assert [gpu.model.name for gpu in simulation.gpus] == ["Tesla K80", "Tesla K80"]


def test_ghost_shows_load_without_a_process_and_hides_work_from_the_older_function() -> None:
    _, simulation = simulated("ghost")
    with simulation:
        ghost, busy = Device(1), Device(0)
        assert (ghost.gpu_utilization(), ghost.memory_used(), ghost.processes()) == (97, 0, {})
        with pytest.raises(pynvml.NVMLError_NotFound):
            pynvml.nvmlDeviceGetProcessUtilization(busy.handle, 0)
        assert pynvml.nvmlDeviceGetProcessesUtilizationInfo(busy.handle, 0)


def test_count_fails_once_fails_the_first_count_only() -> None:
    _, simulation = simulated("count-fails-once")
    with simulation:
        assert [Device.count(), Device.count()] == [0, 3]
