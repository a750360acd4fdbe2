"""Which GPU this is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """What never changes while a GPU stays in its slot."""

    uuid: str | None = None  # nvmlDeviceGetUUID
    name: str | None = None  # nvmlDeviceGetName
    pci_bus_id: str | None = None  # nvmlDeviceGetPciInfo_v3: "00000000:3B:00.0"
    serial: str | None = None  # nvmlDeviceGetSerial, of the board
    part_number: str | None = None  # nvmlDeviceGetBoardPartNumber
    vbios_version: str | None = None  # nvmlDeviceGetVbiosVersion
    compute_capability: tuple[int, int] | None = None  # nvmlDeviceGetCudaComputeCapability
