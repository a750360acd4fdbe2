"""PCIe throughput: rates from counters that can be trusted, else windows that no sample waits for.

And the link itself, read together with the load that it has to carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from agent.readings import LinkSample
from agent.simulation import FieldId, NvmlReturn
from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.pcie import UNKNOWN, PcieCounters, PcieSource, PcieThroughput, throughput
from agent.sources.gpu.unknown import Record
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTERS = (FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES)
MIB = 1024**2


@pytest.fixture
def one() -> Iterator[OneGpu]:
    """A GPU that sends 1000 KiB/s and receives 2000."""
    with one_gpu() as one:
        one.gpu.fix(pcie_tx=1000, pcie_rx=2000)
        yield one


@pytest.fixture
def without_counters(one: OneGpu) -> OneGpu:
    """As on older drivers, there are only the 20 ms windows."""
    one.gpu.unsupport(*COUNTERS)
    return one


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        pytest.param((0, 0, 0), (1, MIB, 2 * MIB), (1024.0, 2048.0), id="one second"),
        pytest.param((10, 5 * MIB, 0), (12, 6 * MIB, 0), (512.0, 0.0), id="two seconds, one direction idle"),
        pytest.param((0, 0, 0), (300, 300 * MIB, 300 * MIB), (1024.0, 1024.0), id="the longest gap"),
        pytest.param((0, 0, 0), (300.01, 300 * MIB, 300 * MIB), (None, None), id="a longer gap: not now"),
        pytest.param((5, 0, 0), (5, MIB, MIB), (None, None), id="no time between"),
        pytest.param((5, 0, 0), (4, MIB, MIB), (None, None), id="time going back"),
        pytest.param((0, 2 * MIB, 0), (1, MIB, MIB), (None, 1024.0), id="one counter going back"),
        pytest.param((0, 1, 1), (1, 0, 0), (None, None), id="both counters going back"),
    ],
)
def test_a_rate_is_the_difference_of_two_readings(
    earlier: tuple[float, int, int],
    later: tuple[float, int, int],
    expected: tuple[float | None, float | None],
) -> None:
    assert throughput(PcieCounters(*earlier), PcieCounters(*later)) == PcieThroughput(*expected)


def test_one_reading_makes_no_rate() -> None:
    assert throughput(None, PcieCounters(1.0, MIB, MIB)) == UNKNOWN


def rates(one: OneGpu, after: float) -> tuple[float | None, float | None]:
    """What leaves and what enters the GPU, KiB/s, by a sample `after` seconds from now."""
    reading = one.read(after=after)
    return reading.pcie.tx_kib_per_second, reading.pcie.rx_kib_per_second


def test_counters_give_exact_rates_from_the_second_sample_on(one: OneGpu) -> None:
    assert [rates(one, after) for after in (0, 1, 0.5, 29)] == [
        (None, None),
        (1000, 2000),
        (1000, 2000),
        (1000, 2000),
    ]


def test_a_rate_of_counters_is_the_mean_over_the_time_between_two_samples(one: OneGpu) -> None:
    rates(one, 1)
    one.clock.now += 3
    one.gpu.fix(pcie_tx=3000, pcie_rx=0)

    assert rates(one, 1) == (1500, 1500)


def test_after_a_gap_the_rate_is_unknown_once(one: OneGpu) -> None:
    rates(one, 1)

    assert [rates(one, after) for after in (301, 1)] == [(None, None), (1000, 2000)]


def test_with_counters_no_window_is_measured(one: OneGpu) -> None:
    for _ in range(20):
        one.read(after=1)

    assert one.simulation.calls["nvmlDeviceGetPcieThroughput"] == 0


def test_windows_are_measured_after_the_sample_and_shown_in_the_next(without_counters: OneGpu) -> None:
    one = without_counters
    assert one.source.read().pcie.tx_kib_per_second is None
    assert one.simulation.calls["nvmlDeviceGetPcieThroughput"] == 0

    one.source.measure_slow_counters()

    assert one.simulation.calls["nvmlDeviceGetPcieThroughput"] == 2
    assert rates(one, 1) == (1000, 2000)


def test_windows_are_five_seconds_apart(without_counters: OneGpu) -> None:
    one = without_counters
    measured = []
    for _ in range(12):
        one.read(after=1)
        measured.append(one.simulation.calls["nvmlDeviceGetPcieThroughput"])

    assert measured == [2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6]


@pytest.mark.parametrize(
    ("after", "expected"), [(10, (1000, 2000)), (10.01, (None, None))], ids=["just in time", "too old"]
)
def test_a_window_is_shown_for_ten_seconds(
    without_counters: OneGpu, after: float, expected: tuple[float | None, float | None]
) -> None:
    without_counters.read()

    assert rates(without_counters, after) == expected


@pytest.mark.parametrize("missing", COUNTERS, ids=["sent", "received"])
def test_one_missing_counter_is_enough_to_measure_windows(one: OneGpu, missing: FieldId) -> None:
    one.gpu.unsupport(missing)

    one.read()

    assert rates(one, 1) == (1000, 2000)
    assert one.simulation.calls["nvmlDeviceGetPcieThroughput"] == 2


def test_a_window_that_is_not_supported_is_unknown(without_counters: OneGpu) -> None:
    without_counters.gpu.unsupport("nvmlDeviceGetPcieThroughput")
    without_counters.read()

    assert rates(without_counters, 1) == (None, None)


def test_a_window_without_a_value_is_unknown(without_counters: OneGpu) -> None:
    without_counters.gpu.fix(pcie_tx=2**32 - 1)
    without_counters.read()

    assert rates(without_counters, 1) == (None, 2000)


def test_a_counter_that_restarts_is_unknown_once(one: OneGpu) -> None:
    rates(one, 1)
    one.gpu.fix(pcie_tx=-1)  # KiB/s: it falls below what it was
    assert rates(one, 1) == (None, 2000)

    one.gpu.fix(pcie_tx=1000)

    assert rates(one, 1) == (1000, 2000)


class NarrowCounters:
    """The simulated library, but its counters have 32 bits, as with some drivers."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, symbol: str) -> Any:
        if symbol == "nvmlDeviceGetFieldValues":
            return self._narrow
        return getattr(self._library, symbol)

    def _narrow(self, handle: Any, count: Any, entries: Any) -> int:
        code: int = self._library.nvmlDeviceGetFieldValues(handle, count, entries)
        for entry in entries._obj:  # noqa: SLF001  (what ctypes.byref refers to)
            entry.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
            entry.value.uiVal = entry.value.ullVal & 0xFFFF_FFFF
        return code


