"""The driver as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class GpuCensus:
    """The values that the driver's number of GPUs is judged by."""

    expected: int = 0  # as set; 0: any number will do
    seen: int = 0  # the most that were counted at once since the agent started
    is_confirmed: bool = True  # False: fewer are counted, and a new contact with the driver may find more


@dataclass(frozen=True, slots=True)
class DriverReading:
    """What the driver reports about itself (NVML: nvmlSystemGet*, nvmlDeviceGetCount_v2)."""

    gpu_count: int
    driver_version: str | None = None
    cuda_version: str | None = None
    nvml_version: str | None = None
    pci_bus_ids: tuple[str, ...] = ()  # of all NVIDIA GPUs by /sys/bus/pci, which this driver may have


class RuntimePower(NamedTuple):
    """Whether the GPUs of a host sleep, if all of them may (/sys/bus/pci/devices/*/power)."""

    bus_ids: tuple[str, ...]  # as NVML writes them, in its order
    are_suspended: bool  # all of them
