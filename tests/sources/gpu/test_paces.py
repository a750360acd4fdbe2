"""How often expensive values are read; the cost of monitoring a GPU depends on it."""

from __future__ import annotations

from agent.sources.gpu import paces


def test_expensive_values_are_read_at_these_paces() -> None:
    assert {name: pace for name, pace in vars(paces).items() if name.endswith("_PACE")} == {
        "PROCESS_PACE": 2,
        "SLOW_PACE": 5,
        "DETAIL_PACE": 10,
        "COUNTERS_PACE": 10,
        "SETTINGS_PACE": 30,
        "ERRORS_PACE": 30,
        "NVLINK_FACTS_PACE": 60,
        "FIXED_PACE": 300,
        "UNWATCHED_PACE": 60,
        "INFOROM_PACE": 3600,
    }
