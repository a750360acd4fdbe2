"""How often what is expensive is read: the cost of a GPU rests on it."""

from __future__ import annotations

from agent.sources.gpu import paces


def test_what_is_expensive_is_read_after_so_many_seconds() -> None:
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
