"""The Snapshot: everything known at one moment, with the results of earlier moments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from agent.readings.driver import GpuCensus
from agent.readings.gpu import GpuReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.readings.driver import DriverReading
    from agent.readings.gpu.identity import GpuIdentity
    from agent.readings.gpu.xid import XidCount
    from agent.readings.host import HostProcess, HostReading, ProcessesReading
    from agent.readings.kernel_log import KernelLogReading


class GpuState(StrEnum):
    """Whether a GPU's values are live, old or missing."""

    STARTING = "starting"  # no reading yet
    ASLEEP = "asleep"  # suspended by runtime power management; the agent does not wake it
    OK = "ok"
    STALE = "stale"  # no answer for two sample intervals; past three of the longest interval without values
    STUCK = "stuck"  # a driver call has not returned for SAMPLE_TIMEOUT
    LOST = "lost"  # the driver refuses: fallen off the bus, no permission, ...


_NOTHING = GpuReading(sampled_since_boot=0.0)


@dataclass(frozen=True, slots=True)
class GpuSample:
    """A GPU as a Snapshot shows it. `reading` is None while no value may be shown as current."""

    index: int
    state: GpuState
    reading: GpuReading | None = None
    lasting: GpuReading | None = None  # values that are known without a reading
    sampled_at: float | None = None  # seconds since the epoch, of the last reading, shown or not
    age_ms: int | None = None  # of the last reading, shown or not, when the Snapshot was assembled
    error: str | None = None  # one sentence, only for a GPU that could not be read
    seconds: float | None = None  # that `reading` took in the driver
    todo: str | None = None  # what to do about `error`
    # By code, since the agent started, or as far back as the kernel log reaches; None: not observed.
    xids: Mapping[int, XidCount] | None = None
    before: GpuSample | None = None  # as it was last read; only for a GPU that is, or may be, asleep

    @property
    def as_last_read(self) -> GpuSample:
        """A GPU that is, or may be, asleep as it was before; any other as it is now."""
        return self if self.before is None else replace(self.before, xids=self.xids)

    @property
    def values(self) -> GpuReading:
        """The values that are current; without a reading, one in which every live value is unknown."""
        return self.reading or self.lasting or _NOTHING

    @property
    def identity(self) -> GpuIdentity:
        """The identity of the GPU, also while it cannot be read."""
        return self.values.identity


class ProcessUse(NamedTuple):
    """The use of one GPU by a process, as far as it was observed.

    A tuple, because one is made for each process and Snapshot: a frozen dataclass takes three times as long.
    """

    first_seen_at: float  # seconds since the epoch
    gpu_seconds_held: float
    gpu_seconds_used: float | None = None  # SM utilization times time; None: never reported
    idle_seconds: float | None = None  # held memory without work, up to now; None: not reported
    uid: int | None = (
        None  # the owner's number, also while the host no longer reports it; None: never reported
    )


@dataclass(frozen=True, slots=True)
class UserUse:
    """The use of all GPUs by a user's processes since the agent started."""

    gpu_seconds_held: float  # a GPU counts once, however many processes of the user are on it
    gpu_seconds_used: float | None = None  # SM utilization (at most 100 %) times time; None: never reported
    gpu_seconds_told: float = 0.0  # those held for which the utilization was reported, which `used` covers
    uids: tuple[int, ...] = ()  # the numbers of the users who have this name


