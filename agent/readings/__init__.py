"""Readings: immutable measured values, with the unit in the name of each field. `None`: unknown.

`gpu/` has a file for each subject (power, NVLink, MIG ...), `host.py` the host and its processes, `agent.py`
the agent's own process, `snapshot.py` the Snapshot: all that is known at one moment, which every view and
every client shares. `troubles.py` is the table of what can be wrong with the driver or a GPU as a whole, and
what to do.
"""

from agent.readings.agent import AgentReading
from agent.readings.clock import local_day, local_zone, seconds_since_boot
from agent.readings.driver import DriverReading, GpuCensus, RuntimePower
from agent.readings.gpu import GpuReading
from agent.readings.gpu.clocks import Clocks
from agent.readings.gpu.engines import Engines
from agent.readings.gpu.fabric import Fabric, FabricConfiguration, FabricHealthSummary, FabricState
from agent.readings.gpu.fans import Fan, Fans
from agent.readings.gpu.gpm import Gpm
from agent.readings.gpu.identity import Architecture, GpuIdentity
from agent.readings.gpu.inforom import Inforom
from agent.readings.gpu.memory import Memory
from agent.readings.gpu.memory_errors import MemoryErrors, RemapBanks, SramSources
from agent.readings.gpu.mig import Mig, MigInstance
from agent.readings.gpu.modes import AddressingMode, ComputeMode, Modes, VirtualizationMode
from agent.readings.gpu.nvlink import NVSWITCH, PACKET_ERRORS, NvLink, NvLinks
from agent.readings.gpu.pcie import LinkSample, Pcie
from agent.readings.gpu.power import Power
from agent.readings.gpu.processes import GpuProcess, ProcessType
from agent.readings.gpu.recovery import Recovery, RecoveryAction
from agent.readings.gpu.thermal import Thermal
from agent.readings.gpu.throttling import Throttling
from agent.readings.gpu.unknown import Reason, Unknown
from agent.readings.gpu.utilization import Utilization
from agent.readings.gpu.xid import Blamed, XidCount, XidSource
from agent.readings.host import (
    Belonging,
    DiskIo,
    HostProcess,
    HostReading,
    Job,
    ProcessesReading,
    Scheduler,
)
from agent.readings.kernel_log import KernelLogReading, NvSwitch, SxidCount
from agent.readings.snapshot import (
    GpuSample,
    GpuSeries,
    GpuState,
    HistoryReading,
    Lately,
    LedgerReading,
    ProcessUse,
    Snapshot,
    Topology,
    UserUse,
)
from agent.readings.usage import GpuDay, UsageBy, UsageDays, UsageReading, UsageSums, UsageTotal, UserDay

__all__ = [
    "NVSWITCH",
    "PACKET_ERRORS",
    "AddressingMode",
    "AgentReading",
    "Architecture",
    "Belonging",
    "Blamed",
    "Clocks",
    "ComputeMode",
    "DiskIo",
    "DriverReading",
    "Engines",
    "Fabric",
    "FabricConfiguration",
    "FabricHealthSummary",
    "FabricState",
    "Fan",
    "Fans",
    "Gpm",
    "GpuCensus",
    "GpuDay",
    "GpuIdentity",
    "GpuProcess",
    "GpuReading",
    "GpuSample",
    "GpuSeries",
    "GpuState",
    "HistoryReading",
    "HostProcess",
    "HostReading",
    "Inforom",
    "Job",
    "KernelLogReading",
    "Lately",
    "LedgerReading",
    "LinkSample",
    "Memory",
    "MemoryErrors",
    "Mig",
    "MigInstance",
    "Modes",
    "NvLink",
    "NvLinks",
    "NvSwitch",
    "Pcie",
    "Power",
    "ProcessType",
    "ProcessUse",
    "ProcessesReading",
    "Reason",
    "Recovery",
    "RecoveryAction",
    "RemapBanks",
    "RuntimePower",
    "Scheduler",
    "Snapshot",
    "SourceError",
    "SramSources",
    "SxidCount",
    "Thermal",
    "Throttling",
    "Topology",
    "Unknown",
    "UsageBy",
    "UsageDays",
    "UsageReading",
    "UsageSums",
    "UsageTotal",
    "UserDay",
    "UserUse",
    "Utilization",
    "VirtualizationMode",
    "XidCount",
    "XidSource",
    "local_day",
    "local_zone",
    "seconds_since_boot",
]


class SourceError(Exception):
    """A source could not be read; the message is one sentence for people.

    `todo`: what to do about it, if the message does not say it. `code`: nvmlReturn_t, if NVML failed.
    `lasting`: values that stay known for a GPU that cannot be read.
    """

    def __init__(
        self,
        message: str,
        *,
        todo: str | None = None,
        code: int | None = None,
        lasting: GpuReading | None = None,
    ) -> None:
        super().__init__(message)
        self.todo = todo
        self.code = code
        self.lasting = lasting
