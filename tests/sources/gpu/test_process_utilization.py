"""What counts as work of a process, and how much room the samples of a driver may take."""

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
def test_a_percentage_of_anything_is_work(percents: tuple[int | None, ...], is_work: bool) -> None:
    assert ProcessUtilization(*percents).is_work is is_work


class Samples:
    """The simulated library, but it has so many samples at each call in turn, all of process 0."""

    def __init__(self, library: Any, *needed: int) -> None:
        self._library = library
        self._needed = iter(needed)

    def __getattr__(self, symbol: str) -> Any:
        return self._tell if symbol == "nvmlDeviceGetProcessUtilization" else getattr(self._library, symbol)

    def _tell(self, _handle: Any, _samples: Any, count: Any, _since: Any) -> int:
        room, count._obj.value = count._obj.value, next(self._needed)  # noqa: SLF001  (what byref refers to)
        return int(NvmlReturn.SUCCESS if room >= count._obj.value else NvmlReturn.INSUFFICIENT_SIZE)  # noqa: SLF001


@pytest.mark.parametrize(
    ("needed", "is_told"),
    [
        pytest.param([0], True, id="none"),
        pytest.param([16_384, 16_384], True, id="as many as may be"),
        pytest.param([16_385], False, id="more is garbage"),
        pytest.param([1, 2, 2], True, id="more at the second try"),
        pytest.param([1, 2, 3], False, id="more at each try"),
    ],
)
def test_room_is_made_for_the_samples_at_three_tries(needed: list[int], is_told: bool) -> None:
    with one_gpu() as one:
        one.gpu.unsupport("nvmlDeviceGetProcessesUtilizationInfo")
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = Samples(one.simulation, *needed)
        told = ProcessUtilizationSource(handle).read(0.0, [0], gpu_may_have_worked=False)

    assert (told is not None) is is_told


def test_where_the_gpu_worked_and_no_listed_process_did_nothing_is_known_of_any() -> None:
    with one_gpu() as one:
        one.gpu.unsupport("nvmlDeviceGetProcessesUtilizationInfo")
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = Samples(one.simulation, 0)

        assert ProcessUtilizationSource(handle).read(0.0, [0], gpu_may_have_worked=True) is None
