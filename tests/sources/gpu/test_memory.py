"""The memory of one GPU: unified memory is nobody else's."""

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


def test_unified_memory_is_unknown_and_never_the_hosts() -> None:
    with one_gpu("gb10") as one:
        reading = one.read()

    assert reading.memory.total_bytes is None
    assert (reading.memory.used_bytes, reading.memory.free_bytes) == (None, None)
    assert reading.power.usage_watts is not None


def test_a_total_of_zero_bytes_is_unified_memory_too(one: OneGpu) -> None:
    one.gpu.fix(memory_total=0, memory_used=0)

    reading = one.read()

    assert reading.memory.total_bytes is None
    assert (reading.memory.used_bytes, reading.memory.free_bytes) == (None, None)
