"""Whether a GPU is active, in `/gpu`: the thresholds in force decide."""

from __future__ import annotations

import json

from agent.derive.activity import Thresholds
from tests.views.gpu.test_gpu import view
from tests.views.samples import HEALTHY


def test_the_thresholds_in_force_decide_and_are_reported() -> None:
    relaxed = Thresholds(
        gpu_percent=50, power_watts=200, memory_percent=90, clock_percent=95, temperature_celsius=80
    )

    gpu = json.loads(view(HEALTHY, {}, relaxed))

    assert gpu["status"] == "idle"
    assert gpu["debug_info"] == {
        "gpu_util_threshold": "5.0% < 50.0%",
        "power_threshold": "119.4W <= 200.0W",
        "memory_util_threshold": "47.7% < 90.0%",
        "clock_threshold": "1695MHz <= 1995MHz",
        "temp_threshold": "55.0°C <= 80.0°C",
        "is_active": False,
    }
