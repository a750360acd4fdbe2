"""The driver as a whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriverReading:
    """What the driver says about itself (NVML: nvmlSystemGet*, nvmlDeviceGetCount_v2)."""

    gpu_count: int
    driver_version: str | None = None
    cuda_version: str | None = None
    nvml_version: str | None = None
    pci_bus_ids: tuple[str, ...] = ()  # of all NVIDIA GPUs by /sys/bus/pci, which this driver may have
