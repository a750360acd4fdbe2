"""Values that are read while nobody watches."""

from __future__ import annotations

from agent.simulation import SimulatedProcess
from agent.sources.gpu.moment import Moment, Moments
from agent.sources.gpu.paces import SLOW_PACE, UNWATCHED_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

HISTORY = 10.0  # seconds between two samples in the background


def test_while_watched_every_value_is_current() -> None:
    moments = Moments()

    assert [moments.at(now, watched=True) for now in (5.0, 6.0)] == [Moment(5, 5, 5), Moment(6, 6, 6)]


def test_while_unwatched_verdict_values_are_read_once_a_minute_and_details_never() -> None:
    moments = Moments()

    assert moments.at(5.0, watched=False) == Moment(5, 5, 5), "the first is for everybody"
    assert moments.at(15.0, watched=False) == Moment(15, 5, 5)
    assert moments.at(65.0, watched=False) == Moment(65, 65, 5)
    assert moments.at(75.0, watched=True) == Moment(75, 75, 75)


def in_the_background(one: OneGpu, samples: int) -> dict[str, int]:
    """NVML calls in this many samples that nobody watches."""
    before = one.simulation.calls.copy()
    for _ in range(samples):
        one.clock.now += HISTORY
        one.source.read(watched=False)
    return dict(one.simulation.calls - before)


def test_ten_minutes_without_viewers_take_the_expected_nvml_calls() -> None:
    """The values of the history, the processes and the idleness in each sample; the errors once a minute."""
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
            # PCIe bytes and link states in each sample; once a minute the number and speed of links, what
            # slowed the clocks, and the recovery action
            "nvmlDeviceGetFieldValues": 2 * 60 + 4 * 10,
            # each minute
            "nvmlDeviceGetPerformanceState": 10,
            "nvmlDeviceGetMarginTemperature": 10,
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


def test_the_encoder_of_an_unwatched_gpu_without_kernels_is_read() -> None:
    """A GPU that encodes is not idle."""
    with one_gpu() as one:
        one.gpu.fix(gpu_utilization=0, encoder_utilization=0)
        one.read()
        one.gpu.fix(gpu_utilization=0, encoder_utilization=30)
        one.clock.now += HISTORY

        assert one.source.read(watched=False).engines.encoder_percent == 30


def test_a_new_viewer_sees_no_outdated_value() -> None:
    with one_gpu() as one:
        one.gpu.fix(power_limit=700_000)
        one.read()
        one.gpu.fix(power_limit=500_000)
        in_the_background(one, 3)

        assert one.read(after=SLOW_PACE).power.limit_watts == 500.0


def test_an_error_count_is_read_within_a_minute_without_viewers() -> None:
    with one_gpu() as one:
        one.read()
        one.gpu.error_counters.remapping_pending = 1
        one.clock.now += UNWATCHED_PACE

        assert one.source.read(watched=False).memory_errors.remapping_pending


def test_the_thermal_margin_is_read_within_a_minute_without_viewers() -> None:
    """A finding needs to know how long it has been too low."""
    with one_gpu() as one:
        one.gpu.fix(temperature_margin=-3)
        one.read()
        one.gpu.fix(temperature_margin=20)
        one.clock.now += UNWATCHED_PACE

        assert one.source.read(watched=False).thermal.margin_celsius == 20


def test_processes_of_mig_devices_are_listed_in_every_unwatched_sample() -> None:
    with one_gpu() as one:
        one.gpu.enable_mig("1g.10gb")
        one.read()
        one.gpu.processes = [SimulatedProcess(100, "C", 2**30, mig_index=0)]
        one.clock.now += HISTORY

        assert [process.pid for process in one.source.read(watched=False).processes or ()] == [100]


def test_a_viewer_just_after_an_unwatched_sample_sees_current_link_errors() -> None:
    with one_gpu() as one:
        one.gpu.error_counters.nvlink_errors = {(3, 2): 6}
        one.read()
        in_the_background(one, 360)
        one.gpu.error_counters.nvlink_errors = {(3, 2): 8}
        one.read(after=SLOW_PACE - 2)
        link = (one.source.read().nvlink.links or ())[3]

    assert link.crc_flit_errors == 8
