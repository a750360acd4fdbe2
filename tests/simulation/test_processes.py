"""Process lists as from a driver: sizes first, then contents, with possible changes between the two."""

from __future__ import annotations

import os
import time

import pynvml
import pytest
from nvitop import NA, Device, GpuProcess

from agent.simulation import SimulatedProcess, Simulation


def test_an_idle_gpu_has_no_processes() -> None:
    with Simulation(4):
        assert Device(3).processes() == {}


def test_nvitop_reads_the_assigned_processes() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [
            SimulatedProcess(os.getpid(), "C+G", 7 * 2**30, 61, 22, 3, 4),
            SimulatedProcess(os.getppid(), "G", None),
        ]
        processes = Device(0).processes()

        own = processes[os.getpid()]
        assert (own.type, own.gpu_memory()) == ("C+G", 7 * 2**30)
        assert own.gpu_sm_utilization() == 61
        assert own.gpu_memory_utilization() == 22
        assert own.gpu_encoder_utilization() == 3
        assert own.gpu_decoder_utilization() == 4
        assert (processes[os.getppid()].type, processes[os.getppid()].gpu_memory()) == ("G", NA)


def test_a_vanished_process_is_listed_without_host_values() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(2**22 + 1, "C", 2**20)]
        (snapshot,) = GpuProcess.take_snapshots(Device(0).processes().values(), failsafe=True)

        assert (snapshot.gpu_memory, snapshot.username) == (2**20, NA)


def test_process_utilization_is_reported_once_per_sampling_period() -> None:
    with Simulation(1, wall_clock=lambda: 1_700_000_000.0) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(1, sm_utilization=40), SimulatedProcess(2)]
        handle = Device(0).handle
        (sample,) = pynvml.nvmlDeviceGetProcessUtilization(handle, 0)

        assert (sample.pid, sample.smUtil, sample.timeStamp) == (1, 40, 1_700_000_000_000_000)
        with pytest.raises(pynvml.NVMLError_NotFound):
            pynvml.nvmlDeviceGetProcessUtilization(handle, sample.timeStamp)


def test_the_newer_utilization_function_reports_the_same() -> None:
    with Simulation(1, wall_clock=lambda: 1_700_000_000.0) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(1, "C", 0, 40, 30, 20, 10), SimulatedProcess(2)]
        handle = Device(0).handle
        (older,) = pynvml.nvmlDeviceGetProcessUtilization(handle, 0)
        (newer,) = pynvml.nvmlDeviceGetProcessesUtilizationInfo(handle, 0)

        fields = ("pid", "timeStamp", "smUtil", "memUtil", "encUtil", "decUtil")
        assert [getattr(newer, name) for name in fields] == [getattr(older, name) for name in fields]
        assert (newer.smUtil, newer.memUtil, newer.encUtil, newer.decUtil) == (40, 30, 20, 10)
        with pytest.raises(pynvml.NVMLError_NotFound):
            pynvml.nvmlDeviceGetProcessesUtilizationInfo(handle, newer.timeStamp)


def test_a_driver_before_r550_lacks_the_newer_utilization_function() -> None:
    with Simulation(1) as simulation:
        simulation.set_driver_generation("r535")

        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetProcessesUtilizationInfo(Device(0).handle, 0)


def test_process_samples_have_wall_clock_times() -> None:
    with Simulation(1):
        (sample,) = pynvml.nvmlDeviceGetProcessUtilization(Device(0).handle, 0)

        assert 0 <= time.time() - sample.timeStamp / 1e6 < 2


def test_without_busy_processes_there_are_no_samples() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(1)]

        with pytest.raises(pynvml.NVMLError_NotFound):
            pynvml.nvmlDeviceGetProcessUtilization(Device(0).handle, 0)


def test_a_list_that_grows_much_between_two_calls_has_insufficient_size() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(1)]
        simulation.gpus[0].churn = lambda processes: [
            *processes,
            *(SimulatedProcess(n) for n in range(2, 12)),
        ]

        with pytest.raises(pynvml.NVMLError_InsufficientSize):
            pynvml.nvmlDeviceGetComputeRunningProcesses_v3(Device(0).handle)


def test_churn_shrinks_and_grows_lists_in_turn() -> None:
    with Simulation(1) as simulation:
        gpu = simulation.gpus[0]
        gpu.processes = [SimulatedProcess(1), SimulatedProcess(2)]
        gpu.churn = True
        handle = Device(0).handle

        assert len(pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)) == 3
        with pytest.raises(pynvml.NVMLError_InsufficientSize):
            pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
        assert len(pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)) == 1


def test_the_detail_list_has_every_kind_of_process() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(1, "C", 5), SimulatedProcess(2, "G", 6)]
        details = pynvml.nvmlDeviceGetRunningProcessDetailList(
            Device(0).handle, pynvml.nvmlProcessDetailList_v1, pynvml.NVML_PROCESS_MODE_ALL
        )

        assert [(one.pid, one.usedGpuMemory) for one in details] == [(1, 5), (2, 6)]
