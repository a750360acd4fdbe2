"""The modes of one GPU."""

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


def test_the_performance_state_is_reported(one: OneGpu) -> None:
    one.gpu.fix(performance_state=5)

    assert one.read().modes.performance_state == 5


def test_an_unknown_performance_state_is_none(one: OneGpu) -> None:
    one.gpu.fix(performance_state=32)  # NVML_PSTATE_UNKNOWN

    assert one.read().modes.performance_state is None


def test_a_mode_that_never_changes_is_read_every_five_minutes(one: OneGpu) -> None:
    for _ in range(60):
        one.read(after=1)

    modes = ("nvmlDeviceGetVirtualizationMode", "nvmlDeviceGetAddressingMode")
    assert [one.simulation.calls[symbol] for symbol in modes] == [1, 1]
