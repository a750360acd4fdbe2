"""NVLinks and fans: a link or fan that is off by design is no finding, a failed one is."""

from __future__ import annotations

import pytest

from agent.readings import NVSWITCH
from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import SLOW_PACE
from tests.faults.false_alarms import judged

NO_FINDING: list[str] = []
HOT = {"temperature": 80}

# NVLinks


def test_cards_with_a_bridge_and_a_card_without_are_no_finding() -> None:
    with judged(3, "rtx4090") as three:
        three.gpus[0].bridge(three.gpus[2])
        three.gpus[1].nvlinks, three.gpus[1].nvlinks_down = [None] * 4, {0, 1, 2, 3}

        assert three.names(0) == [NO_FINDING, NO_FINDING, NO_FINDING]
        assert three.names(SLOW_PACE) == [NO_FINDING, NO_FINDING, NO_FINDING]


def test_a_failed_link_of_a_bridge_is_a_finding() -> None:
    with judged(2, "rtx4090") as pair:
        pair.gpus[0].bridge(pair.gpus[1])
        pair.names(0)
        pair.gpus[0].nvlinks_down = {3}

        first, second = pair.findings(SLOW_PACE)
        assert [found.what for found in first] == ["1 of its 4 NVLinks down"]
        assert second == []
        pair.sources[0].release()
        assert pair.names(SLOW_PACE) == [["nvlink_down"], NO_FINDING], "a new contact does not end it"


def test_different_numbers_of_links_on_a_board_without_a_switch_are_no_finding() -> None:
    with judged(3, "a100") as three:
        first, second, third = three.gpus
        first.nvlinks = [*[second] * 4, *[third] * 4]
        second.nvlinks, third.nvlinks = [first] * 4, [first] * 4

        assert three.names(0) == [NO_FINDING, NO_FINDING, NO_FINDING]


def test_a_link_to_the_switches_that_is_down_from_the_start_is_a_finding() -> None:
    with judged(8) as board:
        board.gpus[5].nvlinks_down = {17}

        assert board.names(0) == [["nvlink_down"] if index == 5 else NO_FINDING for index in range(8)]


def test_all_links_to_the_switches_down_from_the_start_are_a_finding() -> None:
    with judged(2) as board:
        board.gpus[1].nvlinks_down = set(range(18))

        assert [found.what for found in board.findings(0)[1]] == ["18 of its 18 NVLinks down"]


def test_a_neighbour_with_unknown_other_ends_of_its_links_does_not_count() -> None:
    with judged(2) as two:
        two.simulation.fail("nvmlDeviceGetNvLinkRemoteDeviceType", NvmlReturn.NOT_SUPPORTED)
        two.gpus[1].nvlinks_down = {17}

        assert two.names(0) == [NO_FINDING, NO_FINDING]
        assert NVSWITCH not in (two.samples[0].values.nvlink.peers or ())


def test_links_that_an_a100_switches_off_in_mig_mode_are_no_finding() -> None:
    with judged(2, "a100") as two:
        two.names(0)
        two.gpus[1].enable_mig()
        two.gpus[1].nvlinks_down = set(range(12))
        two.sources[1].release()

        assert two.names(SLOW_PACE) == [NO_FINDING, NO_FINDING]


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
def test_any_fan_that_stands_still_on_a_hot_gpu_is_a_finding(stopped: set[int], what: list[str]) -> None:
    with judged(model="rtx4090", **HOT) as one:
        one.gpus[0].fans_stopped = stopped

        assert [found.what for found in one.findings(0)[0]] == what


def test_fans_that_rest_on_a_cool_gpu_may_start_before_they_are_read_again() -> None:
    with judged(model="rtx4090", fan_speed=0, fan_speed_rpm=0, temperature=48) as one:
        assert one.names_of_first(0, 1) == [NO_FINDING, NO_FINDING]
        one.gpus[0].fix(fan_speed=60, fan_speed_rpm=1900, **HOT)

        assert one.names_of_first(*[1.0] * 10) == [NO_FINDING] * 10


def test_fans_that_still_rest_when_the_gpu_is_hot_are_a_finding() -> None:
    with judged(model="rtx4090", fan_speed=0, fan_speed_rpm=0, temperature=48) as one:
        one.names(0)
        one.gpus[0].fix(**HOT)

        assert one.names_of_first(1, 1, 1, 1, 1) == [NO_FINDING] * 4 + [["fan_stopped"]]


@pytest.mark.parametrize("generation", ["r535", "r470", "r418"])
def test_on_an_older_driver_the_fan_percentage_is_judged(generation: str) -> None:
    with judged(model="rtx4090", fan_speed=0, **HOT) as one:
        one.simulation.set_driver_generation(generation)

        assert one.names_of_first(0) == [["fan_stopped"]]
        one.gpus[0].fix(fan_speed=60)
        assert one.names_of_first(SLOW_PACE) == [NO_FINDING]
