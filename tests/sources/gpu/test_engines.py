"""The engines of one GPU: only a percentage is accepted."""

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


@pytest.mark.parametrize("percent", [101, 2**31])
def test_an_engine_above_100_percent_is_garbage(one: OneGpu, percent: int) -> None:
    one.gpu.fix(encoder_utilization=percent)

    assert one.read().engines.encoder_percent is None
