"""The engines of one GPU: only a percentage is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.readings import Engines
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


@pytest.mark.parametrize("percent", [101, 2**31])
def test_an_engine_utilization_above_100_percent_is_unknown(one: OneGpu, percent: int) -> None:
    one.gpu.fix(encoder_utilization=percent)

    assert one.read().engines.encoder_percent is None


def test_every_engine_and_its_sessions_are_reported(one: OneGpu) -> None:
    one.gpu.fix(
        encoder_utilization=11,
        decoder_utilization=22,
        jpeg_utilization=33,
        ofa_utilization=44,
        encoder_stats=(2, 60, 1500),
        capture_stats=(3, 30, 900),
    )

    assert one.read().engines == Engines(11, 22, 33, 44, 2, 60, 1500, 3, 30, 900)


@pytest.mark.parametrize(("gpu_percent", "percent"), [(None, 30), (4, 30), (5, 0), (90, 0)])
def test_the_encoder_of_an_unwatched_gpu_is_read_only_if_the_gpu_may_be_idle(
    one: OneGpu, gpu_percent: int | None, percent: int
) -> None:
    one.gpu.fix(gpu_utilization=gpu_percent, encoder_utilization=0)
    one.read()
    one.gpu.fix(encoder_utilization=30)
    one.clock.now += 10

    assert one.source.read(watched=False).engines.encoder_percent == percent
