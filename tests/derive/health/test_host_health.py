"""The verdict on the host: a line for each case of how many GPUs there are and should be."""

from __future__ import annotations

import pytest

from agent.derive.findings import HealthVerdict
from agent.derive.health import Health
from agent.derive.host_health import examine_host
from agent.readings import DriverReading, GpuCensus, GpuSample, GpuState, Snapshot
from agent.readings.kernel_log import KernelLogReading, NvSwitch, SxidCount

HEALTHY, WARNING, CRITICAL = HealthVerdict
HEALTHY_HOST, UNKNOWN_HOST = Health(HEALTHY), Health(None)


def host(count: int, expected: int = 0, seen: int | None = None, *, is_confirmed: bool = True) -> Health:
    census = GpuCensus(expected, count if seen is None else seen, is_confirmed)
    return examine_host(Snapshot(1.0, 1.0, driver=DriverReading(gpu_count=count), census=census))


@pytest.mark.parametrize(
    ("count", "expected", "seen", "verdict", "what"),
    [
        pytest.param(8, 8, 8, HEALTHY, None, id="all are present"),
        pytest.param(9, 8, 9, HEALTHY, None, id="more than expected"),
        pytest.param(3, 0, 3, HEALTHY, None, id="no number is expected"),
        pytest.param(0, 0, 0, HEALTHY, None, id="a host without a GPU"),
        pytest.param(7, 8, 7, CRITICAL, "1 of the 8 expected GPUs is missing", id="one missing"),
        pytest.param(0, 8, 0, CRITICAL, "8 of the 8 expected GPUs are missing", id="all missing"),
        pytest.param(7, 0, 8, WARNING, "1 of the 8 GPUs that were there is gone", id="one gone"),
        pytest.param(6, 4, 8, WARNING, "2 of the 8 GPUs that were there are gone", id="gone, but not missed"),
        pytest.param(0, 1, 0, CRITICAL, "The expected GPU is missing", id="the only one missing"),
        pytest.param(0, 0, 1, WARNING, "The GPU that was there is gone", id="the only one gone"),
        pytest.param(7, 8, 8, CRITICAL, "1 of the 8 expected GPUs is missing", id="missing and gone"),
    ],
)
def test_fewer_gpus_than_expected_are_critical_and_fewer_than_before_a_warning(
    count: int, expected: int, seen: int, verdict: HealthVerdict, what: str | None
) -> None:
    health = host(count, expected, seen)

    assert health.verdict is verdict
    assert [finding.what for finding in health.findings] == ([what] if what else [])
    assert all(finding.verdict is verdict and finding.todo for finding in health.findings)


@pytest.mark.parametrize("expected", [0, 8])
def test_an_unconfirmed_low_count_is_not_judged(expected: int) -> None:
    assert host(7, expected, 8, is_confirmed=False) == UNKNOWN_HOST


def test_a_sufficient_count_needs_no_confirmation() -> None:
    assert host(8, 8, is_confirmed=False) == HEALTHY_HOST


def test_an_entry_of_not_offered_that_matches_no_gpu_is_a_warning() -> None:
    there = Snapshot(1.0, 1.0, driver=DriverReading(gpu_count=8), not_offered=("7", "9"))
    health = examine_host(there)

    assert health.verdict is WARNING
    assert [finding.what for finding in health.findings] == [
        "NOT_OFFERED names 9, and the driver lists no such GPU"
    ]


@pytest.mark.parametrize(
    ("places", "what"),
    [
        (("0000:3b:00",), "the GPU at 0000:3b:00 fell off the bus, and the driver does not list it"),
        (
            ("0000:3b:00", "0000:d1:00"),
            "the GPUs at 0000:3b:00, 0000:d1:00 fell off the bus, and the driver does not list them",
        ),
    ],
)
def test_gpus_off_the_bus_come_before_less_grave_findings(places: tuple[str, ...], what: str) -> None:
    snapshot = Snapshot(
        1.0,
        1.0,
        driver=DriverReading(gpu_count=7),
        census=GpuCensus(0, 8),
        kernel_log=KernelLogReading(fallen=places),
    )

    assert [(finding.verdict, finding.what) for finding in examine_host(snapshot).findings] == [
        (CRITICAL, f"The kernel log reports that {what}"),
        (WARNING, "1 of the 8 GPUs that were there is gone"),
    ]


def test_a_lost_gpu_counts_as_present() -> None:
    lost = GpuSample(0, GpuState.LOST, error="The GPU is lost")
    snapshot = Snapshot(1.0, 1.0, driver=DriverReading(gpu_count=1), gpus=(lost,), census=GpuCensus(1, 1))

    assert examine_host(snapshot) == HEALTHY_HOST


@pytest.mark.parametrize(
    ("error", "expected", "names"),
    [
        pytest.param("No NVIDIA driver", 8, ["no_driver"], id="GPUs are expected"),
        pytest.param("No NVIDIA driver", 0, [], id="no GPU is expected"),
        pytest.param(None, 8, [], id="the driver has not answered yet"),
    ],
)
def test_without_a_driver_a_host_is_critical_or_unknown(
    error: str | None, expected: int, names: list[str]
) -> None:
    health = examine_host(Snapshot(1.0, 1.0, driver_error=error, census=GpuCensus(expected, 8)))

    assert [finding.name for finding in health.findings] == names
    assert health.verdict is (CRITICAL if names else None)


@pytest.mark.parametrize(("expected", "words"), [(1, "a GPU is expected"), (8, "8 GPUs are expected")])
def test_without_a_driver_the_finding_names_the_expected_gpus(expected: int, words: str) -> None:
    health = examine_host(Snapshot(1.0, 1.0, driver_error="No NVIDIA driver", census=GpuCensus(expected)))

    assert health.findings[0].what == f"The NVIDIA driver does not answer, and {words}"


@pytest.mark.parametrize(
    ("seen", "names"),
    [
        pytest.param(SxidCount(1, 100_000.0, True, None), ["sxid_20034"], id="now"),
        pytest.param(SxidCount(1, 100_000.0 - 86_400, True, None), ["sxid_20034"], id="a day ago"),
        pytest.param(SxidCount(1, 100_000.0 - 86_401, True, None), [], id="more than a day ago"),
        pytest.param(SxidCount(1, 100_000.0, True, None, was_reset=True), [], id="before its reset"),
        pytest.param(SxidCount(1, 100_000.0, False, None), [], id="not fatal"),
        pytest.param(SxidCount(1, 100_000.0, None, None), [], id="unknown whether fatal"),
    ],
)
def test_a_fatal_error_of_a_switch_is_critical_for_a_day(seen: SxidCount, names: list[str]) -> None:
    log = KernelLogReading(switches=(NvSwitch(0, "0000:c1:00", {20034: seen}),))
    driver, census = DriverReading(gpu_count=8), GpuCensus(8, 8)

    health = examine_host(Snapshot(100_000.0, 1.0, driver=driver, census=census, kernel_log=log))

    assert [finding.name for finding in health.findings] == names
    assert health.verdict is (CRITICAL if names else HEALTHY)
