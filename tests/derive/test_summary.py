"""Sums and means over known values; unknown if no value is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.derive.summary import Summary, summarize
from tests.support.readings import reading

if TYPE_CHECKING:
    from agent.readings import GpuReading

FULL = reading(
    memory_total_bytes=1000,
    memory_used_bytes=250,
    utilization_gpu_percent=40,
    thermal_gpu_celsius=58,
    power_usage_watts=185.2,
)
OTHER = reading(
    memory_total_bytes=3000,
    memory_used_bytes=1750,
    utilization_gpu_percent=45,
    thermal_gpu_celsius=59,
    power_usage_watts=100.0,
)
UNIFIED = reading(utilization_gpu_percent=5, thermal_gpu_celsius=60, power_usage_watts=10.0)
ONLY_TOTAL = reading(memory_total_bytes=5000)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([], Summary(None, None, None, None, None, None), id="no GPU"),
        pytest.param([reading()], Summary(None, None, None, None, None, None), id="nothing known"),
        pytest.param([FULL], Summary(1000, 250, 25.0, 40.0, 58.0, 185.2), id="one GPU"),
        pytest.param([FULL, OTHER], Summary(4000, 2000, 50.0, 42.5, 58.5, 285.2), id="two GPUs"),
        pytest.param([FULL, UNIFIED], Summary(1000, 250, 25.0, 22.5, 59.0, 195.2), id="one without memory"),
        pytest.param(
            [FULL, ONLY_TOTAL], Summary(1000, 250, 25.0, 40.0, 58.0, 185.2), id="a total without used memory"
        ),
        pytest.param([UNIFIED], Summary(None, None, None, 5.0, 60.0, 10.0), id="unified memory alone"),
        pytest.param(
            [
                reading(
                    memory_total_bytes=8,
                    memory_used_bytes=0,
                    utilization_gpu_percent=0,
                    power_usage_watts=0.0,
                )
            ],
            Summary(8, 0, 0.0, 0.0, None, 0.0),
            id="zero is a value",
        ),
    ],
)
def test_a_summary_has_the_sums_and_means_of_the_known_values(
    readings: list[GpuReading], expected: Summary
) -> None:
    assert summarize(readings) == expected
