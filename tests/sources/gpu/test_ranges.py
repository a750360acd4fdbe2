"""Every number of a reading has a range that fits real hardware and the limits that the GPU reports."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

import agent.readings
from agent.readings import (
    Clocks,
    Fans,
    GpuReading,
    Memory,
    NvLink,
    NvLinks,
    Pcie,
    Power,
    Thermal,
    Unknown,
    Utilization,
)
from agent.sources.gpu.possible import only_possible
from agent.sources.gpu.ranges import RANGES
from tests.hardware.smi import SmiGpu, parse
from tests.sources.gpu.numbers import GIB, PLAIN, value_at, with_value

# Numbers that the agent counts or measures itself.
OUR_OWN = {"sampled_since_boot", "nvlink.most_active", "nvlink.links.link", "mig.instances.mig_index"}


def numeric_fields(kind: Any, path: str = "") -> set[str]:
    """The path of every number in a dataclass, in what it holds and in the elements of its tuples."""
    if get_origin(kind) in (Union, UnionType, tuple):
        return set().union(*(numeric_fields(one, path) for one in get_args(kind)))
    if dataclasses.is_dataclass(kind) and kind is not Unknown:
        names = {**vars(agent.readings), **vars(agent.readings.gpu), "Unknown": Unknown}
        hints = get_type_hints(kind, localns={**names, "Mapping": dict})
        return set().union(*(numeric_fields(hint, f"{path}.{name}") for name, hint in hints.items()))
    return {path.removeprefix(".")} if kind in (int, float) else set()


def test_every_number_of_a_reading_has_a_range() -> None:
    fields = numeric_fields(GpuReading)

    assert len(fields) > 70
    assert fields - OUR_OWN == set(RANGES), "agent/sources/gpu/ranges.py"


# The accepted minimum and maximum for any GPU, by unit, or by field where the field has its own.
BOUNDS: dict[str, tuple[float, float]] = {
    "bytes": (0, 17_592_186_044_416),  # 16 TiB
    "%": (0, 100),
    "fans.speed_percent": (0, 500),
    "fans.each.speed_percent": (0, 500),
    "rpm": (0, 100_000),
    "fans": (0, 64),
    "°C": (-100, 200),
    **{
        f"thermal.{name}_celsius": (-300, 300)
        for name in (
            "margin",
            "shutdown_margin",
            "slowdown_margin",
            "memory_max_margin",
            "max_operating_margin",
        )
    },
    "W": (0, 20_000),
    "J": (0, 9_223_372_036_854_775.807),
    "s": (0, 9_223_372_036.854775807),
    "MHz": (0, 100_000),
    "µs": (0, 3_600_000_000),
    "sessions": (0, 100_000),
    "frames per second": (0, 10_000_000),
    "KiB/s": (0, 1_073_741_824),  # 1 TiB/s
    "MB/s": (0, 10_000_000),
    "lanes": (0, 32),
    **dict.fromkeys(("errors", "replays"), (0, 9_223_372_036_854_775_807)),
    "as a bitmask": (0, 18_446_744_073_709_551_615),
    **dict.fromkeys(("pages", "rows", "banks"), (0, 1_000_000)),
    "as a generation": (1, 7),
    "as a P-state": (0, 15),
    "as a fault": (0, 15),
    "as a version": (0, 63),
    **dict.fromkeys(("as a state", "as a summary", "as a mode", "as an action"), (0, 255)),
    **dict.fromkeys(("as an architecture", "as a return code", ""), (0, 999)),
    "as a pid": (0, 2_147_483_647),
    "as an id": (0, 1_048_576),
    "fabric.clique_id": (0, 4_294_967_295),
}


def test_each_number_has_the_bounds_of_its_unit() -> None:
    found = {path: (one.least, one.most) for path, one in RANGES.items()}

    assert found == {path: BOUNDS.get(path) or BOUNDS[one.unit] for path, one in RANGES.items()}


A_CARD = dataclasses.replace(
    PLAIN,
    memory=Memory(total_bytes=80 * GIB, bar1_total_bytes=GIB),
    power=Power(limit_watts=100.0, enforced_limit_watts=700.0),
    clocks=Clocks(max_graphics_mhz=1980, max_memory_mhz=2619, max_sm_mhz=1980, max_video_mhz=1545),
    pcie=Pcie(max_generation=4, max_width=8, samples=PLAIN.pcie.samples),
)


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        ("memory.used_bytes", 100 * GIB),
        ("memory.bar1_used_bytes", 2 * GIB),
        ("processes.gpu_memory_bytes", 100 * GIB),
        ("mig.instances.processes.gpu_memory_bytes", 100 * GIB),
        ("mig.instances.memory_total_bytes", 100 * GIB),
        ("power.usage_watts", 2500.0),
        ("power.instant_watts", 2500.0),
        ("clocks.graphics_mhz", 6000),
        ("clocks.memory_mhz", 8000),
        ("clocks.sm_mhz", 6000),
        ("clocks.video_mhz", 6000),
        ("pcie.tx_kib_per_second", 1.0e8),
        ("pcie.rx_kib_per_second", 1.0e8),
    ],
)
def test_the_limits_that_a_gpu_reports_bound_its_values(path: str, reported: float) -> None:
    unlimited = with_value(PLAIN, path, reported)

    assert value_at(only_possible(with_value(A_CARD, path, reported)), path) is None
    assert only_possible(unlimited) is unlimited


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("memory.used_bytes", 94_556_389_376),  # a tenth and 64 MiB more than all
        ("memory.bar1_used_bytes", GIB),
        ("power.usage_watts", 2200),  # three times the greatest limit, and 100 W
        ("power.module_average_watts", 3100),
        ("clocks.sm_mhz", 4960),  # twice the maximum, and 1000 MHz
        ("clocks.memory_mhz", 6238),
        ("pcie.tx_kib_per_second", 67_108_864),  # four times 8 lanes of 2 GB/s
        ("nvlink.links.rx_kib_per_second", 28_533_398.4375),  # a tenth more than its speed
    ],
)
def test_the_limits_of_a_gpu_leave_room_for_rounding_and_spikes(path: str, most: float) -> None:
    linked = dataclasses.replace(
        A_CARD,
        power=dataclasses.replace(A_CARD.power, module_limit_watts=1000.0),
        nvlink=NvLinks((NvLink(0, is_active=True, speed_megabytes_per_second=26_562),)),
    )

    assert RANGES[path].most_of(linked) == pytest.approx(most, abs=0.1)


@pytest.mark.parametrize(
    ("path", "without", "least"),
    [
        ("memory.used_bytes", 17_592_186_044_416, 67_108_865.1),
        ("processes.gpu_memory_bytes", 17_592_186_044_416, 67_108_865.1),
        ("memory.bar1_used_bytes", 17_592_186_044_416, 1),
        ("power.usage_watts", 20_000, 103),
        ("power.module_average_watts", 20_000, 103),
        ("clocks.video_mhz", 100_000, 1002),
    ],
)
def test_a_limit_of_zero_is_no_limit(path: str, without: float, least: float) -> None:
    def with_limits(limit: int) -> GpuReading:
        return dataclasses.replace(
            PLAIN,
            memory=Memory(total_bytes=limit, bar1_total_bytes=limit),
            power=Power(default_limit_watts=limit, module_limit_watts=limit),
            clocks=Clocks(max_video_mhz=limit),
        )

    assert [RANGES[path].most_of(with_limits(limit)) for limit in (0, 1)] == pytest.approx([without, least])


def test_a_negative_memory_total_makes_every_use_impossible() -> None:
    assert RANGES["memory.used_bytes"].most_of(with_value(PLAIN, "memory.total_bytes", -1)) == -1


@pytest.mark.parametrize(("speed", "most"), [(999, 1_073_741_824), (1000, 1_074_218.75)])
def test_an_nvlink_speed_below_1000_does_not_bound_the_rate(speed: int, most: float) -> None:
    links = NvLinks((NvLink(0, is_active=True, speed_megabytes_per_second=speed),))

    assert RANGES["nvlink.links.tx_kib_per_second"].most_of(dataclasses.replace(PLAIN, nvlink=links)) == most


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        pytest.param("power.usage_watts", 2100.0, id="a spike of three times the limit"),
        pytest.param("power.limit_watts", 0.0, id="a laptop without a limit"),
        pytest.param("thermal.gpu_celsius", -40, id="a GPU outdoors"),
        pytest.param("thermal.shutdown_celsius", 120, id="memory with a high limit"),
        pytest.param("fans.speed_percent", 130, id="a fan above 100 %"),
        pytest.param("fans.each.speed_rpm", 30_000, id="a fan of a server"),
        pytest.param("memory.used_bytes", 80 * GIB, id="a full GPU"),
        pytest.param("memory.free_bytes", 80 * GIB, id="an empty GPU"),
        pytest.param("memory.bar1_used_bytes", GIB, id="a full BAR1"),
        pytest.param("clocks.graphics_mhz", 2600, id="an overclocked GPU"),
        pytest.param("clocks.graphics_mhz", 0, id="a clock that is off"),
        pytest.param("pcie.generation", 7, id="PCIe 7"),
        pytest.param("pcie.width", 12, id="twelve lanes"),
        pytest.param("pcie.tx_kib_per_second", 15.7e6, id="a link in full use"),
        pytest.param("nvlink.links.tx_kib_per_second", 1.0e8, id="a link of NVLink 6"),
        pytest.param("memory_errors.corrected_volatile", 2**62, id="many corrected errors"),
        pytest.param("clocks.event_reasons", 0x1FF, id="every reason"),
        pytest.param("clocks.event_reasons", 1 << 63, id="an unknown reason"),
        pytest.param("recovery.action", 99, id="an action that is newer than the agent"),
    ],
)
def test_values_of_real_hardware_are_accepted(path: str, reported: float) -> None:
    reading = with_value(A_CARD, path, reported)

    assert only_possible(reading) is reading


DOCUMENTS = [
    path
    for path in sorted((Path(__file__).parents[2] / "hardware/documents").glob("*.xml"))
    if not path.stem.startswith("impossible")
]


def reading_of(gpu: SmiGpu) -> GpuReading:
    """The values that nvidia-smi printed."""

    def whole(name: str, times: int = 1) -> int | None:
        value = getattr(gpu, name)
        return int(value * times) if isinstance(value, float) else None

    def watts(name: str) -> float | None:
        values = getattr(gpu, name)
        return values[0] if isinstance(values, tuple) else None

    return GpuReading(
        1.0,
        memory=Memory(
            *(whole(f"memory_{name}_mib", 1 << 20) for name in ("total", "used", "free", "reserved"))
        ),
        utilization=Utilization(whole("gpu_percent"), whole("memory_percent")),
        thermal=Thermal(whole("temperature_celsius")),
        power=Power(usage_watts=watts("power_draw_watts"), limit_watts=watts("power_limit_watts")),
        clocks=Clocks(
            graphics_mhz=whole("graphics_clock_mhz"),
            memory_mhz=whole("memory_clock_mhz"),
            max_graphics_mhz=whole("max_graphics_clock_mhz"),
            max_memory_mhz=whole("max_memory_clock_mhz"),
        ),
        fans=Fans(speed_percent=whole("fan_speed_percent")),
        pcie=Pcie(
            generation=whole("pcie_generation"),
            width=whole("pcie_width"),
            max_generation=whole("pcie_max_generation"),
            max_width=whole("pcie_max_width"),
            tx_kib_per_second=whole("pcie_tx_kib_per_second"),
            rx_kib_per_second=whole("pcie_rx_kib_per_second"),
        ),
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_values_that_nvidia_smi_printed_are_accepted(document: Path) -> None:
    readings = [reading_of(gpu) for gpu in parse(document.read_text()).gpus]

    assert any(reading.memory.total_bytes for reading in readings)
    assert [only_possible(reading) for reading in readings] == readings
