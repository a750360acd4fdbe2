"""The slots that the simulated GPUs are plugged into, which the real ones have in /sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulation.library import SimulatedLibrary


class SimulatedSlots:
    """Slots of the GPUs of this library; see agent/sources/slots.py."""

    def __init__(self, library: SimulatedLibrary) -> None:
        self._library = library

    def port_width(self, of: str, /) -> int | None:
        """The `port_width` of the GPU with this bus id."""
        return next((gpu.port_width for gpu in self._library.gpus if gpu.values.bus_id == of), None)

    def port_generation(self, of: str, /) -> int | None:
        """The `port_generation` of the GPU with this bus id."""
        return next((gpu.port_generation for gpu in self._library.gpus if gpu.values.bus_id == of), None)

    def are_virtual(self) -> bool:
        """Whether the library is a virtual machine's."""
        return self._library.has_hypervisor
