"""What was measured: frozen values with their unit in their name. `None` means the driver did not tell."""

from agent.readings.gpu import (
    NVSWITCH,
    Board,
    ComputeMode,
    Condition,
    DriverReading,
    Fan,
    GpuIdentity,
    GpuProcess,
    GpuReading,
    MemoryErrors,
    MigInstance,
    NvLink,
    ProcessType,
    RecoveryAction,
    RemapBanks,
)
from agent.readings.host import Belonging, DiskIo, HostProcess, HostReading, ProcessesReading
from agent.readings.snapshot import (
    GpuSample,
    GpuSeries,
    GpuState,
    HistoryReading,
    LedgerReading,
    ProcessUse,
    Snapshot,
    Topology,
    UserUse,
    XidCount,
)

__all__ = [
    "NVSWITCH",
    "Belonging",
    "Board",
    "ComputeMode",
    "Condition",
    "DiskIo",
    "DriverReading",
    "Fan",
    "GpuIdentity",
    "GpuProcess",
    "GpuReading",
    "GpuSample",
    "GpuSeries",
    "GpuState",
    "HistoryReading",
    "HostProcess",
    "HostReading",
    "LedgerReading",
    "MemoryErrors",
    "MigInstance",
    "NvLink",
    "ProcessType",
    "ProcessUse",
    "ProcessesReading",
    "RecoveryAction",
    "RemapBanks",
    "Snapshot",
    "SourceError",
    "Topology",
    "UserUse",
    "XidCount",
]


class SourceError(Exception):
    """A source could not be read; the message is one sentence for people."""
