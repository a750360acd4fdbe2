"""The modes that one GPU is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Modes
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.paces import SETTINGS_PACE, SLOW_PACE
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment


class ModesSource:
    """The modes of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._performance_state = Paced(SLOW_PACE, lambda: _read_performance_state(handle))
        self._settings = Paced(SETTINGS_PACE, lambda: _read_settings(handle))
        self._fixed = Fixed(handle, lambda: _read_fixed(handle))

    def read(self, moment: Moment) -> Modes:
        """NVML: see the fields of Modes."""
        return Modes(
            performance_state=self._performance_state.get(moment.verdicts),
            **self._settings.get(moment.details),
            **self._fixed.get(moment.details),
        )


def _read_performance_state(handle: GpuHandle) -> int | None:
    state = handle.call("nvmlDeviceGetPerformanceState")
    return handle.take("modes.performance_state", state, _performance_state)


def _read_settings(handle: GpuHandle) -> dict[str, Any]:
    return {
        "persistence_mode": handle.take(
            "modes.persistence_mode", handle.call("nvmlDeviceGetPersistenceMode"), bool
        ),
        "compute_mode": handle.query("modes.compute_mode", "nvmlDeviceGetComputeMode"),
    }


def _read_fixed(handle: GpuHandle) -> dict[str, Any]:
    return {
        "virtualization_mode": handle.query("modes.virtualization_mode", "nvmlDeviceGetVirtualizationMode"),
        "addressing_mode": handle.query("modes.addressing_mode", "nvmlDeviceGetAddressingMode"),
    }


def _performance_state(state: int) -> int | None:
    return None if state == pynvml.NVML_PSTATE_UNKNOWN else state
