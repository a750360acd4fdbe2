"""GPU and memory controller utilization: only a percentage is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


@pytest.mark.parametrize("percent", [101, 255, 2**31, 2**32 - 1])
def test_a_utilization_above_100_percent_is_unknown(one: OneGpu, percent: int) -> None:
    one.gpu.fix(gpu_utilization=percent, memory_utilization=percent)

    reading = one.read()

    assert (reading.utilization.gpu_percent, reading.utilization.memory_controller_percent) == (None, None)


def test_a_utilization_of_100_percent_is_accepted(one: OneGpu) -> None:
    one.gpu.fix(gpu_utilization=100, memory_utilization=0)

    reading = one.read()

    assert (reading.utilization.gpu_percent, reading.utilization.memory_controller_percent) == (100, 0)
