"""One GPU as the driver reports it: a dataclass for each subject, in the file of that name."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.readings.gpu.clocks import Clocks
from agent.readings.gpu.engines import Engines
from agent.readings.gpu.fabric import Fabric
from agent.readings.gpu.fans import Fans
from agent.readings.gpu.gpm import Gpm
from agent.readings.gpu.identity import GpuIdentity
from agent.readings.gpu.inforom import Inforom
from agent.readings.gpu.memory import Memory
from agent.readings.gpu.memory_errors import MemoryErrors
from agent.readings.gpu.mig import Mig
from agent.readings.gpu.modes import Modes
from agent.readings.gpu.nvlink import NvLinks
from agent.readings.gpu.pcie import Pcie
from agent.readings.gpu.power import Power
from agent.readings.gpu.recovery import Recovery
from agent.readings.gpu.thermal import Thermal
from agent.readings.gpu.throttling import Throttling
from agent.readings.gpu.utilization import Utilization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings.gpu.processes import GpuProcess
    from agent.readings.gpu.unknown import Unknown


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one moment."""

    sampled_since_boot: float  # seconds, suspended or not
    identity: GpuIdentity = field(default_factory=GpuIdentity)
    memory: Memory = field(default_factory=Memory)
    utilization: Utilization = field(default_factory=Utilization)
    gpm: Gpm = field(default_factory=Gpm)
    engines: Engines = field(default_factory=Engines)
    power: Power = field(default_factory=Power)
    clocks: Clocks = field(default_factory=Clocks)
    throttling: Throttling = field(default_factory=Throttling)
    thermal: Thermal = field(default_factory=Thermal)
    fans: Fans = field(default_factory=Fans)
    pcie: Pcie = field(default_factory=Pcie)
    nvlink: NvLinks = field(default_factory=NvLinks)
    fabric: Fabric = field(default_factory=Fabric)
    memory_errors: MemoryErrors = field(default_factory=MemoryErrors)
    inforom: Inforom = field(default_factory=Inforom)
    modes: Modes = field(default_factory=Modes)
    recovery: Recovery = field(default_factory=Recovery)
    processes: tuple[GpuProcess, ...] | None = None  # None: the driver does not report it
    process_list_is_partial: bool = False  # the driver refused a list: there may be more processes
    mig: Mig = field(default_factory=Mig)
    # By the field of this reading: "power.usage_watts"; of a list by its name: "fans.each".
    unknown: Mapping[str, Unknown] = field(default_factory=lambda: MappingProxyType({}))
    # Of class `failed` since the agent started, by NVML function and NVML's symbol of its return code.
    driver_errors: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def knows_all_processes(self) -> bool:
        """Whether `processes` has all processes on the GPU."""
        return self.processes is not None and not self.process_list_is_partial

    def lasting(self) -> GpuReading:
        """The values that stay valid while the GPU cannot be read; everything else is unknown."""
        return GpuReading(
            self.sampled_since_boot,
            identity=GpuIdentity(self.identity.uuid, self.identity.name, self.identity.pci_bus_id),
            memory=Memory(total_bytes=self.memory.total_bytes),
            clocks=Clocks(
                max_graphics_mhz=self.clocks.max_graphics_mhz, max_memory_mhz=self.clocks.max_memory_mhz
            ),
            pcie=Pcie(
                max_generation=self.pcie.max_generation,
                max_width=self.pcie.max_width,
                port_width=self.pcie.port_width,
                widest_under_load=self.pcie.widest_under_load,
            ),
            driver_errors=self.driver_errors,
        )
