"""The runtime power management of simulated GPUs, which real ones have in /sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import RuntimePower

if TYPE_CHECKING:
    from agent.simulation.library import SimulatedLibrary


class SimulatedRuntimePower:
    """Runtime power of the GPUs of this library; see agent/sources/runtime_power.py."""

    def __init__(self, library: SimulatedLibrary) -> None:
        self._library = library

    def read(self) -> RuntimePower | None:
        """By `runtime_status` of each GPU; none of them may sleep while the kernel's driver is not loaded."""
        self._library.advance()
        gpus = [gpu for gpu in self._library.gpus if gpu.is_present]
        may_sleep = self._library.driver != "not_loaded" and all(gpu.runtime_status for gpu in gpus)
        if not gpus or not may_sleep:
            return None
        return RuntimePower(
            tuple(str(gpu.values.bus_id) for gpu in gpus),
            all(gpu.runtime_status == "suspended" for gpu in gpus),
        )
