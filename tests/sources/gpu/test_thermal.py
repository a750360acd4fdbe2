"""Temperatures of one GPU: each threshold by its NVML number; zero means that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import Reason
from agent.sources.gpu.paces import DETAIL_PACE
from tests.sources.one_gpu import ByNumber, OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


def test_each_threshold_is_read_by_its_own_nvml_number(one: OneGpu) -> None:
    """nvmlTemperatureThresholds_t. Two thresholds of the simulated GPU are equal."""
    pynvml.nvmlLib = ByNumber(one.simulation, nvmlDeviceGetTemperatureThreshold=100)

    thermal = one.read().thermal

    assert (thermal.shutdown_celsius, thermal.slowdown_celsius) == (100, 101)
    assert (thermal.memory_max_celsius, thermal.max_operating_celsius) == (102, 103)


def test_zero_means_no_threshold_and_no_memory_sensor(one: OneGpu) -> None:
    """Drivers report 0 where there is none; but a GPU at 0 degrees is a cold GPU."""
    one.gpu.fix(temperature=0, memory_temperature=0)
    pynvml.nvmlLib = ByNumber(one.simulation, nvmlDeviceGetTemperatureThreshold=0)

    thermal = one.read().thermal

    assert (thermal.gpu_celsius, thermal.memory_celsius, thermal.shutdown_celsius) == (0, None, None)
    assert thermal.slowdown_celsius == 1


@pytest.mark.parametrize("margin", [-1, 0, -40, 60])
def test_a_temperature_margin_may_be_zero_or_negative(one: OneGpu, margin: int) -> None:
    one.gpu.fix(
        temperature_margin=margin,
        shutdown_tlimit=margin,
        slowdown_tlimit=margin,
        memory_max_tlimit=margin,
        max_operating_tlimit=margin,
    )

    thermal = one.read().thermal

    assert thermal.margin_celsius == margin
    assert (thermal.shutdown_margin_celsius, thermal.slowdown_margin_celsius) == (margin, margin)
    assert (thermal.memory_max_margin_celsius, thermal.max_operating_margin_celsius) == (margin, margin)


def test_the_margin_is_read_every_ten_seconds(one: OneGpu) -> None:
    one.gpu.fix(temperature_margin=20)
    one.read()
    one.gpu.fix(temperature_margin=-3)

    assert one.read(after=DETAIL_PACE - 1).thermal.margin_celsius == 20
    assert one.read(after=1).thermal.margin_celsius == -3


def test_a_gpu_from_before_ada_has_thresholds_and_no_margin() -> None:
    with one_gpu("a100") as one:
        reading = one.read()

    assert (reading.thermal.slowdown_celsius, reading.thermal.margin_celsius) == (90, None)
    assert reading.unknown["thermal.margin_celsius"].reason is Reason.NOT_SUPPORTED
    assert reading.unknown["thermal.slowdown_margin_celsius"].reason is Reason.NOT_SUPPORTED
