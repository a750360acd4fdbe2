"""nvidia-ml-py and nvitop use the simulated library like a real one, and it can be removed completely."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pynvml
import pytest
from nvitop import NA, Device, libnvml
from nvitop.api.libnvml import NVMLError

from agent.simulation import MODELS, NvmlReturn, SimulatedProcess, Simulation


def test_nvitop_sees_the_requested_gpus() -> None:
    with Simulation(3, models=["h100", "a100"]):
        names = [device.name() for device in Device.all()]

    assert names == ["NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3"]


def test_128_gpus_have_their_own_uuids_and_bus_ids() -> None:
    with Simulation(128):
        devices = Device.all()

        assert len({device.uuid() for device in devices}) == 128
        assert len({device.bus_id() for device in devices}) == 128


PCIE = {"pcie_rx_throughput", "pcie_rx_throughput_human", "pcie_tx_throughput", "pcie_tx_throughput_human"}
LACKING = {  # keys of nvitop's snapshot; a driver model is a matter of Windows
    "h100": {"current_driver_model", "fan_speed"},
    "a100": {"current_driver_model", "fan_speed"},
    "rtx4090": {"current_driver_model", "mig_mode", "total_volatile_uncorrected_ecc_errors"},
    # nvitop reports the memory of the host for a GPU without memory
    "gb10": PCIE
    | {"current_driver_model", "fan_speed", "mig_mode", "memory_clock", "power_limit"}
    | {"total_volatile_uncorrected_ecc_errors"},
    "k80": PCIE | {"current_driver_model", "fan_speed", "mig_mode", "power_limit"},
}


@pytest.mark.parametrize("model", MODELS)
def test_a_snapshot_of_each_model_lacks_only_what_the_real_gpu_lacks(model: str) -> None:
    with Simulation(1, models=[model], pcie_window_seconds=0):
        snapshot = Device(0).as_snapshot()
        missing = {key for key in Device.SNAPSHOT_KEYS if getattr(snapshot, key) is NA}

    assert missing == LACKING[model], "LACKING of tests/simulation/test_library.py"


def test_unified_memory_is_not_supported() -> None:
    with Simulation(1, models=["gb10"]):
        handle = Device(0).handle

        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetMemoryInfo(handle)


def test_handles_are_found_by_index_uuid_and_bus_id() -> None:
    with Simulation(4):
        device = Device(2)

        assert Device(uuid=device.uuid()).index == 2
        assert Device(bus_id=device.bus_id()).index == 2


def test_an_index_past_the_last_gpu_is_an_invalid_argument() -> None:
    with Simulation(2), pytest.raises(pynvml.NVMLError_InvalidArgument):
        Device(2)


def test_versions_are_reported_as_they_were_set() -> None:
    with Simulation(1) as simulation:
        simulation.driver_version, simulation.cuda_version, simulation.nvml_version = "1.2", 12020, "3.4"

        assert Device.driver_version() == "1.2"
        assert Device.cuda_driver_version() == "12.2"
        assert pynvml.nvmlSystemGetNVMLVersion() == "3.4"


def test_error_codes_have_texts() -> None:
    with Simulation(1):
        assert pynvml.nvmlErrorString(NvmlReturn.GPU_IS_LOST) == "Gpu is lost"
        assert pynvml.nvmlErrorString(12345) == "Unknown Error"


def test_calls_are_counted_by_symbol() -> None:
    with Simulation(1) as simulation:
        device = Device(0)
        simulation.reset_calls()
        device.temperature()
        device.temperature()

        assert simulation.calls == {"nvmlDeviceGetTemperatureV": 2}
        assert simulation.total_calls == 2


def test_each_call_takes_the_requested_time() -> None:
    with Simulation(1, call_seconds=0.002) as simulation:
        started = time.perf_counter()
        device = Device(0)
        device.temperature()

        assert time.perf_counter() - started >= 0.002 * simulation.total_calls


def test_pcie_throughput_takes_the_time_of_its_window() -> None:
    with Simulation(1, pcie_window_seconds=0.005):
        device = Device(0)
        started = time.perf_counter()
        device.pcie_tx_throughput()

        assert time.perf_counter() - started >= 0.005


def test_throughput_directions_are_not_mixed_up() -> None:
    with Simulation(1, pcie_window_seconds=0) as simulation:
        simulation.gpus[0].fix(pcie_tx=111, pcie_rx=222)

        assert (Device(0).pcie_tx_throughput(), Device(0).pcie_rx_throughput()) == (111, 222)


def test_uninstalling_restores_pynvml_and_nvitop() -> None:
    before = dict(vars(pynvml)), dict(vars(libnvml)), dict(pynvml._nvmlGetFunctionPointer_cache)  # noqa: SLF001, this private state is what is restored
    unknown_functions = dict(libnvml.UNKNOWN_FUNCTIONS)

    with Simulation(1) as simulation:
        simulation.remove_function("nvmlDeviceGetFanSpeed")
        Device(0).as_snapshot()
        assert pynvml.nvmlLib is simulation

    for name in ("nvmlLib", "_nvmlLib_refcount"):
        assert vars(pynvml)[name] is before[0][name]
    for name in ("__flags", "__initialized", "__get_memory_info_version_suffix", "__active_queries"):
        assert vars(libnvml)[name] == before[1][name]
    assert pynvml._nvmlGetFunctionPointer_cache == before[2]  # noqa: SLF001, as above
    assert unknown_functions == libnvml.UNKNOWN_FUNCTIONS


def test_simulations_can_be_nested() -> None:
    with Simulation(1):
        assert Device.count() == 1
        with Simulation(5):
            assert Device.count() == 5
        assert Device.count() == 1


def test_a_simulation_is_installed_only_once() -> None:
    with Simulation(1) as simulation, pytest.raises(RuntimeError, match="installed already"):
        simulation.install()


def test_a_process_with_a_simulation_exits_cleanly() -> None:
    code = "from agent.simulation import Simulation; import nvitop; Simulation(1).install(); nvitop.Device(0)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)  # noqa: S603, our own interpreter and text

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"gpus": 0}, "0 GPUs cannot be simulated; 1 to 128 can."),
        ({"gpus": 129}, "129 GPUs cannot be simulated; 1 to 128 can."),
        ({"models": ["h200"]}, "'h200' is no GPU model; accepted are h100, a100, rtx4090, gb10, k80."),
        ({"models": []}, "an empty list is no GPU model; accepted are h100, a100, rtx4090, gb10, k80."),
    ],
    ids=["none", "too many", "unknown model", "no model"],
)
def test_wrong_arguments_are_reported_in_one_sentence(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"accepted|can") as refusal:
        Simulation(**arguments)  # type: ignore[arg-type]  # wrong on purpose

    assert str(refusal.value) == sentence


def test_gpm_metrics_come_from_two_samples() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(sm_activity=64.25, dram_activity=12.5)
        handle = Device(0).handle
        assert pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice == 1
        request = pynvml.c_nvmlGpmMetricsGet_t()
        request.version, request.numMetrics = pynvml.NVML_GPM_METRICS_GET_VERSION, 3
        request.sample1 = pynvml.nvmlGpmSampleGet(handle, pynvml.nvmlGpmSampleAlloc())
        request.sample2 = pynvml.nvmlGpmSampleGet(handle, pynvml.nvmlGpmSampleAlloc())
        for number, metric in enumerate((2, 10, 4)):
            request.metrics[number].metricId = metric

        pynvml.nvmlGpmMetricsGet(request)
        pynvml.nvmlGpmSampleFree(request.sample1)

        assert [request.metrics[number].value for number in range(2)] == [64.25, 12.5]
        assert request.metrics[2].nvmlReturn == NvmlReturn.NOT_SUPPORTED
        with pytest.raises(pynvml.NVMLError_InvalidArgument):
            pynvml.nvmlGpmSampleFree(request.sample1)


def test_gpm_is_not_supported_before_hopper() -> None:
    with Simulation(1, models=["a100"]):
        handle = Device(0).handle

        assert pynvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice == 0
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlGpmSampleGet(handle, pynvml.nvmlGpmSampleAlloc())


def test_fans_are_reported_in_percent_and_rpm() -> None:
    with Simulation(1, models=["rtx4090"]) as simulation:
        simulation.gpus[0].fix(fan_speed=55, fan_speed_rpm=1760)
        handle = Device(0).handle

        assert Device(0).fan_speed() == 55
        assert pynvml.nvmlDeviceGetNumFans(handle) == 2
        assert pynvml.nvmlDeviceGetFanSpeed_v2(handle, 1) == 55
        assert pynvml.nvmlDeviceGetFanSpeedRPM(handle) == 1760


def test_many_threads_can_call_at_the_same_time() -> None:
    with Simulation(8) as simulation:
        Device.count()
        handles = [Device(index).handle for index in range(8)]
        simulation.reset_calls()
        threads = [
            threading.Thread(target=lambda h=handle: [pynvml.nvmlDeviceGetPowerUsage(h) for _ in range(200)])
            for handle in handles
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert simulation.calls == {"nvmlDeviceGetPowerUsage": 1600}


def test_each_field_value_is_answered_separately() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(memory_temperature=71)
        values = libnvml.nvmlQueryFieldValues(Device(0).handle, [82, 93])

        assert [value for value, _ in values] == [71, NA]


def test_raw_pynvml_works_without_nvitop() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(memory_used=5 * 2**30)
        with pytest.raises(pynvml.NVMLError_Uninitialized):
            pynvml.nvmlDeviceGetCount()
        pynvml.nvmlInit()
        memory = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0), pynvml.nvmlMemory_v2)
        pynvml.nvmlShutdown()

        assert memory.used == 5 * 2**30
        with pytest.raises(NVMLError):
            pynvml.nvmlDeviceGetCount()


def test_a_process_list_can_be_assigned() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(1, "C", 1024)]

        assert [process.pid for process in Device(0).processes().values()] == [1]
