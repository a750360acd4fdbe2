"""What counts as work of a process, and how many utilization samples are accepted from a driver."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from agent.simulation import NvmlReturn
from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.process_utilization import ProcessUtilization, ProcessUtilizationSource
from agent.sources.gpu.unknown import Record
from agent.sources.nvml import query
from tests.sources.one_gpu import one_gpu


@pytest.mark.parametrize(
    ("percents", "is_work"),
    [
        ((1, 0, 0, 0), True),
        ((0, 0, 0, 100), True),
        ((0, 0, 0, 0), False),
        ((101, 0, 0, 0), False),
        ((None, 3, None, None), True),
        ((None, None, None, None), False),
    ],
)
def test_any_valid_utilization_above_zero_is_work(percents: tuple[int | None, ...], is_work: bool) -> None:
    assert ProcessUtilization(*percents).is_work is is_work


class Samples:
    """The simulated library, but it has this many samples at each call in turn, all of process 0."""

    def __init__(self, library: Any, *needed: int) -> None:
        self._library = library
        self._needed = iter(needed)

    def __getattr__(self, symbol: str) -> Any:
        return self._report if symbol == "nvmlDeviceGetProcessUtilization" else getattr(self._library, symbol)

    def _report(self, _handle: Any, _samples: Any, count: Any, _since: Any) -> int:
        room, count._obj.value = count._obj.value, next(self._needed)  # noqa: SLF001  (what byref refers to)
        return int(NvmlReturn.SUCCESS if room >= count._obj.value else NvmlReturn.INSUFFICIENT_SIZE)  # noqa: SLF001


@pytest.mark.parametrize(
    ("needed", "is_known"),
    [
        pytest.param([0], True, id="none"),
        pytest.param([16_384, 16_384], True, id="the maximum"),
        pytest.param([16_385], False, id="above the maximum"),
        pytest.param([1, 2, 2], True, id="more at the second try"),
        pytest.param([1, 2, 3], False, id="more at each try"),
    ],
)
def test_utilization_samples_are_read_in_at_most_three_tries(needed: list[int], is_known: bool) -> None:
    with one_gpu() as one:
        one.gpu.unsupport("nvmlDeviceGetProcessesUtilizationInfo")
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = Samples(one.simulation, *needed)
        utilization = ProcessUtilizationSource(handle).read(0.0, [0], gpu_may_have_worked=False)

    assert (utilization is not None) is is_known


def test_utilization_is_unknown_where_the_gpu_worked_and_no_listed_process_did() -> None:
    with one_gpu() as one:
        one.gpu.unsupport("nvmlDeviceGetProcessesUtilizationInfo")
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = Samples(one.simulation, 0)

        assert ProcessUtilizationSource(handle).read(0.0, [0], gpu_may_have_worked=True) is None
