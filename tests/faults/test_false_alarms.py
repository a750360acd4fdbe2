"""What is well by design stays well, and what has really got worse is found: links, lanes and fans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.derive.pcie import max_bandwidth_mbps, utilization_percent
from agent.readings import NVSWITCH
from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from tests.faults.false_alarms import JudgedGpus, judged

if TYPE_CHECKING:
    from collections.abc import Callable

RESTING = {"pcie_generation": 1, "gpu_utilization": 0, "performance_state": 8}
WORKING = {"pcie_generation": 4, "gpu_utilization": 97, "performance_state": 2}
WELL: list[str] = []
SLOW_LINK = ["pcie_degraded"]
HOT = {"temperature": 80}


def width_of(judged: JudgedGpus) -> int | None:
    """What the agent says of the lanes of GPU 0, by /gpu and by the metric alike."""
    from agent.views.gpu.pcie import pcie_view
    from agent.views.prometheus.pcie import GAUGES

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


# A resting link


@pytest.mark.parametrize("late", [1.0, 2.0, 3.0, 4.0])
def test_work_that_begins_between_two_readings_of_a_resting_link(late: float) -> None:
    with judged(model="rtx4090", **RESTING) as one:
        assert one.names_of_first(0, 5, late) == [WELL, WELL, WELL]
        one.gpus[0].fix(**WORKING)

        assert one.names_of_first(*[1.0] * 30) == [WELL] * 30


def test_a_link_that_is_read_once_before_it_leaves_its_resting_speed() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        one.gpus[0].fix(pcie_generation=1)
        assert one.names_of_first(0) == [WELL]
        one.gpus[0].fix(**WORKING)

        assert one.names_of_first(*[1.0] * 10) == [WELL] * 10


def test_work_in_bursts_whose_pauses_are_read_too() -> None:
    with judged(model="rtx4090") as one:
        for _ in range(10):
            one.gpus[0].fix(pcie_generation=1, gpu_utilization=97, performance_state=0)
            assert one.names_of_first(SLOW_PACE) == [WELL]
            one.gpus[0].fix(**RESTING)
            assert one.names_of_first(SLOW_PACE) == [WELL]


def test_a_link_that_stays_slow_is_found_at_its_second_reading_and_forgiven_at_the_first_good_one() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        one.gpus[0].fix(pcie_generation=2)
        assert one.names_of_first(0, 1, 1, 1, 1) == [WELL] * 5
        (found,) = one.findings(1)[0]
        assert found.what == "PCIe generation 2 x16 under load, instead of 4 x16"

        one.gpus[0].fix(**RESTING)
        assert one.names_of_first(1, 1, 1, 1) == [SLOW_LINK] * 4, "its own sample is what it is judged by"
        assert one.names_of_first(1) == [WELL]


def test_a_reading_that_fails_between_them_is_no_second_one() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        one.gpus[0].fix(pcie_generation=2)
        for symbol in ("nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetPerformanceState"):
            assert one.names_of_first(SLOW_PACE)[0] == WELL
            one.gpus[0].fail(symbol, NvmlReturn.UNKNOWN, times=1)
            assert one.names_of_first(SLOW_PACE)[0] == WELL

        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [WELL, SLOW_LINK]


def test_a_new_contact_begins_to_count_anew() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        one.gpus[0].fix(pcie_generation=2)
        one.names(0)
        one.sources[0].release()

        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [WELL, SLOW_LINK]


def test_what_was_slow_is_named_though_the_other_half_is_unknown() -> None:
    with judged(model="rtx4090", **WORKING) as one:
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
def test_a_cloud_gpu_at_8_of_16_lanes_is_well(hide: Callable[[JudgedGpus], None]) -> None:
    with judged(model="rtx4090", **RESTING) as one:
        one.gpus[0].fix(pcie_width=8)
        hide(one)
        assert one.names_of_first(0, 5) == [WELL, WELL]
        assert width_of(one) is None, "at rest nobody knows"

        one.gpus[0].fix(**WORKING)
        assert one.names_of_first(*[SLOW_PACE] * 5) == [WELL] * 5
        assert width_of(one) == 8
        one.gpus[0].fix(**RESTING)
        one.names(SLOW_PACE)
        assert width_of(one) == 8, "it is remembered"


@pytest.mark.parametrize("hide", [by_flag, by_passthrough, by_vgpu, by_unknown_port, by_unknown_card])
def test_a_cloud_gpu_that_had_16_lanes_and_has_8_is_found(hide: Callable[[JudgedGpus], None]) -> None:
    with judged(model="rtx4090", **WORKING) as one:
        hide(one)
        assert one.names_of_first(0, 5) == [WELL, WELL]
        one.gpus[0].fix(pcie_width=8)

        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [WELL, SLOW_LINK]
        assert width_of(one) == 16


def test_what_a_card_had_outlasts_a_new_contact_but_is_no_other_cards() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        by_flag(one)
        one.names(0)
        one.gpus[0].fix(pcie_width=8)
        one.sources[0].release()
        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [WELL, SLOW_LINK]

        one.gpus[0].fix(uuid="GPU-another")
        one.sources[0].release()
        assert one.names_of_first(*[SLOW_PACE] * 3) == [WELL] * 3
        assert width_of(one) == 8


@pytest.mark.parametrize("mode", [0, 3, 4], ids=["none", "the host of vGPUs", "the host of a vSGA"])
def test_a_slot_of_8_lanes_is_all_that_a_card_of_16_can_have(mode: int) -> None:
    with judged(model="rtx4090", **RESTING) as one:
        one.gpus[0].virtualization_mode = mode
        one.gpus[0].port_width = 8
        one.gpus[0].fix(pcie_width=8)
        one.names(0)
        assert width_of(one) == 8, "at rest too"

        one.gpus[0].fix(**WORKING)
        assert one.names_of_first(*[SLOW_PACE] * 5) == [WELL] * 5
        one.gpus[0].fix(pcie_width=4)
        assert one.names_of_first(SLOW_PACE, SLOW_PACE) == [WELL, SLOW_LINK]


def test_a_card_of_8_lanes_in_a_slot_of_16_is_well() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        one.gpus[0].fix(pcie_width=8, pcie_max_width=8)

        assert one.names_of_first(*[SLOW_PACE] * 5) == [WELL] * 5
        assert width_of(one) == 8


def test_a_port_of_16_lanes_with_8_in_use_is_found_from_the_start() -> None:
    with judged(model="rtx4090", **WORKING) as one:
        one.gpus[0].fix(pcie_width=8)

        assert one.names_of_first(0, SLOW_PACE) == [WELL, SLOW_LINK]


def test_the_port_is_looked_at_seldom() -> None:
    with judged(model="rtx4090") as one:
        one.names_of_first(*[1.0] * (int(FIXED_PACE) + 1))

        assert one.simulation.calls["nvmlDeviceGetVirtualizationMode"] == 2


# NVLinks


def test_two_workstation_cards_with_a_bridge_and_one_without() -> None:
    with judged(3, "rtx4090", **WORKING) as three:
        three.gpus[0].bridge(three.gpus[2])
        three.gpus[1].nvlinks, three.gpus[1].nvlinks_down = [None] * 4, {0, 1, 2, 3}

        assert three.names(0) == [WELL, WELL, WELL]
        assert three.names(SLOW_PACE) == [WELL, WELL, WELL]


def test_one_link_of_a_bridge_that_goes_down() -> None:
    with judged(2, "rtx4090", **WORKING) as pair:
        pair.gpus[0].bridge(pair.gpus[1])
        pair.names(0)
        pair.gpus[0].nvlinks_down = {3}

        first, second = pair.findings(SLOW_PACE)
        assert [found.what for found in first] == ["1 of its 4 NVLinks down"]
        assert second == []
        pair.sources[0].release()
        assert pair.names(SLOW_PACE) == [["nvlink_down"], WELL], "a new contact does not make it well"


def test_a_board_without_a_switch_gives_each_card_its_own_number_of_links() -> None:
    with judged(3, "a100") as three:
        first, second, third = three.gpus
        first.nvlinks = [*[second] * 4, *[third] * 4]
        second.nvlinks, third.nvlinks = [first] * 4, [first] * 4

        assert three.names(0) == [WELL, WELL, WELL]


def test_17_of_18_links_to_the_switches_are_found_from_the_start() -> None:
    with judged(8) as board:
        board.gpus[5].nvlinks_down = {17}

        assert board.names(0) == [["nvlink_down"] if index == 5 else WELL for index in range(8)]


def test_none_of_18_links_to_the_switches_are_found_from_the_start() -> None:
    with judged(2) as board:
        board.gpus[1].nvlinks_down = set(range(18))

        assert [found.what for found in board.findings(0)[1]] == ["18 of its 18 NVLinks down"]


def test_a_neighbour_of_which_it_is_not_known_where_its_links_lead_says_nothing() -> None:
    with judged(2) as two:
        two.simulation.fail("nvmlDeviceGetNvLinkRemoteDeviceType", NvmlReturn.NOT_SUPPORTED)
        two.gpus[1].nvlinks_down = {17}

        assert two.names(0) == [WELL, WELL]
        assert NVSWITCH not in (two.samples[0].values.nvlink.peers or ())


def test_in_mig_mode_an_a100_switches_its_links_off() -> None:
    with judged(2, "a100") as two:
        two.names(0)
        two.gpus[1].enable_mig()
        two.gpus[1].nvlinks_down = set(range(12))
        two.sources[1].release()

        assert two.names(SLOW_PACE) == [WELL, WELL]


# Fans


@pytest.mark.parametrize(
    ("stopped", "what"),
    [
        (set(), []),
        ({0}, ["1 of its 2 fans stands still at 80 degrees Celsius"]),
        ({1}, ["1 of its 2 fans stands still at 80 degrees Celsius"]),
        ({0, 1}, ["2 of its 2 fans stand still at 80 degrees Celsius"]),
    ],
)
def test_any_fan_that_stands_still_is_found(stopped: set[int], what: list[str]) -> None:
    with judged(model="rtx4090", **HOT) as one:
        one.gpus[0].fans_stopped = stopped

        assert [found.what for found in one.findings(0)[0]] == what


def test_fans_that_rest_while_the_gpu_is_cool_may_run_before_they_are_read_again() -> None:
    with judged(model="rtx4090", fan_speed=0, fan_speed_rpm=0, temperature=48) as one:
        assert one.names_of_first(0, 1) == [WELL, WELL]
        one.gpus[0].fix(fan_speed=60, fan_speed_rpm=1900, **HOT)

        assert one.names_of_first(*[1.0] * 10) == [WELL] * 10


def test_fans_that_still_rest_when_they_are_read_hot_are_found() -> None:
    with judged(model="rtx4090", fan_speed=0, fan_speed_rpm=0, temperature=48) as one:
        one.names(0)
        one.gpus[0].fix(**HOT)

        assert one.names_of_first(1, 1, 1, 1, 1) == [WELL] * 4 + [["fan_stopped"]]


@pytest.mark.parametrize("generation", ["r535", "r470", "r418"])
def test_on_an_older_driver_the_percentage_tells(generation: str) -> None:
    with judged(model="rtx4090", fan_speed=0, **HOT) as one:
        one.simulation.set_driver_generation(generation)

        assert one.names_of_first(0) == [["fan_stopped"]]
        one.gpus[0].fix(fan_speed=60)
        assert one.names_of_first(SLOW_PACE) == [WELL]
