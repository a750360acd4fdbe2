"""The processes on one GPU."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProcessType(StrEnum):
    """How a process uses a GPU, by NVML's two process lists."""

    COMPUTE = "C"
    GRAPHICS = "G"
    BOTH = "C+G"


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds a context on a GPU.

    NVML: nvmlDeviceGetComputeRunningProcesses, nvmlDeviceGetGraphicsRunningProcesses and
    nvmlDeviceGetMPSComputeRunningProcesses.
    """

    pid: int
    type: ProcessType
    gpu_memory_bytes: int | None = None
    # nvmlDeviceGetProcessUtilization or nvmlDeviceGetProcessesUtilizationInfo, as the three below
    sm_utilization_percent: int | None = None
    memory_utilization_percent: int | None = None  # time in which its accesses kept DRAM busy
    encoder_utilization_percent: int | None = None
    decoder_utilization_percent: int | None = None
    mps: bool = False  # it is listed as a client of MPS

    @property
    def works(self) -> bool:
        """Whether any work is reported; False does not mean idle if nothing is reported."""
        return bool(
            self.sm_utilization_percent
            or self.memory_utilization_percent
            or self.encoder_utilization_percent
            or self.decoder_utilization_percent
        )
