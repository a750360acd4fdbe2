"""One GPU through NVML: what a sample costs is decided here.

Cheap values are read every time, dear ones on a slower pace, identity once. The first call of each sample is
made with errors raised, so that a GPU that is lost, forbidden or only lacks a function are told apart.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pynvml

from agent.readings import GpuIdentity, GpuReading, SourceError
from agent.sources.gpm import GpmSource
from agent.sources.gpu_processes import GpuProcessSource
from agent.sources.mig import read_mig_instances
from agent.sources.nvml import ask, byte_count, demand
from agent.sources.pcie import PcieSource

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds between two reads of a dear value. Reported costs on real drivers: a process list 2 to 10 ms, a fan
# 0.14 ms (MangoHud#2104); at one sample a second the rest stays below that.
PROCESS_PACE = 2.0
SLOW_PACE = 5.0

Value = TypeVar("Value")


class Paced(Generic[Value]):
    """Reads anew only when the last value is `pace` seconds old."""

    def __init__(self, pace: float, read: Callable[[], Value]) -> None:
        self._read = read
        self._pace = pace - 0.1  # samples come on a grid with some jitter: do not miss one by a millisecond
        self._value: Value
        self._read_at = float("-inf")

    def get(self, now: float) -> Value:
        """The value, at most `pace` old at `now` (seconds of the monotonic clock)."""
        if now - self._read_at >= self._pace:
            self._value = self._read()
            self._read_at = now
        return self._value


class GpuSource:
    """Reads the GPU with this index. One thread owns it, and its NVML handle never leaves it."""

    def __init__(
        self,
        index: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.index = index
        self._clock = clock
        self._now = now
        self._contact: _Contact | None = None

    def read(self) -> GpuReading:
        """One sample. Raises SourceError with NVML's own words if the GPU as a whole cannot be read."""
        try:
            if self._contact is None:
                self._contact = _Contact(self.index, self._clock, self._now)
            return self._contact.sample()
        except pynvml.NVMLError as error:
            # A handle made before a reset or a reload never recovers: the next read makes a new one.
            self.release()
            raise SourceError(_why(error)) from error

    def afterwards(self) -> None:
        """What takes long and nobody should wait for: measured after the sample, shown in the next."""
        if self._contact is not None:
            self._contact.pcie.measure(self._clock())

    def release(self) -> None:
        """Let go of the handle and all that hangs on it, before NVML is shut down."""
        contact, self._contact = self._contact, None
        if contact is not None:
            contact.gpm.release()


class _Contact:
    """A GPU behind one NVML handle, for as long as that handle is good."""

    def __init__(self, index: int, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._clock = clock
        self._now = now
        handle = self._handle = demand("nvmlDeviceGetHandleByIndex", index)
        memory = demand("nvmlDeviceGetMemoryInfo", handle)
        self._identity = GpuIdentity(
            uuid=ask("nvmlDeviceGetUUID", handle),
            name=ask("nvmlDeviceGetName", handle),
            memory_total_bytes=byte_count(memory, "total")
            or None,  # unified memory (GB10) has no total, or says 0
            max_graphics_clock_mhz=ask("nvmlDeviceGetMaxClockInfo", handle, pynvml.NVML_CLOCK_GRAPHICS),
            max_memory_clock_mhz=ask("nvmlDeviceGetMaxClockInfo", handle, pynvml.NVML_CLOCK_MEM),
            pcie_max_generation=ask("nvmlDeviceGetMaxPcieLinkGeneration", handle),
            pcie_max_width=ask("nvmlDeviceGetMaxPcieLinkWidth", handle),
        )
        self.pcie = PcieSource(handle)
        self.gpm = GpmSource(handle)
        self._processes = GpuProcessSource(handle, now)
        self._paced_processes = Paced(PROCESS_PACE, self._processes.read)
        self._paced_slow = Paced(SLOW_PACE, self._read_slow)
        self._paced_mig = Paced(SLOW_PACE, lambda: read_mig_instances(handle))

    def sample(self) -> GpuReading:
        handle = self._handle
        started, sampled_at = self._clock(), self._now()
        memory = demand("nvmlDeviceGetMemoryInfo", handle)
        utilization = ask("nvmlDeviceGetUtilizationRates", handle)
        gpm = self.gpm.sample(started)
        pcie = self.pcie.sample(started)
        processes = self._paced_processes.get(started)
        mig_instances = self._paced_mig.get(started)
        if mig_instances:  # the parent's own list is empty, or only for root: its instances know
            processes = tuple(process for instance in mig_instances for process in instance.processes)
        unified = self._identity.memory_total_bytes is None
        return GpuReading(
            sampled_at=sampled_at,
            sampled_monotonic=started,
            identity=self._identity,
            memory_used_bytes=None if unified else byte_count(memory, "used"),
            memory_free_bytes=None if unified else byte_count(memory, "free"),
            gpu_utilization_percent=_percent(utilization, "gpu"),
            memory_controller_percent=_percent(utilization, "memory"),
            gpm_supported=self.gpm.supported,
            sm_activity_percent=gpm.sm_activity_percent,
            dram_activity_percent=gpm.dram_activity_percent,
            temperature_celsius=ask("nvmlDeviceGetTemperature", handle, pynvml.NVML_TEMPERATURE_GPU),
            power_watts=_watts(ask("nvmlDeviceGetPowerUsage", handle)),
            graphics_clock_mhz=ask("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_GRAPHICS),
            memory_clock_mhz=ask("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_MEM),
            pcie_tx_kib_per_second=pcie.tx_kib_per_second,
            pcie_rx_kib_per_second=pcie.rx_kib_per_second,
            clocks_event_reasons=_clocks_event_reasons(handle),
            processes=processes,
            mig_instances=mig_instances,
            **self._paced_slow.get(started),
        )

    def _read_slow(self) -> dict[str, Any]:
        handle = self._handle
        return {
            "power_limit_watts": _watts(ask("nvmlDeviceGetPowerManagementLimit", handle)),
            "pcie_generation": ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
            "pcie_width": ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
            "fan_speed_percent": ask("nvmlDeviceGetFanSpeed", handle),
            "fan_speed_rpm": ask("nvmlDeviceGetFanSpeedRPM", handle),
        }


def _clocks_event_reasons(handle: Any) -> int | None:
    reasons = ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:  # drivers before R535 know it by its old name
        reasons = ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return None if reasons is None else int(reasons)


def _percent(struct: Any, field: str) -> int | None:
    """A percentage out of an NVML struct; some drivers answer garbage above 100."""
    value = getattr(struct, field, None)
    return int(value) if value is not None and value <= 100 else None


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _why(error: pynvml.NVMLError) -> str:
    match error:
        case pynvml.NVMLError_GpuIsLost():
            return (
                "The GPU is lost: it fell off the bus, or the driver cannot reach it; see dmesg for its XID"
            )
        case pynvml.NVMLError_NoPermission():
            return "No permission to read the GPU; this user, or this container, may not open its device file"
        case pynvml.NVMLError_ResetRequired():
            return "The GPU requires a reset: nvidia-smi --gpu-reset"
        case _:
            return f"The driver does not let the GPU be read: {error}"
