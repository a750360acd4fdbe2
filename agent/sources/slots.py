"""The slots of the GPUs, from /sys; NVML does not report them."""

from __future__ import annotations

from typing import Protocol

from agent.sources.pci import DEVICES, SYS, as_the_kernel_writes
from agent.sources.procfs import MAX_BYTES, PROC, read_beginning

# The flags stand in the first of the processors, and take some 2 KiB.
MAX_CPUINFO_BYTES = 8192
# PCIe knows no more. The kernel says 0 where there is no link, and 255 where it cannot be read.
MAX_LANES = 32
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6, 128.0: 7}  # by gigatransfers a second


class Slots(Protocol):
    """The interface: slots of this machine."""

    def port_width(self, bus_id: str, /) -> int | None:
        """The most lanes of the port above the GPU at this PCI bus id of NVML; None: unknown."""

    def port_generation(self, bus_id: str, /) -> int | None:
        """The highest PCIe generation of that port; None: unknown."""

    def are_virtual(self) -> bool:
        """Whether this is a virtual machine, whose ports are not those that the cards are plugged into."""


class HostSlots:
    """The slots of the host."""

    def __init__(self, sys_root: str = SYS, proc_root: str = PROC) -> None:
        self._sys_root = sys_root
        self._proc_root = proc_root

    def port_width(self, bus_id: str) -> int | None:
        """From `max_link_width`: the capability of the port, not its wiring."""
        try:
            width = int(self._read_port_file(bus_id, "max_link_width"))
        except (OSError, ValueError):
            return None
        return width if 0 < width <= MAX_LANES else None

    def port_generation(self, bus_id: str) -> int | None:
        """From `max_link_speed`: "32.0 GT/s PCIe", "8 GT/s" of older kernels, or "Unknown"."""
        try:
            return _GENERATIONS.get(float(self._read_port_file(bus_id, "max_link_speed").partition(b" ")[0]))
        except (OSError, ValueError):
            return None

    def _read_port_file(self, bus_id: str, name: str) -> bytes:
        """A file of the port above the GPU. Raises OSError and ValueError."""
        device = as_the_kernel_writes(bus_id)
        if device is None:
            raise ValueError(f"{bus_id!r} is no PCI bus id.")
        # The device is a link into /sys/devices, where each device lies in the folder of its port.
        return read_beginning(f"{self._sys_root}/{DEVICES}/{device}/../{name}", MAX_BYTES).data

    def are_virtual(self) -> bool:
        """By the flag `hypervisor` of /proc/cpuinfo, which x86 has; False where it cannot be read."""
        try:
            data = read_beginning(f"{self._proc_root}/cpuinfo", MAX_CPUINFO_BYTES).up_to(b" ")
        except OSError:
            return False
        flags = next((line for line in data.splitlines() if line.startswith(b"flags")), b"")
        return b"hypervisor" in flags.partition(b":")[2].split()


# A simulation replaces this, as it does with the NVML library.
in_place: Slots = HostSlots()
