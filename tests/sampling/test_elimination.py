"""A GPU that could never be read is identified as the only device left, or not at all."""

from __future__ import annotations

import pytest

from agent.readings import GpuIdentity, GpuReading, GpuSample, GpuState
from agent.sampling.elimination import with_the_last_one_named

A, B, C, D = (f"00000000:{bus}:00.0" for bus in ("1A", "2B", "3C", "4D"))


def known(index: int, bus_id: str) -> GpuSample:
    return GpuSample(index, GpuState.OK, GpuReading(0.0, GpuIdentity(f"GPU-{index}", pci_bus_id=bus_id)))


def lost(index: int) -> GpuSample:
    return GpuSample(index, GpuState.LOST, error="The GPU is lost")


def bus_ids(*gpus: GpuSample, devices: tuple[str, ...]) -> list[str | None]:
    return [gpu.identity.pci_bus_id for gpu in with_the_last_one_named(gpus, devices)]


def test_the_only_device_left_is_the_gpu_that_cannot_be_read() -> None:
    named = with_the_last_one_named([known(0, A), lost(1), known(2, C)], (A, B, C))

    assert [gpu.identity.pci_bus_id for gpu in named] == [A, B, C]
    assert named[1].lasting == GpuReading(0.0, GpuIdentity(pci_bus_id=B)), "all other values stay unknown"


def test_known_values_of_the_identified_gpu_stay() -> None:
    found = GpuReading(5.0, GpuIdentity("GPU-1"), driver_errors={("f", "e"): 3})
    gpu = GpuSample(1, GpuState.LOST, lasting=found)

    (named,) = with_the_last_one_named([gpu], [B])

    assert named.identity == GpuIdentity("GPU-1", None, B)
    assert named.values.driver_errors == {("f", "e"): 3}


@pytest.mark.parametrize(
    ("gpus", "devices"),
    [
        pytest.param((known(0, A), lost(1), lost(2)), (A, B, C), id="two are lost"),
        pytest.param((known(0, A), lost(1), lost(2)), (A, B), id="two are lost, one device is left"),
        pytest.param((known(0, A), lost(1)), (A, B, C), id="two devices are left"),
        pytest.param((known(0, A), lost(1)), (A,), id="no device is left"),
        pytest.param((known(0, A), lost(1)), (), id="unknown devices"),
    ],
)
def test_no_gpu_is_identified_by_its_order(gpus: tuple[GpuSample, ...], devices: tuple[str, ...]) -> None:
    assert with_the_last_one_named(gpus, devices) == gpus


def test_a_gpu_that_can_be_read_is_not_identified_by_elimination() -> None:
    gpu = GpuSample(0, GpuState.OK, GpuReading(0.0))

    assert bus_ids(gpu, devices=(A,)) == [None]
