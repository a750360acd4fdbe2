"""Clocks of one GPU: what holds them back goes by two names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.fix(clocks_event_reasons=4)
        yield one


@pytest.mark.parametrize(
    "symbol", ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
)
def test_clocks_event_reasons_go_by_either_name(one: OneGpu, symbol: str) -> None:
    one.simulation.remove_function(symbol)

    assert one.read().clocks.event_reasons == 4


def test_clocks_event_reasons_without_either_name_are_unknown(one: OneGpu) -> None:
    one.simulation.remove_function("nvmlDeviceGetCurrentClocksEventReasons")
    one.simulation.remove_function("nvmlDeviceGetCurrentClocksThrottleReasons")

    assert one.read().clocks.event_reasons is None