@dataclass(frozen=True, slots=True)
class Lately:
    """Conditions of one GPU over time, as far as it was observed; see agent/sampling/lately.py."""

    low_margin_seconds: float = 0.0  # its margin has been too low for the hardware, up to now
    slowed_by_heat_seconds: float = 0.0  # of the last five minutes
    slowed_by_brake_seconds: float = 0.0  # likewise, by the power brake
    fabric_pending_seconds: float = 0.0  # the registration with the fabric has not ended, up to now
    nvlink_recoveries: int = 0  # of all its links, in the last hour


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """Values that depend on earlier Snapshots."""

    processes: Mapping[tuple[str, int], ProcessUse] = field(default_factory=dict)  # by GPU UUID and pid
    users: Mapping[str | None, UserUse] = field(default_factory=dict)  # by name; None: owner unknown
    # By GPU UUID, of the last 60 s; None: not reported.
    peak_utilization_percent: Mapping[str, int | None] = field(default_factory=dict)
    # By GPU UUID, of the samples of the last 60 s without a listed process; absent: too few of them count.
    unlisted_peak_utilization_percent: Mapping[str, int] = field(default_factory=dict)
    # By GPU UUID, whether nothing uses it that would explain its utilization; absent: no.
    ghost_utilization: Mapping[str, bool] = field(default_factory=dict)
    # By GPU UUID, seconds since the epoch; absent: it works, or its utilization is not reported.
    idle_since: Mapping[str, float] = field(default_factory=dict)
    # By GPU UUID; absent: it cannot be read.
    lately: Mapping[str, Lately] = field(default_factory=dict)
    began_at: float | None = None  # since when all this is counted, seconds since the epoch


@dataclass(frozen=True, slots=True)
class Topology:
    """How the GPUs of a host are connected by PCIe (NVML: nvmlDeviceGetTopologyCommonAncestor).

    `levels[i][j]` is NVML's nvmlGpuTopologyLevel_t between GPU i and GPU j; None: unknown.
    """

    levels: tuple[tuple[int | None, ...], ...]

    @property
    def is_complete(self) -> bool:
        """Whether every pair is known."""
        return all(
            level is not None
            for one, row in enumerate(self.levels)
            for other, level in enumerate(row)
            if one != other
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known at one moment; immutable, shared by every view.

    All its times of day use the wall clock as it was set at that moment, so they are consistent.
    """

    taken_at: float  # seconds since the epoch
    taken_monotonic: float  # start of the sampling round, seconds of the monotonic clock
    driver: DriverReading | None = None  # None: no contact
    driver_error: str | None = None  # one sentence: what is wrong and what to do; None before first contact
    gpus: tuple[GpuSample, ...] = ()
    census: GpuCensus = field(default_factory=GpuCensus)
    host: HostReading | None = None  # None: not read, or too long ago
    processes: ProcessesReading | None = None  # as `host`
    topology: Topology | None = None  # None: not reported, or not yet
    kernel_log: KernelLogReading | None = None  # None: it is not wanted
    not_offered: tuple[str, ...] = ()  # indices and UUIDs of GPUs that the operator keeps out of /free
    simulated: bool = False
    driver_calls: int | None = None  # made since the agent started
    stuck_calls: int = 0  # driver calls that do not return
    driver_is_stuck: bool = False  # contact cannot be made; `driver` is of the previous one, or None
    ledger: LedgerReading | None = None  # None: HISTORY_INTERVAL is 0
    taken_since_boot: float = 0.0  # `taken_at`, in seconds since the machine booted, suspended or not

    @property
    def booted_at(self) -> float:
        """When the machine booted, seconds since the epoch; plus a time since boot: a time of day."""
        return self.taken_at - self.taken_since_boot

    @property
    def host_processes(self) -> Mapping[int, HostProcess]:
        """The processes on GPUs as the host reports them, by pid; empty if it does not."""
        return self.processes.gpu_processes if self.processes else {}


@dataclass(frozen=True, slots=True)
class GpuSeries:
    """One GPU over time: a value for each moment of its HistoryReading; None: unknown then."""

    index: int
    uuid: str | None
    columns: Mapping[str, Sequence[float | None]]  # by the field of a GpuReading: "power.usage_watts"


@dataclass(frozen=True, slots=True)
class HistoryReading:
    """The history of GPUs and host, the oldest first."""

    taken_at: tuple[float, ...] = ()  # seconds since the epoch
    gpus: Sequence[GpuSeries] = ()  # each is put together when it is asked for
    # By the field of a HostReading: "cpu_percent"; a value for each moment, as in GpuSeries.
    host: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
