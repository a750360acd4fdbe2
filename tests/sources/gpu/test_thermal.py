"""Temperatures of one GPU: each threshold by its number, and zero where there is none."""

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
        yield one


def test_each_threshold_is_asked_for_by_its_own_number(one: OneGpu) -> None:
    """nvmlTemperatureThresholds_t. Two of those of the simulated GPU are the same."""
    pynvml.nvmlLib = ByNumber(one.simulation, nvmlDeviceGetTemperatureThreshold=100)

    thermal = one.read().thermal

    assert (thermal.shutdown_celsius, thermal.slowdown_celsius) == (100, 101)
    assert (thermal.memory_max_celsius, thermal.max_operating_celsius) == (102, 103)


def test_zero_is_no_threshold_and_no_sensor_of_the_memory(one: OneGpu) -> None:
    """Drivers say 0 where there is none; a GPU at 0 degrees is a cold one."""
    one.gpu.fix(temperature=0, memory_temperature=0)
    pynvml.nvmlLib = ByNumber(one.simulation, nvmlDeviceGetTemperatureThreshold=0)

    thermal = one.read().thermal

    assert (thermal.gpu_celsius, thermal.memory_celsius, thermal.shutdown_celsius) == (0, None, None)
    assert thermal.slowdown_celsius == 1
