"""The PCIe link of one GPU.

Throughput comes from byte counters where they can be trusted, else from the driver's 20 ms windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pynvml

from agent.readings import LinkSample, Pcie
from agent.sources import slots
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.once import Once
from agent.sources.gpu.paces import ERRORS_PACE, FIXED_PACE, SLOW_PACE
from agent.sources.gpu.ranges import RANGES
from agent.sources.gpu.seen import Seen
from agent.sources.gpu.unknown import Refusal
from agent.sources.paced_value import Paced
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

# nvmlDeviceGetPcieThroughput sleeps 20 ms per direction: at this pace 0.8 % of one thread's time.
WINDOW_PACE = 5.0

# A GPU of a virtual machine: passed through, or a part of one.
_VIRTUAL = frozenset(
    {pynvml.NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH, pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU}
)

# Of a port in a virtual machine, or one that is not in /sys.
_NOT_KNOWN = Refusal("nvmlDeviceGetVirtualizationMode", pynvml.NVML_SUCCESS)

_THROUGHPUT = {
    "pcie.tx_kib_per_second": pynvml.NVML_PCIE_UTIL_TX_BYTES,
    "pcie.rx_kib_per_second": pynvml.NVML_PCIE_UTIL_RX_BYTES,
}
_COUNTERS = [pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES]


@dataclass(frozen=True, slots=True)
class PcieThroughput:
    """`tx` leaves the GPU, `rx` enters it; KiB per second."""

    tx_kib_per_second: float | None = None
    rx_kib_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class PcieCounters:
    """Bytes since the driver was loaded, at one moment of the monotonic clock."""

    at: float
    tx_bytes: int
    rx_bytes: int


UNKNOWN = PcieThroughput()


def throughput(earlier: PcieCounters | None, later: PcieCounters) -> PcieThroughput:
    """The rate between two readings; unknown without a recent first one, or if a counter went back."""
    if earlier is None:
        return UNKNOWN
    seconds = gap(earlier.at, later.at)
    return PcieThroughput(
        _kib(rate(earlier.tx_bytes, later.tx_bytes, seconds)),
        _kib(rate(earlier.rx_bytes, later.rx_bytes, seconds)),
    )


def _can_be(width: int) -> bool:
    """Whether a link can have this many lanes, because garbage must not be remembered."""
    return RANGES["pcie.width"].can_be(width)


def _kib(size: float | None) -> float | None:
    return None if size is None else size / 1024


_ONCE: Mapping[str, Callable[[GpuHandle], int | None]] = {
    "max_generation": lambda handle: handle.query(
        "pcie.max_generation", "nvmlDeviceGetMaxPcieLinkGeneration"
    ),
    "max_width": lambda handle: handle.query("pcie.max_width", "nvmlDeviceGetMaxPcieLinkWidth"),
}


def _read_slow(handle: GpuHandle) -> dict[str, int | None]:
    return {
        "generation": handle.query("pcie.generation", "nvmlDeviceGetCurrPcieLinkGeneration"),
        "width": handle.query("pcie.width", "nvmlDeviceGetCurrPcieLinkWidth"),
    }


def _read_replays(handle: GpuHandle) -> int | None:
    replays: int | None = handle.query("pcie.replays", "nvmlDeviceGetPcieReplayCounter")
    return replays


class PcieSource:
    """The PCIe link of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._counters: PcieCounters | None = None
        self._has_counters = True  # until the driver says otherwise
        self._window = UNKNOWN
        self._window_at = float("-inf")
        self._once = Once("pcie", handle, _ONCE)
        self._slow = Paced(SLOW_PACE, lambda: _read_slow(handle))
        self._replays = Paced(ERRORS_PACE, lambda: _read_replays(handle))
        self._slots = slots.in_place
        self._bus_id: str | None = None
        self._is_virtual = False  # it is a virtual machine's
        self._port = Paced(FIXED_PACE, self._read_port)
        self._card_generation = Fixed(handle, self._read_card_generation)
        self._last_slow: Mapping[str, int | None] | None = None
        self._samples: tuple[LinkSample, ...] = ()

    def read(
        self,
        moment: Moment,
        *,
        bus_id: str | None = None,
        performance_state: int | None = None,
        gpu_percent: int | None = None,
        virtualization_mode: int | None = None,
        seen: Seen | None = None,
    ) -> Pcie:
        """NVML: see the fields of Pcie. Throughput is the newest known value; no sample waits for a window.

        `performance_state`, `gpu_percent` and `virtualization_mode` are of this sample; `seen`: the highest
        numbers of this card so far.
        """
        throughput = self._throughput(moment.now)
        slow = self._slow.get(moment.verdicts)
        seen = seen or Seen()
        if slow is not self._last_slow:  # read in this sample, as the two others were
            self._last_slow = slow
            sample = LinkSample(slow["generation"], slow["width"], performance_state, gpu_percent)
            self._samples = (*self._samples[-1:], sample)
            if sample.is_under_load and sample.width is not None and _can_be(sample.width):
                seen.lanes = max(seen.lanes or 0, sample.width)
        self._bus_id, self._is_virtual = bus_id, virtualization_mode in _VIRTUAL
        return Pcie(
            card_generation=self._card_generation.get(moment.details),
            **({} if bus_id is None else self._port.get(moment.now)),
            widest_under_load=seen.lanes,
            samples=self._samples,
            tx_kib_per_second=throughput.tx_kib_per_second,
            rx_kib_per_second=throughput.rx_kib_per_second,
            replays=self._replays.get(moment.verdicts),
            **self._once.get(moment.details),
            **slow,
        )

    def _read_card_generation(self) -> int | None:
        generation: int | None = self._handle.query(
            "pcie.card_generation", "nvmlDeviceGetGpuMaxPcieLinkGeneration"
        )
        return generation

    def _read_port(self) -> dict[str, int | None]:
        """From /sys; the ports of a virtual machine are not those of the card."""
        if self._is_virtual or self._bus_id is None or self._slots.are_virtual():
            port: dict[str, int | None] = {"port_width": None, "port_generation": None}
        else:
            port = {
                "port_width": self._slots.port_width(self._bus_id),
                "port_generation": self._slots.port_generation(self._bus_id),
            }
        for name, value in port.items():
            self._handle.record.note(f"pcie.{name}", _NOT_KNOWN if value is None else None)
        return port

    def _throughput(self, now: float) -> PcieThroughput:
        """The newest known rate. NVML: field values 197 and 198."""
        if self._has_counters:
            earlier, counters = self._counters, self._read_counters(now)
            if not isinstance(counters, Refusal):
                self._counters = counters
                for field in _THROUGHPUT:
                    self._handle.record.note_reported(field)
                return throughput(earlier, counters)
            if earlier is not None:  # they were there: a passing fault
                for field in _THROUGHPUT:
                    self._handle.record.note(field, counters)
                return UNKNOWN
            self._has_counters = False
        return self._window if now - self._window_at <= 2 * WINDOW_PACE else UNKNOWN

    def measure(self, now: float) -> None:
        """Measure both 20 ms windows, if there are no counters. NVML: nvmlDeviceGetPcieThroughput, KiB/s."""
        if self._has_counters or now - self._window_at < WINDOW_PACE - 0.1:
            return
        self._window = PcieThroughput(
            *(
                self._handle.query(field, "nvmlDeviceGetPcieThroughput", direction)
                for field, direction in _THROUGHPUT.items()
            )
        )
        self._window_at = now

    def _read_counters(self, now: float) -> PcieCounters | Refusal:
        # Some drivers give 32 bits, which wrap within 70 ms at the full speed of generation 5 x 16:
        # a difference over a second is then a number without meaning.
        sent, received = field_values(self._handle, _COUNTERS, counters=True)
        for answer in (sent, received):
            if isinstance(answer, Refusal):
                return answer
        return PcieCounters(now, sent, received)
