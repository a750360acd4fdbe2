"""Values that are read without demand."""

from __future__ import annotations

from agent.simulation import SimulatedProcess
from agent.sources.gpu.moment import Moment, Moments
from agent.sources.gpu.paces import SLOW_PACE, UNWATCHED_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

HISTORY = 10.0  # seconds between two samples in the background


def test_while_somebody_looks_everything_is_of_now() -> None:
    moments = Moments()

    assert [moments.at(now, watched=True) for now in (5.0, 6.0)] == [Moment(5, 5, 5), Moment(6, 6, 6)]


def test_while_nobody_looks_verdicts_have_a_minute_and_details_stand() -> None:
    moments = Moments()

    assert moments.at(5.0, watched=False) == Moment(5, 5, 5), "the first is for everybody"
    assert moments.at(15.0, watched=False) == Moment(15, 5, 5)
    assert moments.at(65.0, watched=False) == Moment(65, 65, 5)
    assert moments.at(75.0, watched=True) == Moment(75, 75, 75)


def in_the_background(one: OneGpu, samples: int) -> dict[str, int]:
    """NVML calls of that many samples that nobody wants to see."""
    before = one.simulation.calls.copy()
    for _ in range(samples):
        one.clock.now += HISTORY
        one.source.read(watched=False)
    return dict(one.simulation.calls - before)


def test_what_ten_minutes_cost_while_nobody_looks() -> None:
    """What history shows, who holds the GPU, whether it idles; and the errors once a minute."""
    with one_gpu() as one:
        one.gpu.fix(gpu_utilization=50)
        one.gpu.processes = [SimulatedProcess(100, "C", 2**30, sm_utilization=40)]
        one.read()
        one.read(after=1)

        assert in_the_background(one, 60) == {
            # each sample
            "nvmlDeviceGetMemoryInfo_v2": 60,
            "nvmlDeviceGetUtilizationRates": 60,
            "nvmlDeviceGetTemperatureV": 60,
            "nvmlDeviceGetPowerUsage": 60,
            "nvmlDeviceGetClockInfo": 2 * 60,
            "nvmlDeviceGetCurrentClocksEventReasons": 60,
            "nvmlGpmSampleGet": 60,
            "nvmlGpmMetricsGet": 60,
            "nvmlDeviceGetComputeRunningProcesses_v3": 2 * 60,
            "nvmlDeviceGetGraphicsRunningProcesses_v3": 60,
            "nvmlDeviceGetMPSComputeRunningProcesses_v3": 60,
            "nvmlDeviceGetProcessUtilization": 60,
            # bytes of PCIe and the state of links each time; once a minute their number, their speed, what
            # slowed the clocks, and what the driver wants done
            "nvmlDeviceGetFieldValues": 2 * 60 + 4 * 10,
            # each minute
            "nvmlDeviceGetPerformanceState": 10,
            "nvmlDeviceGetCurrPcieLinkGeneration": 10,
            "nvmlDeviceGetCurrPcieLinkWidth": 10,
            "nvmlDeviceGetPcieReplayCounter": 10,
            "nvmlDeviceGetMigMode": 10,
            "nvmlDeviceGetGpuFabricInfoV": 10,
            "nvmlDeviceGetEccMode": 10,
            "nvmlDeviceGetTotalEccErrors": 4 * 10,
            "nvmlDeviceGetMemoryErrorCounter": 4 * 10,
            "nvmlDeviceGetSramEccErrorStatus": 10,
            "nvmlDeviceGetRetiredPages": 2 * 10,
            "nvmlDeviceGetRetiredPagesPendingStatus": 10,
            "nvmlDeviceGetRemappedRows": 10,
            "nvmlDeviceGetRowRemapperHistogram": 10,
            "nvmlDeviceGetUnrepairableMemoryFlag_v1": 10,
            "nvmlDeviceGetRepairStatus": 10,
            # every five minutes
            "nvmlDeviceGetNumFans": 2,
            "nvmlDeviceGetFanSpeed": 2,
            "nvmlDeviceGetFanSpeedRPM": 2,
        }


def test_a_gpu_that_runs_no_kernel_is_asked_whether_it_encodes() -> None:
    """Then it is not idle, though nobody looks."""
    with one_gpu() as one:
        one.gpu.fix(gpu_utilization=0, encoder_utilization=0)
        one.read()
        one.gpu.fix(gpu_utilization=0, encoder_utilization=30)
        one.clock.now += HISTORY

        assert one.source.read(watched=False).engines.encoder_percent == 30


def test_who_looks_again_sees_nothing_old() -> None:
    with one_gpu() as one:
        one.gpu.fix(power_limit=700_000)
        one.read()
        one.gpu.fix(power_limit=500_000)
        in_the_background(one, 3)

        assert one.read(after=SLOW_PACE).power.limit_watts == 500.0


def test_an_error_count_is_read_within_a_minute_though_nobody_looks() -> None:
    with one_gpu() as one:
        one.read()
        one.gpu.error_counters.remapping_pending = 1
        one.clock.now += UNWATCHED_PACE

        assert one.source.read(watched=False).memory_errors.remapping_pending


def test_processes_of_mig_devices_are_listed_in_every_sample() -> None:
    with one_gpu() as one:
        one.gpu.enable_mig("1g.10gb")
        one.read()
        one.gpu.processes = [SimulatedProcess(100, "C", 2**30, mig_index=0)]
        one.clock.now += HISTORY

        assert [process.pid for process in one.source.read(watched=False).processes or ()] == [100]


def test_who_comes_just_after_a_sample_in_the_background_sees_no_link_as_it_was_an_hour_ago() -> None:
    with one_gpu() as one:
        one.gpu.error_counters.nvlink_errors = {(3, 2): 6}
        one.read()
        in_the_background(one, 360)
        one.gpu.error_counters.nvlink_errors = {(3, 2): 8}
        one.read(after=SLOW_PACE - 2)
        link = (one.source.read().nvlink.links or ())[3]

    assert link.crc_flit_errors == 8
