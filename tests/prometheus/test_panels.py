"""What the panels of the dashboards show for certain series, by promtool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.prometheus.panels import assert_results, query_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FLEET = "gpu-fleet.json"
HOST = 'job="gpu",instance="gpu01"'
GPU = f'{HOST},gpu="3",uuid="GPU-3"'

# By tile: a series, a value that it does not count, and one that it counts.
TILES = {
    "Agents that do not answer": (f"up{{{HOST}}}", "1", "0"),
    "Drivers that do not answer": (f"nvidia_gpu_agent_driver_up{{{HOST}}}", "1", "0"),
    "GPUs without a process": (f"nvidia_gpu_processes{{{GPU}}}", "2", "0"),
    "Critical GPUs": (f'nvidia_gpu_health_verdict{{{GPU},verdict="critical"}}', "0", "1"),
}


@pytest.mark.parametrize("title", TILES)
@pytest.mark.parametrize(
    ("at", "results"),
    [("0s", {"{}": 0}), ("15s", {"{}": 1}), ("30s", {})],
    ids=["none", "one", "unknown"],
)
def test_a_tile_is_0_only_if_something_is_known(
    title: str, at: str, results: dict[str, float], tmp_path: Path
) -> None:
    series, left_out, counted = TILES[title]
    values = {series: f"{left_out} {counted} stale"}
    assert_results(tmp_path, query_of(FLEET, title), values, at=at, results=results)
