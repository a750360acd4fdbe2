"""The memory of one GPU: unified memory is unknown."""

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


def test_unified_memory_is_unknown_and_not_the_memory_of_the_host() -> None:
    with one_gpu("gb10") as one:
        reading = one.read()

    assert reading.memory.total_bytes is None
    assert (reading.memory.used_bytes, reading.memory.free_bytes) == (None, None)
    assert reading.power.usage_watts is not None


def test_memory_is_reported_in_bytes(one: OneGpu) -> None:
    one.gpu.fix(memory_total=81920, memory_used=8192, memory_reserved=1024)

    memory = one.read().memory

    assert (memory.total_bytes, memory.used_bytes, memory.reserved_bytes) == (81920, 8192, 1024)
    assert memory.free_bytes == 81920 - 8192 - 1024


def test_a_total_of_zero_bytes_means_unified_memory(one: OneGpu) -> None:
    one.gpu.fix(memory_total=0, memory_used=0)

    reading = one.read()

    assert reading.memory.total_bytes is None
    assert (reading.memory.used_bytes, reading.memory.free_bytes) == (None, None)
