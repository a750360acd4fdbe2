"""Clocks of one GPU: each by its NVML number; the event reasons by both names of their function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml
import pytest

from tests.sources.one_gpu import ByNumber, OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.fix(clocks_event_reasons=4)
        yield one


def test_each_clock_is_read_by_its_own_nvml_number(one: OneGpu) -> None:
    """nvmlClockType_t. The simulated SM clock is the graphics clock, as on most real GPUs."""
    pynvml.nvmlLib = ByNumber(one.simulation, nvmlDeviceGetClockInfo=1000, nvmlDeviceGetMaxClockInfo=2000)

    clocks = one.read().clocks

    assert (clocks.graphics_mhz, clocks.sm_mhz, clocks.memory_mhz, clocks.video_mhz) == (
        1000,
        1001,
        1002,
        1003,
    )
    assert (clocks.max_graphics_mhz, clocks.max_sm_mhz) == (2000, 2001)
    assert (clocks.max_memory_mhz, clocks.max_video_mhz) == (2002, 2003)


@pytest.mark.parametrize(
    "symbol", ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
)
def test_clocks_event_reasons_are_read_by_either_name_of_their_function(one: OneGpu, symbol: str) -> None:
    one.simulation.remove_function(symbol)

    assert one.read().clocks.event_reasons == 4


@pytest.mark.parametrize(
    "symbol", ["nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetSupportedClocksThrottleReasons"]
)
def test_the_reasons_that_the_gpu_can_report_are_read_by_either_name_of_their_function(
    one: OneGpu, symbol: str
) -> None:
    one.gpu.fix(supported_clocks_event_reasons=0x3F)
    one.simulation.remove_function(symbol)

    assert one.read().clocks.supported_event_reasons == 0x3F


def test_clocks_event_reasons_without_either_name_are_unknown(one: OneGpu) -> None:
    one.simulation.remove_function("nvmlDeviceGetCurrentClocksEventReasons")
    one.simulation.remove_function("nvmlDeviceGetCurrentClocksThrottleReasons")

    assert one.read().clocks.event_reasons is None
