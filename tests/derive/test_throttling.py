"""Which reasons are throttling, which are not, and which bottleneck each value indicates."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from agent.derive.throttling import ClocksEventReason, bottlenecks, is_throttled, reason_names
from tests.support.readings import reading

BITS = [  # bit, name, whether it is a slowdown, the bottleneck it indicates at 50 % of the power limit
    (0x1, "gpu_idle", False, []),
    (0x2, "applications_clocks_setting", False, []),
    (0x4, "sw_power_cap", True, ["power_throttling"]),
    (0x8, "hw_slowdown", True, ["board_power_throttling"]),
    (0x10, "sync_boost", False, []),
    (0x20, "sw_thermal_slowdown", True, ["thermal_throttling"]),
    (0x40, "hw_thermal_slowdown", True, ["thermal_throttling"]),
    (0x80, "hw_power_brake_slowdown", True, ["board_power_throttling"]),
    (0x100, "display_clock_setting", False, []),
    (0x200, "0x200", False, []),
    (0x8000_0000_0000_0000, "0x8000000000000000", False, []),
]
AT_HALF_POWER = {"power_usage_watts": 175.0, "power_limit_watts": 350.0}


@pytest.mark.parametrize(("bit", "name", "slowdown", "found"), BITS, ids=[name for _, name, _, _ in BITS])
def test_each_bit_has_its_name_and_its_bottleneck(
    bit: int, name: str, slowdown: bool, found: list[str]
) -> None:
    assert reason_names(bit) == [name]
    assert is_throttled(bit) is slowdown
    assert bottlenecks(reading(clocks_event_reasons=bit, **AT_HALF_POWER)) == found


def test_the_bits_are_those_of_nvml() -> None:
    nvml = {name.lower(): value for name, value in vars(pynvml).items() if isinstance(value, int)}
    for reason in ClocksEventReason:
        words = str(reason.name).replace("_", "").lower()
        assert reason in {nvml.get(f"nvmlclocks{kind}reason{words}") for kind in ("event", "throttle")}


@pytest.mark.parametrize(
    ("reasons", "names", "throttled"),
    [
        pytest.param(0, [], False, id="none"),
        pytest.param(None, None, None, id="unknown"),
        pytest.param(0x25, ["gpu_idle", "sw_power_cap", "sw_thermal_slowdown"], True, id="several"),
        pytest.param(
            0x113,
            ["gpu_idle", "applications_clocks_setting", "sync_boost", "display_clock_setting"],
            False,
            id="all reasons without a slowdown",
        ),
        pytest.param(0x604, ["sw_power_cap", "0x200", "0x400"], True, id="known and unknown"),
    ],
)
def test_several_reasons_are_named_together(
    reasons: int | None, names: list[str] | None, throttled: bool | None
) -> None:
    assert reason_names(reasons) == names
    assert is_throttled(reasons) is throttled


HW_SLOWDOWN = 0x8


@pytest.mark.parametrize(
    ("watts", "limit", "found"),
    [
        pytest.param(332.4, 350.0, ["board_power_throttling"], id="just below 95 %"),
        pytest.param(332.5, 350.0, ["power_throttling"], id="at 95 %"),
        pytest.param(332.6, 350.0, ["power_throttling"], id="just above 95 %"),
        pytest.param(400.0, 350.0, ["power_throttling"], id="above the limit"),
        pytest.param(665.0, 700.0, ["power_throttling"], id="at 95 % of 700 W"),
        pytest.param(427.5, 450.0, ["power_throttling"], id="at 95 % of 450 W"),
        pytest.param(None, 350.0, [], id="power unknown"),
        pytest.param(332.5, None, [], id="limit unknown"),
    ],
)
def test_a_hardware_slowdown_is_due_to_the_power_limit_from_95_percent_else_to_the_board(
    watts: float | None, limit: float | None, found: list[str]
) -> None:
    slowed = reading(clocks_event_reasons=HW_SLOWDOWN, power_usage_watts=watts, power_limit_watts=limit)

    assert bottlenecks(slowed) == found


LINK = {"pcie_max_generation": 4, "pcie_max_width": 16, "pcie_port_width": 16}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        pytest.param({}, [], id="nothing known"),
        pytest.param({"memory_used_bytes": 79, "utilization_gpu_percent": 90}, [], id="memory 79 %"),
        pytest.param(
            {"memory_used_bytes": 80, "utilization_gpu_percent": 90}, [], id="memory 80 %: not above"
        ),
        pytest.param(
            {"memory_used_bytes": 81, "utilization_gpu_percent": 90}, ["high_memory_usage"], id="memory 81 %"
        ),
        pytest.param({"memory_used_bytes": 81}, ["high_memory_usage"], id="memory 81 %, GPU unknown"),
        pytest.param(
            {"memory_used_bytes": 59, "utilization_gpu_percent": 40}, [], id="memory 59 %, GPU 40 %"
        ),
        pytest.param(
            {"memory_used_bytes": 60, "utilization_gpu_percent": 40},
            ["memory_bound_workload"],
            id="memory 60 %, GPU 40 %",
        ),
        pytest.param(
            {"memory_used_bytes": 60, "utilization_gpu_percent": 41}, [], id="memory 60 %, GPU 41 %"
        ),
        pytest.param(
            {"memory_used_bytes": 100, "utilization_gpu_percent": 0},
            ["high_memory_usage", "memory_bound_workload"],
            id="memory 100 %, GPU 0 %",
        ),
        pytest.param({"memory_used_bytes": 60}, [], id="memory 60 %, GPU unknown"),
        pytest.param({"utilization_gpu_percent": 0}, [], id="memory unknown, GPU 0 %"),
        pytest.param(
            {**LINK, "pcie_tx_kib_per_second": 25203.2 * 1024, "pcie_rx_kib_per_second": 0},
            [],
            id="PCIe 80 %: not above",
        ),
        pytest.param(
            {**LINK, "pcie_tx_kib_per_second": 25204 * 1024, "pcie_rx_kib_per_second": 0},
            ["pcie_bandwidth_saturated"],
            id="PCIe above 80 %",
        ),
        pytest.param({**LINK, "pcie_tx_kib_per_second": 31504 * 1024}, [], id="PCIe half unknown"),
        pytest.param(
            {
                **LINK,
                "clocks_event_reasons": 0xEC,
                "power_usage_watts": 100.0,
                "power_limit_watts": 100.0,
                "memory_used_bytes": 90,
                "utilization_gpu_percent": 10,
                "pcie_tx_kib_per_second": 31504 * 1024,
                "pcie_rx_kib_per_second": 0,
            },
            [
                "thermal_throttling",
                "power_throttling",
                "board_power_throttling",
                "high_memory_usage",
                "memory_bound_workload",
                "pcie_bandwidth_saturated",
            ],
            id="all bottlenecks, in the documented order",
        ),
    ],
)
def test_bottlenecks_are_found_at_their_thresholds(values: dict[str, Any], found: list[str]) -> None:
    assert bottlenecks(reading(memory_total_bytes=100, **values)) == found