class RefusedCounter:
    """The simulated library, but one counter is refused, with its old value left in the struct."""

    def __init__(self, library: Any, field: FieldId) -> None:
        self._library = library
        self._field = field
        self.refuses = False

    def __getattr__(self, symbol: str) -> Any:
        if symbol == "nvmlDeviceGetFieldValues":
            return self._refuse
        return getattr(self._library, symbol)

    def _refuse(self, handle: Any, count: Any, entries: Any) -> int:
        code: int = self._library.nvmlDeviceGetFieldValues(handle, count, entries)
        for entry in entries._obj:  # noqa: SLF001  (what ctypes.byref refers to)
            if self.refuses and entry.fieldId == self._field:
                entry.nvmlReturn = NvmlReturn.UNKNOWN
        return code


@pytest.mark.parametrize("field", COUNTERS, ids=["sent", "received"])
def test_a_refused_counter_is_not_read_as_a_value(one: OneGpu, field: FieldId) -> None:
    refusing = RefusedCounter(one.simulation, field)
    pynvml.nvmlLib = refusing  # the simulation's end restores what was there before
    rates(one, 1)

    refusing.refuses = True
    assert rates(one, 1) == (None, None)
    refusing.refuses = False

    assert rates(one, 1) == (1000, 2000), "the fault was transient: windows are not measured"
    assert one.simulation.calls["nvmlDeviceGetPcieThroughput"] == 0


def test_counters_of_32_bits_are_refused_and_windows_measured(one: OneGpu) -> None:
    pynvml.nvmlLib = NarrowCounters(one.simulation)  # the simulation's end restores what was there before
    one.read()

    assert rates(one, 1) == (1000, 2000)
    assert one.simulation.calls["nvmlDeviceGetPcieThroughput"] == 2


def test_no_window_is_measured_before_the_first_sample(without_counters: OneGpu) -> None:
    PcieSource(GpuHandle(None, Record())).measure(0.0)

    assert without_counters.simulation.calls["nvmlDeviceGetPcieThroughput"] == 0


IDLE_LINK, BUSY_LINK = LinkSample(1, 16, 8, 0), LinkSample(5, 8, 0, 97)


def fix_link(one: OneGpu, link: LinkSample) -> None:
    """Fix the link of the GPU, and the load with which it is read."""
    one.gpu.fix(
        pcie_generation=link.generation,
        pcie_width=link.width,
        performance_state=link.performance_state,
        gpu_utilization=link.gpu_percent,
    )


def test_a_link_is_read_with_the_load_of_the_same_sample(one: OneGpu) -> None:
    fix_link(one, IDLE_LINK)
    assert one.read().pcie.samples == (IDLE_LINK,)

    fix_link(one, BUSY_LINK)
    for _ in range(4):
        reading = one.read(after=1)
        assert reading.utilization.gpu_percent == 97
        assert reading.pcie.samples == (IDLE_LINK,), "the link is not read before its time"
    assert one.read(after=1).pcie.samples == (IDLE_LINK, BUSY_LINK)
    assert one.read(after=SLOW_PACE).pcie.samples == (BUSY_LINK, BUSY_LINK), "the last two"


@pytest.mark.parametrize("interval", [0.25, 1.0, 1.05, 10.0])
def test_link_and_performance_state_are_always_of_one_sample(one: OneGpu, interval: float) -> None:
    """They have the same pace from the same start, at whatever interval samples come."""
    for number in range(100):
        fix_link(one, LinkSample(1, 16, number % 16, number % 16))
        (*_, newest) = one.read(after=interval).pcie.samples
        assert newest.performance_state == newest.gpu_percent


def test_the_greatest_number_of_lanes_under_load_is_remembered(one: OneGpu) -> None:
    widest = []
    for link in (
        IDLE_LINK,
        BUSY_LINK,
        IDLE_LINK,
        LinkSample(5, 16, 0, 50),
        BUSY_LINK,
        LinkSample(5, None, 0, 97),
    ):
        fix_link(one, link)
        widest.append(one.read(after=SLOW_PACE).pcie.widest_under_load)

    assert widest == [None, 8, 8, 16, 16, 16]


def test_the_pcie_port_is_found_once_the_bus_id_is_reported(one: OneGpu) -> None:
    one.gpu.fail("nvmlDeviceGetPciInfo_v3", NvmlReturn.UNKNOWN, times=1)
    assert one.read().pcie.port_width is None

    assert one.read(after=SLOW_PACE).pcie.port_width == 16


def test_an_impossible_number_of_lanes_is_not_remembered(one: OneGpu) -> None:
    fix_link(one, LinkSample(5, 31, 0, 97))
    reading = one.read()

    assert reading.pcie.widest_under_load is None
    assert reading.pcie.samples == (LinkSample(5, None, 0, 97),)
