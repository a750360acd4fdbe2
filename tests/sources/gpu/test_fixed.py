"""Fixed values are read rarely, and a transient failure does not hide them for minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


@pytest.mark.parametrize("function", ["nvmlDeviceGetVbiosVersion", "nvmlDeviceGetCudaComputeCapability"])
def test_values_written_on_the_board_stay_known_when_their_function_fails(one: OneGpu, function: str) -> None:
    before = one.read().identity
    one.gpu.fail(function, NvmlReturn.UNKNOWN)

    after = one.read(after=FIXED_PACE)

    assert before.vbios_version
    assert before.compute_capability
    assert after.identity == before
    assert not [field for field in after.unknown if field.startswith("identity.")]


def test_a_value_that_the_driver_failed_to_report_is_read_again_soon(one: OneGpu) -> None:
    one.gpu.fail("nvmlDeviceGetVbiosVersion", NvmlReturn.UNKNOWN)
    one.gpu.fail("nvmlDeviceGetPowerManagementLimitConstraints", NvmlReturn.UNKNOWN)
    first = one.read()
    one.gpu.heal()
    assert one.read(after=SLOW_PACE - 1).identity.vbios_version is None, "not at once"
    second = one.read(after=1)

    assert (first.identity.vbios_version, first.power.max_limit_watts) == (None, None)
    assert second.identity.vbios_version
    assert second.power.max_limit_watts


def test_an_unsupported_value_is_read_again_only_after_five_minutes(one: OneGpu) -> None:
    one.gpu.unsupport("nvmlDeviceGetVbiosVersion")
    one.read()
    one.gpu.heal()
    one.gpu.support("nvmlDeviceGetVbiosVersion")

    assert one.read(after=SLOW_PACE).identity.vbios_version is None
    assert one.read(after=FIXED_PACE).identity.vbios_version
