"""The modes that one GPU is in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ComputeMode(IntEnum):
    """Who may run CUDA on a GPU (NVML: nvmlComputeMode_t)."""

    DEFAULT = 0
    EXCLUSIVE_THREAD = 1
    PROHIBITED = 2
    EXCLUSIVE_PROCESS = 3


class VirtualizationMode(IntEnum):
    """How a GPU is virtualized (NVML: nvmlGpuVirtualizationMode_t)."""

    NONE = 0
    PASSTHROUGH = 1  # as a whole that of this virtual machine
    VGPU = 2  # a part of it is this virtual machine's
    HOST_VGPU = 3  # this host shares it out among virtual machines
    HOST_VSGA = 4


class AddressingMode(IntEnum):
    """How a GPU reaches the memory of the host's processes (NVML: nvmlDeviceAddressingModeType_t)."""

    NONE = 0
    HMM = 1  # heterogeneous memory management: the kernel moves pages
    ATS = 2  # address translation service: the hardware follows the page tables


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes of the GPU."""

    performance_state: int | None = None  # nvmlDeviceGetPerformanceState: 0 the fastest, 15 the slowest
    persistence_mode: bool | None = None  # nvmlDeviceGetPersistenceMode
    compute_mode: int | None = None  # nvmlDeviceGetComputeMode: one of ComputeMode, or newer than it
    # nvmlDeviceGetVirtualizationMode: one of VirtualizationMode, or newer than it
    virtualization_mode: int | None = None
    addressing_mode: int | None = None  # nvmlDeviceGetAddressingMode: one of AddressingMode, or newer
