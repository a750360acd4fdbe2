"""PCIe links: a link that is slow by design is no finding, a degraded link is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.derive.pcie import max_bandwidth_mbps, utilization_percent
from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.views.gpu.pcie import pcie_view
from agent.views.prometheus.pcie import GAUGES
from tests.faults.false_alarms import JudgedGpus, judged

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = {"pcie_generation": 1, "gpu_utilization": 0, "performance_state": 8}
BUSY = {"pcie_generation": 4, "gpu_utilization": 97, "performance_state": 2}
NO_FINDING: list[str] = []
SLOW_LINK = ["pcie_degraded"]


def width_of(judged: JudgedGpus) -> int | None:
    """The lanes of GPU 0, which /gpu and the metric report alike."""
    reading = judged.samples[0].reading
    assert reading is not None
    view = pcie_view(reading)
    metric = next(value for name, _, value in GAUGES if name == "pcie_max_width")
    assert metric(reading) == view.width
    assert view.max_bandwidth_mbps == max_bandwidth_mbps(reading.pcie.max_generation, view.width)
    assert (utilization_percent(reading) is None) == (
        view.width is None or view.total_throughput_mbps is None
    )
    return view.width


# An idle link


@pytest.mark.parametrize("late", [1.0, 2.0, 3.0, 4.0])
def test_work_that_begins_between_two_readings_of_an_idle_link_is_no_finding(late: float) -> None:
    with judged(model="rtx4090", **IDLE) as one:
        assert one.names_of_first(0, 5, late) == [NO_FINDING, NO_FINDING, NO_FINDING]
        one.gpus[0].fix(**BUSY)

        assert one.names_of_first(*[1.0] * 30) == [NO_FINDING] * 30


def test_a_link_read_once_before_it_leaves_its_idle_speed_is_no_finding() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_generation=1)
        assert one.names_of_first(0) == [NO_FINDING]
        one.gpus[0].fix(**BUSY)

        assert one.names_of_first(*[1.0] * 10) == [NO_FINDING] * 10


def test_bursts_of_work_with_pauses_between_are_no_finding() -> None:
    with judged(model="rtx4090") as one:
        for _ in range(10):
            one.gpus[0].fix(pcie_generation=1, gpu_utilization=97, performance_state=0)
            assert one.names_of_first(SLOW_PACE) == [NO_FINDING]
            one.gpus[0].fix(**IDLE)
            assert one.names_of_first(SLOW_PACE) == [NO_FINDING]


def test_a_slow_link_is_a_finding_at_its_second_reading_until_the_first_good_one() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_generation=2)
        assert one.names_of_first(0, 1, 1, 1, 1) == [NO_FINDING] * 5
        (found,) = one.findings(1)[0]
        assert found.what == "PCIe generation 2 x16 under load, instead of 4 x16"

        one.gpus[0].fix(**IDLE)
        assert one.names_of_first(1, 1, 1, 1) == [SLOW_LINK] * 4, "the link is judged by its own samples only"
        assert one.names_of_first(1) == [NO_FINDING]


def test_a_failed_reading_in_between_does_not_count_as_a_second_slow_one() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_generation=2)
        for symbol in ("nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetPerformanceState"):
            assert one.names_of_first(SLOW_PACE)[0] == NO_FINDING
            one.gpus[0].fail(symbol, NvmlReturn.UNKNOWN, times=1)
            assert one.names_of_first(SLOW_PACE)[0] == NO_FINDING

        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [NO_FINDING, SLOW_LINK]


def test_after_a_new_contact_the_slow_readings_are_counted_again() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_generation=2)
        one.names(0)
        one.sources[0].release()

        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [NO_FINDING, SLOW_LINK]


def test_a_slow_link_with_an_unknown_generation_is_reported_by_its_width() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_width=8, pcie_generation=None)
        one.names(0)

        assert [found.what for found in one.findings(SLOW_PACE)[0]] == ["PCIe x8 under load, instead of x16"]


# Lanes


def by_flag(one: JudgedGpus) -> None:
    one.simulation.has_hypervisor = True


def by_passthrough(one: JudgedGpus) -> None:
    one.gpus[0].virtualization_mode = 1


def by_vgpu(one: JudgedGpus) -> None:
    one.gpus[0].virtualization_mode = 2


def by_unknown_port(one: JudgedGpus) -> None:
    one.gpus[0].port_width = None


def by_unknown_card(one: JudgedGpus) -> None:
    one.gpus[0].fix(pcie_max_width=None)


@pytest.mark.parametrize("hide", [by_flag, by_passthrough, by_vgpu, by_unknown_port, by_unknown_card])
def test_a_cloud_gpu_at_8_of_16_lanes_is_no_finding(hide: Callable[[JudgedGpus], None]) -> None:
    with judged(model="rtx4090", **IDLE) as one:
        one.gpus[0].fix(pcie_width=8)
        hide(one)
        assert one.names_of_first(0, 5) == [NO_FINDING, NO_FINDING]
        assert width_of(one) is None, "unknown while idle"

        one.gpus[0].fix(**BUSY)
        assert one.names_of_first(*[SLOW_PACE] * 5) == [NO_FINDING] * 5
        assert width_of(one) == 8
        one.gpus[0].fix(**IDLE)
        one.names(SLOW_PACE)
        assert width_of(one) == 8, "the width is remembered"


@pytest.mark.parametrize("hide", [by_flag, by_passthrough, by_vgpu, by_unknown_port, by_unknown_card])
def test_a_cloud_gpu_that_falls_from_16_to_8_lanes_is_a_finding(hide: Callable[[JudgedGpus], None]) -> None:
    with judged(model="rtx4090", **BUSY) as one:
        hide(one)
        assert one.names_of_first(0, 5) == [NO_FINDING, NO_FINDING]
        one.gpus[0].fix(pcie_width=8)

        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [NO_FINDING, SLOW_LINK]
        assert width_of(one) == 16


def test_the_lanes_of_a_card_are_remembered_after_a_new_contact_for_this_card_only() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        by_flag(one)
        one.names(0)
        one.gpus[0].fix(pcie_width=8)
        one.sources[0].release()
        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [NO_FINDING, SLOW_LINK]

        one.gpus[0].fix(uuid="GPU-another")
        one.sources[0].release()
        assert one.names_of_first(*[SLOW_PACE] * 3) == [NO_FINDING] * 3
        assert width_of(one) == 8


@pytest.mark.parametrize("mode", [0, 3, 4], ids=["none", "the host of vGPUs", "the host of a vSGA"])
def test_a_card_of_16_lanes_in_a_slot_of_8_is_no_finding(mode: int) -> None:
    with judged(model="rtx4090", **IDLE) as one:
        one.gpus[0].virtualization_mode = mode
        one.gpus[0].port_width = 8
        one.gpus[0].fix(pcie_width=8)
        one.names(0)
        assert width_of(one) == 8, "also while idle"

        one.gpus[0].fix(**BUSY)
        assert one.names_of_first(*[SLOW_PACE] * 5) == [NO_FINDING] * 5
        one.gpus[0].fix(pcie_width=4)
        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [NO_FINDING, SLOW_LINK]


def test_a_card_of_8_lanes_in_a_slot_of_16_is_no_finding() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_width=8, pcie_max_width=8)

        assert one.names_of_first(*[SLOW_PACE] * 5) == [NO_FINDING] * 5
        assert width_of(one) == 8


def test_a_link_with_8_of_16_possible_lanes_is_a_finding_from_the_start() -> None:
    with judged(model="rtx4090", **BUSY) as one:
        one.gpus[0].fix(pcie_width=8)

        assert one.names_of_first(0, SLOW_PACE) == [NO_FINDING, SLOW_LINK]


def test_the_pcie_port_is_read_rarely() -> None:
    with judged(model="rtx4090") as one:
        one.names_of_first(*[1.0] * (int(FIXED_PACE) + 1))

        assert one.simulation.calls["nvmlDeviceGetVirtualizationMode"] == 2
