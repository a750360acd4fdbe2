"""A real Prometheus, real agents: what is scraped is fresh, and alerts fire and resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.views.prometheus.gpus import BY_LABEL, COUNTERS, GAUGES
from tests.prometheus.engine import prometheus
from tests.support.agents import agent_process, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-server-two"  # noqa: S105  (guards nothing)


def test_three_agents_one_with_a_prefix_one_that_loses_a_gpu_one_that_stops(tmp_path: Path) -> None:
    with (
        agent_process("--simulate", "2", HISTORY_INTERVAL="1") as plain,
        agent_process(
            "--simulate", "4", prefix="/server2", URL_PREFIX="server2", TOKEN=TOKEN, SIMULATE_SCENARIO="sick"
        ) as guarded,
        agent_process("--simulate", "2", SIMULATE_SCENARIO="lost") as losing,
    ):
        targets = [process.url.split("/")[2] for process in (plain, guarded, losing)]
        (tmp_path / "token").write_text(TOKEN)
        scrapes: list[dict[str, Any]] = [
            {"job_name": "gpu", "static_configs": [{"targets": [targets[0], targets[2]]}]},
            {
                "job_name": "gpu-guarded",
                "metrics_path": "/server2/metrics",
                "authorization": {"credentials_file": "token"},
                "static_configs": [{"targets": [targets[1]]}],
            },
        ]
        with prometheus(tmp_path, scrapes) as engine:
            wait_until(lambda: engine.value("sum(up)") == 3, "all three are up", deadline=30)
            wait_until(
                lambda: engine.value("count(nvidia_gpu_utilization_ratio)") == 8,
                "all GPUs are told",
                deadline=30,
            )
            assert engine.value("max(nvidia_gpu_sample_age_seconds)") is not None
            assert (engine.value("max(nvidia_gpu_sample_age_seconds)") or 99) < 5
            assert engine.value("sum(nvidia_gpu_agent_simulated)") == 3
            told = {one["metric"]["__name__"] for one in engine.query('{__name__=~"nvidia_gpu_.*"}')}
            assert len(told) > 60
            wait_until(
                lambda: (
                    {("GpuEccUncorrected", targets[1]), ("GpuRemappingPending", targets[1])}
                    <= engine.firing()
                ),
                "the sick GPUs are told of",
                deadline=30,
            )
            wait_until(lambda: ("GpuLost", targets[2]) in engine.firing(), "the loss is told of", deadline=60)
            lost = f'nvidia_gpu_utilization_ratio{{gpu="1",instance="{targets[2]}"}}'
            wait_until(lambda: engine.value(lost) is None, "a lost GPU has no live series", deadline=15)
            assert ("GpuLost", targets[0]) not in engine.firing()

            plain.stop()
            wait_until(
                lambda: ("AgentDown", targets[0]) in engine.firing(), "its end is told of", deadline=30
            )
            wait_until(
                lambda: ("GpuLost", targets[2]) not in engine.firing(),
                "the GPU is back: resolved",
                deadline=60,
            )
            assert engine.value(f'nvidia_gpu_state{{instance="{targets[0]}",state="ok",gpu="0"}}') is None


def test_every_family_has_one_name() -> None:
    names = [row[0] for row in (*GAUGES, *COUNTERS, *BY_LABEL)]

    assert len(names) == len(set(names))
