from __future__ import annotations

import psutil
import pytest

from agent.sources.cpu import (
    CoreTime,
    CpuMeter,
    CpuPercent,
    Frequency,
    average_frequency,
    busy_percent,
    core_time,
    cpu_percent,
    read_frequency,
)


def test_waiting_for_a_disk_is_idle_and_guests_are_not_counted_twice() -> None:
    guest, guest_nice = 8.0, 1.0
    time = core_time(10.0, 1.0, 2.0, 50.0, 5.0, 0.25, 0.5, 3.0, guest, guest_nice)
    assert time == CoreTime(busy=10.0 + 1.0 + 2.0 + 0.25 + 0.5 + 3.0, idle=50.0 + 5.0)


def test_core_time_takes_the_fields_in_the_order_of_psutil() -> None:
    fields = psutil.cpu_times()._fields
    assert fields[:8] == ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(CoreTime(10, 10), CoreTime(10.25, 10.75), 25.0, id="a quarter busy"),
        pytest.param(CoreTime(10, 10), CoreTime(10, 11), 0.0, id="idle"),
        pytest.param(CoreTime(10, 10), CoreTime(11, 10), 100.0, id="busy"),
        pytest.param(CoreTime(10, 10), CoreTime(11, 9.5), 100.0, id="iowait corrected downwards"),
        pytest.param(CoreTime(10, 10), CoreTime(10, 10), None, id="no time passed"),
        pytest.param(CoreTime(10, 10), CoreTime(9, 12), None, id="busy time went backwards"),
    ],
)
def test_a_core_is_busy_for_its_share_of_the_time(
    before: CoreTime, after: CoreTime, expected: float | None
) -> None:
    assert busy_percent(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            [CoreTime(0, 0), CoreTime(0, 0)],
            [CoreTime(1, 1), CoreTime(0, 2)],
            CpuPercent(25.0, (50.0, 0.0)),
            id="two cores",
        ),
        pytest.param([CoreTime(0, 0)], [CoreTime(1, 1)] * 2, CpuPercent(), id="a core came"),
        pytest.param([CoreTime(0, 0)] * 2, [CoreTime(1, 1)], CpuPercent(), id="a core went"),
        pytest.param([], [], CpuPercent(), id="no cores reported"),
        pytest.param(
            [CoreTime(0, 0), CoreTime(5, 0)],
            [CoreTime(1, 0), CoreTime(5, 0)],
            CpuPercent(100.0, None),
            id="no time passed on one core",
        ),
    ],
)
def test_the_total_percentage_counts_all_cores(
    before: list[CoreTime], after: list[CoreTime], expected: CpuPercent
) -> None:
    assert cpu_percent(before, after) == expected


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        pytest.param([(2000, 800, 4000), (3000, 800, 4200)], Frequency(2500, 800, 4100), id="two cores"),
        pytest.param([(2000, 800, 4000), (0, 0, 0)], Frequency(2000, 800, 4000), id="one core is off"),
        pytest.param([(2000, 0, 0)], Frequency(2000, None, None), id="no limits, as in a virtual machine"),
        pytest.param([], Frequency(), id="nothing reported"),
    ],
)
def test_a_frequency_of_zero_is_unknown(cores: list[tuple[float, float, float]], expected: Frequency) -> None:
    assert average_frequency(cores) == expected


def test_the_frequency_of_this_machine_is_read_core_by_core() -> None:
    assert read_frequency().max == average_frequency(psutil.cpu_freq(percpu=True)).max


def test_the_first_reading_has_no_percentage() -> None:
    assert CpuMeter().read(at=0.0) == CpuPercent()


def test_after_a_long_pause_the_percentage_is_unknown() -> None:
    meter = CpuMeter()
    meter.read(at=0.0)
    assert meter.read(at=3600.0) == CpuPercent()
