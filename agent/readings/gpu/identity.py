"""Which GPU this is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Architecture(IntEnum):
    """The generation of a GPU (NVML: nvmlDeviceArchitecture_t)."""

    KEPLER = 2
    MAXWELL = 3
    PASCAL = 4
    VOLTA = 5
    TURING = 6
    AMPERE = 7
    ADA_LOVELACE = 8
    HOPPER = 9
    BLACKWELL = 10
    RUBIN = 13


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
    architecture: int | None = None  # nvmlDeviceGetArchitecture: one of Architecture, or newer than it
    gsp_firmware_version: str | None = None  # nvmlDeviceGetGspFirmwareVersion: GPU system processor
    gsp_firmware_enabled: bool | None = None  # nvmlDeviceGetGspFirmwareMode
