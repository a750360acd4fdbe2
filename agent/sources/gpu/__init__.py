"""One GPU through NVML: what a sample costs is decided here.

Cheap values are read every time, dear ones on a slower pace, identity once. The first call of each sample is
made with errors raised, so that a GPU that is lost, forbidden or only lacks a function are told apart.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import GpuIdentity, GpuReading, SourceError
from agent.sources.board import read_board
from agent.sources.condition import read_condition
from agent.sources.gpm import GpmSource
from agent.sources.gpu_processes import read_processes
from agent.sources.memory_errors import read_memory_errors
from agent.sources.mig import read_mig_instances
from agent.sources.nvlink import NvLinkSource, read_bus_id
from agent.sources.nvml import ask, byte_count, demand, watts
from agent.sources.paced import Paced
from agent.sources.pcie import PcieSource
from agent.sources.rates import gap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.readings import GpuProcess

# What never changes while a GPU stays in its slot: field of GpuIdentity, NVML function, its arguments.
_IDENTITY: Mapping[str, tuple[Any, ...]] = {
    "uuid": ("nvmlDeviceGetUUID",),
    "name": ("nvmlDeviceGetName",),
    "max_graphics_clock_mhz": ("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_GRAPHICS),
    "max_memory_clock_mhz": ("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_MEM),
    "pcie_max_generation": ("nvmlDeviceGetMaxPcieLinkGeneration",),
    "pcie_max_width": ("nvmlDeviceGetMaxPcieLinkWidth",),
}

# Seconds between two reads of a dear value. Reported costs on real drivers: a process list 2 to 10 ms, a fan
# 0.14 ms (MangoHud#2104); at one sample a second the rest stays below that.
PROCESS_PACE = 2.0
SLOW_PACE = 5.0
ERRORS_PACE = 30.0  # a dozen calls, some of which read the GPU's InfoROM
BOARD_PACE = 300.0  # it does not change, but a call may have failed in passing


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
            with contextlib.suppress(pynvml.NVMLError):  # the next read says what is wrong
                self._contact.pcie.measure(self._clock())

    def release(self) -> None:
        """Let go of the handle and all that hangs on it, before NVML is shut down."""
        contact, self._contact = self._contact, None
        if contact is not None:
            contact.gpm.release()


class _Contact:
    """A GPU behind one NVML handle, for as long as that handle is good."""

    def __init__(self, index: int, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._index = index
        self._clock = clock
        self._now = now
        handle = self._handle = demand("nvmlDeviceGetHandleByIndex", index)
        self._identity: dict[str, Any] = {}
        self.pcie = PcieSource(handle)
        self.gpm = GpmSource(handle)
        self._processes_read_at = float("-inf")
        self._paced_processes = Paced(PROCESS_PACE, self._read_processes)
        self._paced_identity = Paced(SLOW_PACE, self._read_identity)
        self._paced_slow = Paced(SLOW_PACE, self._read_slow)
        self._paced_mig = Paced(SLOW_PACE, lambda: read_mig_instances(handle))
        self._nvlinks = NvLinkSource(handle)
        self._paced_nvlinks = Paced(SLOW_PACE, lambda: self._nvlinks.read(clock()))
        self._paced_board = Paced(BOARD_PACE, lambda: read_board(handle))
        self._paced_errors = Paced(ERRORS_PACE, lambda: read_memory_errors(handle))

    def sample(self) -> GpuReading:
        handle = self._handle
        started, sampled_at = self._clock(), self._now()
        memory = self._read_memory()
        total = byte_count(memory, "total") or None  # unified memory (GB10) has no total, or says 0
        utilization = ask("nvmlDeviceGetUtilizationRates", handle)
        gpm = self.gpm.sample(started)
        pcie = self.pcie.sample(started)
        processes = self._paced_processes.get(started)
        mig_instances = self._paced_mig.get(started)
        if mig_instances:  # the parent's own list is empty, or only for root: its instances know
            processes = tuple(process for instance in mig_instances for process in instance.processes)
        return GpuReading(
            sampled_at=sampled_at,
            sampled_monotonic=started,
            identity=GpuIdentity(memory_total_bytes=total, **self._paced_identity.get(started)),
            memory_used_bytes=byte_count(memory, "used") if total else None,
            memory_free_bytes=byte_count(memory, "free") if total else None,
            gpu_utilization_percent=_percent(utilization, "gpu"),
            memory_controller_percent=_percent(utilization, "memory"),
            gpm_supported=self.gpm.supported,
            sm_activity_percent=gpm.sm_activity_percent,
            sm_occupancy_percent=gpm.sm_occupancy_percent,
            tensor_activity_percent=gpm.tensor_activity_percent,
            dram_activity_percent=gpm.dram_activity_percent,
            temperature_celsius=ask("nvmlDeviceGetTemperature", handle, pynvml.NVML_TEMPERATURE_GPU),
            power_watts=watts(ask("nvmlDeviceGetPowerUsage", handle)),
            graphics_clock_mhz=ask("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_GRAPHICS),
            memory_clock_mhz=ask("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_MEM),
            pcie_tx_kib_per_second=pcie.tx_kib_per_second,
            pcie_rx_kib_per_second=pcie.rx_kib_per_second,
            clocks_event_reasons=_clocks_event_reasons(handle),
            board=self._paced_board.get(started),
            memory_errors=self._paced_errors.get(started),
            nvlinks=self._paced_nvlinks.get(started),
            most_nvlinks_active=self._nvlinks.most_active,
            processes=processes,
            mig_enabled=mig_instances is not None,
            mig_instances=mig_instances or (),
            **self._paced_slow.get(started),
        )

    def _read_processes(self) -> tuple[GpuProcess, ...] | None:
        """With the utilization since the list before, so that no work between two lists is missed."""
        at = self._clock()
        # By the monotonic clock: NVML's time stamps are of a clock that may be set back.
        look_back = gap(self._processes_read_at, at) or 0.0
        self._processes_read_at = at
        return read_processes(self._handle, self._now(), max(look_back, PROCESS_PACE))

    def _read_memory(self) -> Any:
        """The first call of a sample, which tells whether the GPU as a whole can be read."""
        try:
            return demand("nvmlDeviceGetMemoryInfo", self._handle)
        except pynvml.NVMLError_NoPermission:
            # In a container with a part of a GPU (MIG) the memory of the whole may be forbidden alone.
            demand("nvmlDeviceGetHandleByIndex", self._index)
            return None

    def _read_identity(self) -> Mapping[str, Any]:
        """Once; where there was no answer again, for a call may fail in passing."""
        for field, (function, *arguments) in _IDENTITY.items():
            if self._identity.get(field) is None:
                self._identity[field] = ask(function, self._handle, *arguments)
        if self._identity.get("pci_bus_id") is None:
            self._identity["pci_bus_id"] = read_bus_id(self._handle)
        return self._identity

    def _read_slow(self) -> dict[str, Any]:
        handle = self._handle
        return {
            "power_limit_watts": watts(ask("nvmlDeviceGetPowerManagementLimit", handle)),
            "pcie_generation": ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
            "pcie_width": ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
            "fan_speed_percent": ask("nvmlDeviceGetFanSpeed", handle),
            "fan_speed_rpm": ask("nvmlDeviceGetFanSpeedRPM", handle),
            "compute_mode": ask("nvmlDeviceGetComputeMode", handle),
            "condition": read_condition(handle, self._paced_board.get(self._clock()).fan_count),
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
