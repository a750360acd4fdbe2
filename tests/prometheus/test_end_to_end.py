"""A real Prometheus, real agents: what is scraped is fresh, and alerts fire and resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.views.prometheus.gpus import BY_LABEL, COUNTERS, GAUGES
from tests.prometheus.engine import prometheus
from tests.support.agents import agent_process, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-server-two"  # noqa: S105  (guards nothing)


def test_alerts_fire_for_sick_and_lost_gpus_and_a_stopped_agent_and_resolve(tmp_path: Path) -> None:
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
                "all GPUs have series",
                deadline=30,
            )
            assert engine.value("max(nvidia_gpu_sample_age_seconds)") is not None
            assert (engine.value("max(nvidia_gpu_sample_age_seconds)") or 99) < 5
            assert engine.value("sum(nvidia_gpu_agent_simulated)") == 3
            names = {one["metric"]["__name__"] for one in engine.query('{__name__=~"nvidia_gpu_.*"}')}
            assert len(names) > 60
            wait_until(
                lambda: (
                    {("GpuEccUncorrected", targets[1]), ("GpuRepairPending", targets[1])} <= engine.firing()
                ),
                "the alerts of the sick GPUs fire",
                deadline=30,
            )
            wait_until(
                lambda: ("GpuLost", targets[2]) in engine.firing(),
                "the alert of the lost GPU fires",
                deadline=60,
            )
            lost = f'nvidia_gpu_utilization_ratio{{gpu="1",instance="{targets[2]}"}}'
            wait_until(lambda: engine.value(lost) is None, "a lost GPU has no live series", deadline=15)
            assert ("GpuLost", targets[0]) not in engine.firing()

            plain.stop()
            wait_until(
                lambda: ("AgentDown", targets[0]) in engine.firing(),
                "the alert of the stopped agent fires",
                deadline=30,
            )
            wait_until(
                lambda: ("GpuLost", targets[2]) not in engine.firing(),
                "the GPU is back: resolved",
                deadline=60,
            )
            assert engine.value(f'nvidia_gpu_state{{instance="{targets[0]}",state="ok",gpu="0"}}') is None


def test_alerts_fire_for_a_first_xid_a_gpu_missing_after_a_restart_and_a_missing_token_file(
    tmp_path: Path,
) -> None:
    """GPU 1 of the first agent reports XID 31, once; the second comes back with one GPU of two."""
    port = str(free_port())
    token_file, credentials = tmp_path / "tokens", tmp_path / "credentials"
    token_file.write_text("the-old-token")
    credentials.write_text("the-old-token")
    two = agent_process("--simulate", "2", port=port, HISTORY_INTERVAL="1")
    with (
        agent_process("--simulate", "2", HISTORY_INTERVAL="1", SIMULATE_SCENARIO="xid") as reporting,
        agent_process("--simulate", "1", TOKEN_FILE=str(token_file)) as guarded,
    ):
        targets = [reporting.url.split("/")[2], f"127.0.0.1:{port}", guarded.url.split("/")[2]]
        scrape: dict[str, Any] = {
            "job_name": "gpu",
            "authorization": {"credentials_file": str(credentials)},
            "static_configs": [{"targets": targets}],
        }
        with prometheus(tmp_path, [scrape]) as engine:
            with two:
                wait_until(lambda: engine.value("sum(up)") == 3, "all three are up", deadline=30)
            token_file.write_text("the-new-token")
            credentials.write_text("the-new-token")
            with agent_process("--simulate", "1", port=port, HISTORY_INTERVAL="1"):
                wait_until(
                    lambda: {("GpuMissing", targets[1]), ("GpuXidWarning", targets[0])} <= engine.firing(),
                    lambda: f"the alerts of the missing GPU and the XID fire: {engine.firing()}",
                    deadline=60,
                )
                wait_until(lambda: engine.value("sum(up)") == 3, "all three are up again", deadline=30)
            assert ("TokenFileUnreadable", targets[2]) not in engine.firing()
            token_file.unlink()
            wait_until(
                lambda: ("TokenFileUnreadable", targets[2]) in engine.firing(),
                "the alert of the missing file fires",
                deadline=60,
            )


def test_no_metric_family_is_declared_twice() -> None:
    names = [row[0] for row in (*GAUGES, *COUNTERS, *BY_LABEL)]

    assert len(names) == len(set(names))
