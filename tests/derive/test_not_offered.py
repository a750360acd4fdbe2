"""GPUs that the operator keeps out, and entries of NOT_OFFERED that match no GPU."""

from __future__ import annotations

import pytest

from agent.derive.not_offered import entries_without_gpu, is_kept_out
from agent.readings import DriverReading, GpuSample, GpuState, Snapshot
from tests.support.readings import reading


def gpu(index: int, uuid: str | None) -> GpuSample:
    return GpuSample(index, GpuState.OK, reading(identity_uuid=uuid))


def snapshot(*gpus: GpuSample, names: tuple[str, ...], count: int | None = None) -> Snapshot:
    driver = DriverReading(gpu_count=len(gpus) if count is None else count)
    return Snapshot(1.0, 1.0, driver=driver, gpus=gpus, not_offered=names)


NAMELESS = gpu(1, None)
BOTH = (gpu(0, "GPU-a"), gpu(1, "GPU-b"))


@pytest.mark.parametrize(
    ("one", "names", "expected"),
    [
        pytest.param(BOTH[1], (), False, id="nothing is named"),
        pytest.param(BOTH[1], ("1",), True, id="its index"),
        pytest.param(BOTH[1], ("GPU-b",), True, id="its UUID"),
        pytest.param(BOTH[1], ("0", "GPU-a"), False, id="another"),
        pytest.param(NAMELESS, ("1",), True, id="its index, and its UUID is unknown"),
        pytest.param(NAMELESS, ("0",), False, id="another index, and its UUID is unknown"),
        pytest.param(NAMELESS, ("0", "GPU-b"), None, id="a UUID that may be its own"),
    ],
)
def test_a_gpu_is_kept_out_by_its_index_or_its_uuid(
    one: GpuSample, names: tuple[str, ...], expected: bool | None
) -> None:
    assert is_kept_out(one, snapshot(one, names=names)) is expected


@pytest.mark.parametrize(
    ("gpus", "names", "in_vain"),
    [
        pytest.param(BOTH, ("0", "GPU-b"), (), id="all match"),
        pytest.param(BOTH, ("2", "GPU-c", "1"), ("2", "GPU-c"), id="two do not match"),
        pytest.param((BOTH[0], NAMELESS), ("GPU-c",), (), id="may match the GPU with an unknown UUID"),
        pytest.param((BOTH[0], NAMELESS), ("2",), ("2",), id="an index needs no UUID"),
    ],
)
def test_entries_that_match_no_gpu_are_reported(
    gpus: tuple[GpuSample, ...], names: tuple[str, ...], in_vain: tuple[str, ...]
) -> None:
    assert entries_without_gpu(snapshot(*gpus, names=names)) == in_vain


def test_no_entry_is_reported_before_all_gpus_are_known() -> None:
    assert entries_without_gpu(Snapshot(1.0, 1.0, not_offered=("7", "GPU-c"))) == ()
    assert entries_without_gpu(snapshot(BOTH[0], names=("GPU-c",), count=2)) == ()
