"""Power of one GPU: watts and joules out of NVML's thousandths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.fix(power_usage=123_456, power_limit=650_500)
        yield one


def test_milliwatts_become_watts_and_millijoules_joules(one: OneGpu) -> None:
    power = one.read().power

    assert (power.usage_watts, power.limit_watts) == (123.456, 650.5)
    assert (power.min_limit_watts, power.max_limit_watts) == (200, 700)
    assert power.energy_joules == one.gpu.energy_mj.read() / 1000


def test_energy_grows_with_the_power_drawn(one: OneGpu) -> None:
    before = one.read().power.energy_joules

    after = one.read(after=10).power.energy_joules

    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(1234.56, abs=0.01)
