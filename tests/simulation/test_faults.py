"""Every fault of a real driver can be injected, shows in nvidia-ml-py and nvitop, and can be ended."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import pynvml
import pytest
from nvitop import NA, Device, libnvml

from agent.simulation import DRIVER_GENERATIONS, NvmlReturn, Simulation
from agent.sources import runtime_power

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # nvidia-ml-py carries no types


def in_thread(call: Callable[[], Any]) -> queue.Queue[Any]:
    """Start a call that may hang; the queue gets its result."""
    answers: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=lambda: answers.put(call()), daemon=True).start()
    return answers


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("absent", pynvml.NVMLError_LibraryNotFound),
        ("not_loaded", pynvml.NVMLError_DriverNotLoaded),
        ("mismatched", pynvml.NVMLError_LibRmVersionMismatch),
    ],
)
def test_without_a_driver_initialisation_fails_until_the_driver_is_restored(
    kind: Any, error: type[Exception]
) -> None:
    with Simulation(2) as simulation:
        simulation.remove_driver(kind)
        assert simulation.driver == kind
        with pytest.raises(error):
            libnvml.nvmlQuery("nvmlDeviceGetCount")

        simulation.restore_driver()

        assert Device.count() == 2


@pytest.mark.parametrize(("kind", "may_sleep"), [("not_loaded", False), ("mismatched", True)])
def test_gpus_may_sleep_while_the_driver_of_the_kernel_is_loaded(kind: Any, may_sleep: bool) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].runtime_status = "suspended"
        simulation.remove_driver(kind)
        assert (runtime_power.in_place.read() is not None) is may_sleep

        simulation.restore_driver()
        assert runtime_power.in_place.read() is not None


def test_a_driver_removed_while_in_use_leaves_nvml_uninitialised() -> None:
    with Simulation(1) as simulation:
        handle = Device(0).handle
        simulation.remove_driver("not_loaded")

        with pytest.raises(pynvml.NVMLError_Uninitialized):
            pynvml.nvmlDeviceGetPowerUsage(handle)
        with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
            pynvml.nvmlInit()


def test_an_unknown_kind_of_missing_driver_is_refused() -> None:
    with pytest.raises(ValueError, match="'gone': a driver can be absent, not_loaded, mismatched"):
        Simulation(1).remove_driver("gone")  # type: ignore[arg-type]  # wrong on purpose


def test_a_reloaded_driver_does_not_know_earlier_handles() -> None:
    with Simulation(1) as simulation:
        handle = Device(0).handle
        simulation.reload_driver()

        with pytest.raises(pynvml.NVMLError_Uninitialized):
            pynvml.nvmlDeviceGetPowerUsage(handle)
        pynvml.nvmlInit()
        with pytest.raises(pynvml.NVMLError_InvalidArgument):
            pynvml.nvmlDeviceGetPowerUsage(handle)
        assert Device(0).power_usage() > 0


def test_after_a_shutdown_of_nvml_nothing_is_reported_until_it_is_initialised() -> None:
    with Simulation(1) as simulation:
        device = Device(0)
        simulation.shutdown_nvml()

        assert device.temperature() is NA
        assert Device.count() == 0
        pynvml.nvmlInit()
        assert device.temperature() > 0


def test_a_lost_gpu_is_lost_for_every_call_until_it_is_restored() -> None:
    with Simulation(2) as simulation:
        device = Device(1)
        simulation.gpus[1].lose()

        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            pynvml.nvmlDeviceGetTemperatureV(device.handle, 0)
        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            pynvml.nvmlDeviceGetHandleByIndex(1)
        assert Device(1).name() == "ERROR: GPU is Lost"
        assert Device(0).temperature() > 0
        assert Device.count() == 2

        simulation.gpus[1].restore()

        assert device.temperature() > 0


def test_a_forbidden_gpu_refuses_even_its_handle() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].deny()

        with pytest.raises(pynvml.NVMLError_NoPermission):
            Device(1)
        assert Device.count() == 2

        simulation.gpus[1].permit()

        assert Device(1).temperature() > 0


def test_a_function_of_one_gpu_fails_the_requested_number_of_times() -> None:
    with Simulation(2) as simulation:
        first, second = Device(0), Device(1)
        simulation.gpus[0].fail("nvmlDeviceGetPowerUsage", NvmlReturn.UNKNOWN, times=2)

        assert [first.power_usage() is NA for _ in range(3)] == [True, True, False]
        assert second.power_usage() > 0


def test_a_failing_function_fails_until_it_is_healed() -> None:
    with Simulation(1) as simulation:
        device = Device(0)
        simulation.fail("nvmlDeviceGetPowerUsage", NvmlReturn.TIMEOUT)
        for _ in range(3):
            with pytest.raises(pynvml.NVMLError_Timeout):
                pynvml.nvmlDeviceGetPowerUsage(device.handle)

        simulation.heal("nvmlDeviceGetPowerUsage")

        assert device.power_usage() > 0


def test_an_unsupported_function_or_field_is_unsupported_on_its_gpu_only() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[0].unsupport("nvmlDeviceGetPowerUsage", pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES)

        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetPowerUsage(Device(0).handle)
        fields = [pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES]
        assert [value is NA for value, _ in libnvml.nvmlQueryFieldValues(Device(0).handle, fields)] == [
            True,
            False,
        ]
        assert Device(1).power_usage() > 0

        simulation.gpus[0].support("nvmlDeviceGetPowerUsage")

        assert Device(0).power_usage() > 0


def test_a_hung_gpu_does_not_block_the_others() -> None:
    with Simulation(2) as simulation:
        stuck, healthy = Device(0), Device(1)
        simulation.gpus[0].hang()

        answers = in_thread(stuck.temperature)

        assert simulation.gpus[0].wait_until_blocked()
        assert answers.empty()
        assert healthy.temperature() > 0

        simulation.gpus[0].release()

        assert answers.get(timeout=5) > 0
        assert simulation.gpus[0].blocked_calls == 0


def test_one_function_of_a_gpu_can_hang_alone() -> None:
    with Simulation(1) as simulation:
        device = Device(0)
        simulation.gpus[0].hang("nvmlDeviceGetPowerUsage")

        answers = in_thread(device.power_usage)

        assert simulation.gpus[0].wait_until_blocked()
        assert device.temperature() > 0
        simulation.gpus[0].release("nvmlDeviceGetPowerUsage")
        assert answers.get(timeout=5) > 0


def test_initialisation_can_hang() -> None:
    with Simulation(3) as simulation:
        simulation.hang("nvmlInitWithFlags")

        answers = in_thread(Device.count)

        assert simulation.wait_until_blocked()
        simulation.release("nvmlInitWithFlags")
        assert answers.get(timeout=5) == 3


def test_uninstalling_releases_hung_calls() -> None:
    with Simulation(1) as simulation:
        device = Device(0)
        simulation.gpus[0].hang()
        answers = in_thread(device.temperature)
        assert simulation.gpus[0].wait_until_blocked()

    assert answers.get(timeout=5) > 0


def test_a_missing_function_is_not_found_until_it_is_restored() -> None:
    with Simulation(1) as simulation:
        device = Device(0)
        assert device.power_usage() > 0
        simulation.remove_function("nvmlDeviceGetPowerUsage")
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetPowerUsage(device.handle)

        simulation.restore_function("nvmlDeviceGetPowerUsage")

        assert device.power_usage() > 0


def test_a_fault_of_an_unknown_function_is_refused() -> None:
    simulation = Simulation(1)
    for fault in (
        simulation.hang,
        simulation.remove_function,
        simulation.gpus[0].unsupport,
        lambda symbol: simulation.fail(symbol, NvmlReturn.UNKNOWN),
    ):
        with pytest.raises(ValueError, match="'nvmlDeviceGetPower' is not a simulated NVML function"):
            fault("nvmlDeviceGetPower")


PROCESS_SUFFIX = {"current": "_v3", "r575": "_v3", "r535": "_v3", "r470": "_v2", "r418": ""}


@pytest.mark.parametrize("generation", DRIVER_GENERATIONS)
def test_nvitop_reads_every_driver_generation(generation: str) -> None:
    with Simulation(1, pcie_window_seconds=0) as simulation:
        simulation.set_driver_generation(generation)
        simulation.gpus[0].fix(memory_used=3 * 2**30, memory_reserved=2**29, temperature=51)
        device = Device(0)
        snapshot = device.as_snapshot()
        processes = device.processes()

        reserved_counts_as_used = generation in {"r470", "r418"}
        assert snapshot.memory_used == 3 * 2**30 + (2**29 if reserved_counts_as_used else 0)
        assert snapshot.temperature == 51
        assert {process.pid for process in processes.values()} == {
            process.pid for process in simulation.gpus[0].processes
        }
        suffix = PROCESS_SUFFIX[generation]
        assert simulation.calls[f"nvmlDeviceGetComputeRunningProcesses{suffix}"] == 2
        assert Device.driver_version() == DRIVER_GENERATIONS[generation].driver_version
        assert not libnvml.UNKNOWN_FUNCTIONS or generation == "r418"


@pytest.mark.parametrize("generation", ["r535", "r470", "r418"])
def test_older_drivers_report_throttle_reasons_instead_of_event_reasons(generation: str) -> None:
    with Simulation(1) as simulation:
        simulation.set_driver_generation(generation)
        handle = Device(0).handle

        assert pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle) >= 0
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)


def test_older_drivers_do_not_count_pcie_bytes() -> None:
    with Simulation(1) as simulation:
        simulation.set_driver_generation("r470")

        assert libnvml.nvmlQueryFieldValues(Device(0).handle, [197])[0][0] is NA


def test_an_unknown_driver_generation_is_refused() -> None:
    with pytest.raises(
        ValueError, match="'r1' is no driver generation; accepted are current, r575, r535, r470, r418"
    ):
        Simulation(1).set_driver_generation("r1")


def test_a_vanished_gpu_is_lost_until_nvml_restarts_and_then_not_listed() -> None:
    with Simulation(3) as simulation:
        pynvml.nvmlInit()
        one, two = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (1, 2))
        uuid = pynvml.nvmlDeviceGetUUID(two)
        simulation.gpus[1].vanish()

        assert pynvml.nvmlDeviceGetCount() == 3
        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            pynvml.nvmlDeviceGetUUID(one)

        pynvml.nvmlShutdown()
        pynvml.nvmlInit()
        assert pynvml.nvmlDeviceGetCount() == 2
        moved = pynvml.nvmlDeviceGetHandleByIndex(1)
        assert (pynvml.nvmlDeviceGetUUID(moved), pynvml.nvmlDeviceGetIndex(moved)) == (uuid, 1)

        simulation.gpus[1].appear()
        assert pynvml.nvmlDeviceGetCount() == 2, "NVML keeps the count from its start"
        assert simulation.count_in_new_process() == 3
