"""GPM: a mean over the time since the previous sample; unknown if there is none."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import Gpm
from agent.simulation import NvmlReturn
from agent.sources.gpu.gpm import GpmSource
from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.unknown import Record
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_GAP_SECONDS = 300.0

UNKNOWN = Gpm()
FIXED = Gpm(sm_activity_percent=70.5, dram_activity_percent=30.25)


@pytest.fixture
def one() -> Iterator[OneGpu]:
    """A Hopper GPU with a fixed activity."""
    with one_gpu() as one:
        one.gpu.fix(sm_activity=FIXED.sm_activity_percent, dram_activity=FIXED.dram_activity_percent)
        yield one


FIXED_NAMES = ("sm_activity_percent", "dram_activity_percent")


def samples(one: OneGpu, *after: float) -> list[Gpm]:
    """GPM at samples so many seconds after each other."""
    found = []
    for seconds in after:
        reading = one.read(after=seconds)
        found.append(replace(UNKNOWN, **{name: getattr(reading.gpm, name) for name in FIXED_NAMES}))
    return found


def test_gpm_is_unknown_in_the_first_sample_and_known_in_every_later_one(one: OneGpu) -> None:
    assert samples(one, 0, 1, 1, 1) == [UNKNOWN, FIXED, FIXED, FIXED]


def test_each_metric_has_its_own_value(one: OneGpu) -> None:
    one.gpu.fix(sm_activity=1.5, sm_occupancy=2.5, tensor_activity=3.5, dram_activity=4.5)
    one.read()

    assert one.read(after=1).gpm == Gpm(
        supported=True,
        sm_activity_percent=1.5,
        sm_occupancy_percent=2.5,
        tensor_activity_percent=3.5,
        dram_activity_percent=4.5,
    )


def test_a_value_is_the_mean_between_its_two_samples(one: OneGpu) -> None:
    one.gpu.fix(sm_activity=20, dram_activity=10)
    samples(one, 0)
    one.gpu.fix(sm_activity=60, dram_activity=20)

    assert samples(one, 1) == [Gpm(sm_activity_percent=40, dram_activity_percent=15)]


def test_samples_closer_than_100_ms_are_not_compared(one: OneGpu) -> None:
    samples(one, 0, 1)
    one.gpu.fix(sm_activity=1, dram_activity=1)

    assert samples(one, 0.05, 0.04) == [FIXED, FIXED]
    assert one.simulation.calls["nvmlGpmSampleGet"] == 2
    assert samples(one, 0.02) == [
        Gpm(sm_activity_percent=(70.5 + 1) / 2, dram_activity_percent=(30.25 + 1) / 2)
    ]


def test_after_a_long_gap_gpm_is_unknown_once(one: OneGpu) -> None:
    assert samples(one, 0, MAX_GAP_SECONDS, MAX_GAP_SECONDS + 0.01, 1) == [UNKNOWN, FIXED, UNKNOWN, FIXED]


@pytest.mark.parametrize("model", ["a100", "rtx4090", "gb10", "k80"])
def test_a_gpu_without_gpm_is_asked_only_whether_it_supports_gpm(model: str) -> None:
    with one_gpu(model) as one:
        assert samples(one, 0, 1, 1) == [UNKNOWN] * 3
        assert not one.read(after=1).gpm.supported
        calls = {symbol: count for symbol, count in one.simulation.calls.items() if "Gpm" in symbol}
        assert calls == {"nvmlGpmQueryDeviceSupport": 1}


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.NO_PERMISSION, NvmlReturn.UNKNOWN])
def test_a_refused_support_query_means_no_gpm(one: OneGpu, code: NvmlReturn) -> None:
    one.gpu.fail("nvmlGpmQueryDeviceSupport", code)

    assert samples(one, 0, 1) == [UNKNOWN, UNKNOWN]
    assert not one.read(after=1).gpm.supported


def test_a_failed_support_query_is_repeated(one: OneGpu) -> None:
    one.gpu.fail("nvmlGpmQueryDeviceSupport", NvmlReturn.UNKNOWN, times=1)

    assert samples(one, 0, 1, 5, 1) == [UNKNOWN, UNKNOWN, UNKNOWN, FIXED]
    assert not [field for field in one.read(after=1).unknown if field.startswith("gpm.")]


def test_a_single_gpm_metric_may_be_missing(one: OneGpu) -> None:
    one.gpu.fix(dram_activity=None)

    assert samples(one, 0, 1) == [UNKNOWN, Gpm(sm_activity_percent=70.5, dram_activity_percent=None)]


def test_without_a_sample_buffer_only_the_support_of_gpm_is_known(one: OneGpu) -> None:
    one.simulation.fail("nvmlGpmSampleAlloc", NvmlReturn.UNKNOWN, times=1)

    assert one.read().gpm == Gpm(supported=True)
    assert samples(one, 1, 1) == [UNKNOWN, FIXED]


def test_a_failed_gpm_metric_is_counted_and_has_its_reason(one: OneGpu) -> None:
    one.gpu.fix(dram_activity=NvmlReturn.UNKNOWN)
    one.read()
    reading = one.read(after=1)

    assert reading.driver_errors == {("nvmlGpmMetricsGet", "NVML_ERROR_UNKNOWN"): 1}
    assert reading.unknown["gpm.dram_activity_percent"].function == "nvmlGpmMetricsGet"


def test_a_failed_gpm_sample_is_left_out_of_the_mean(one: OneGpu) -> None:
    samples(one, 0, 1)
    one.gpu.fail("nvmlGpmSampleGet", NvmlReturn.UNKNOWN, times=1)

    assert samples(one, 1, 1) == [UNKNOWN, FIXED]


@pytest.mark.parametrize("after", [(0,), (0, 1), (0, 1, 1, 1), (0, 1, 40, 1)])
def test_there_are_at_most_two_gpm_buffers_and_none_after_release(
    one: OneGpu, after: tuple[float, ...]
) -> None:
    samples(one, *after)
    assert len(one.simulation.gpm_samples.by_pointer) == min(len(after), 2)

    one.source.release()
    one.source.release()

    assert one.simulation.gpm_samples.by_pointer == {}


def test_release_of_a_lost_gpu_is_no_fault(one: OneGpu) -> None:
    samples(one, 0, 1)
    one.simulation.fail("nvmlGpmSampleFree", NvmlReturn.GPU_IS_LOST)

    one.source.release()

    assert one.simulation.calls["nvmlGpmSampleFree"] == 2


def test_a_gpm_value_that_is_not_finite_is_unknown(one: OneGpu) -> None:
    one.gpu.fix(sm_activity=math.nan, dram_activity=math.inf)

    assert samples(one, 0, 1) == [UNKNOWN, UNKNOWN]


def test_a_source_that_was_never_sampled_has_nothing_to_release(one: OneGpu) -> None:
    handle = pynvml.nvmlInit() or pynvml.nvmlDeviceGetHandleByIndex(0)

    GpmSource(GpuHandle(handle, Record())).release()

    assert one.simulation.calls["nvmlGpmSampleFree"] == 0
