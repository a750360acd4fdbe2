"""Which GPU it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import SourceError
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


def test_another_gpu_in_the_slot_has_its_own_identity(one: OneGpu) -> None:
    one.read()
    one.gpu.fix(uuid="GPU-another", name="NVIDIA H200", max_graphics_clock=1995)
    one.simulation.reload_driver()
    pynvml.nvmlInit()
    with pytest.raises(SourceError):
        one.read(after=1)

    reading = one.read(after=1)

    assert (reading.identity.uuid, reading.identity.name, reading.clocks.max_graphics_mhz) == (
        "GPU-another",
        "NVIDIA H200",
        1995,
    )
