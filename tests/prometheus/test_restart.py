"""A real Prometheus, and an agent with STATE_DIR that is killed: nothing is counted twice afterwards."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.prometheus.engine import prometheus
from tests.support.agents import agent_process, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

HELD = "nvidia_gpu_user_held_seconds_total"
GPUS = 2
SECONDS = 8.0  # that each agent is watched


def test_increase_over_a_restart_is_not_greater_than_the_real_use(tmp_path: Path) -> None:
    port, state = str(free_port()), tmp_path / "state"
    environ = {"STATE_DIR": str(state), "HISTORY_INTERVAL": "1", "port": port}
    scrape: dict[str, Any] = {"job_name": "gpu", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    held = f"max(max_over_time({HELD}[1h]))"
    with prometheus(tmp_path, [scrape]) as engine:
        began = time.monotonic()
        with agent_process("--simulate", f"{GPUS}", **environ) as agent:
            wait_until(lambda: (engine.value(held) or 0) > SECONDS, "it is scraped", deadline=60)
            agent.stop(signal.SIGKILL)
        before = engine.value(f"max(last_over_time({HELD}[1h]))") or 0
        with agent_process("--simulate", f"{GPUS}", **environ):
            wait_until(
                lambda: (engine.value(f"max({HELD})") or before) < before,
                "the counter begins at 0",
                deadline=30,
            )
            wait_until(
                lambda: (engine.value(f"max({HELD})") or 0) > SECONDS / 2, "it is scraped again", deadline=60
            )
            used = (time.monotonic() - began) * GPUS
            increase = engine.value(f"max(increase({HELD}[1h]))") or 0

    # Prometheus extrapolates by half a scrape interval at each end. The second agent counted SECONDS / 2.
    assert SECONDS / 2 < increase <= used + 2 * GPUS
