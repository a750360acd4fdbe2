"""The modes that one GPU is in."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import Modes
from agent.sources.nvml import query_or_none


def read_modes(handle: Any) -> Modes:
    """NVML: see the fields of Modes."""
    persistence_mode = query_or_none("nvmlDeviceGetPersistenceMode", handle)
    return Modes(
        performance_state=_performance_state(query_or_none("nvmlDeviceGetPerformanceState", handle)),
        persistence_mode=None if persistence_mode is None else bool(persistence_mode),
        compute_mode=query_or_none("nvmlDeviceGetComputeMode", handle),
    )


def _performance_state(state: int | None) -> int | None:
    return None if state == pynvml.NVML_PSTATE_UNKNOWN else state
