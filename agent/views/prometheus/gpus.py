"""What each GPU measures. A GPU that cannot be read has its identity and its state, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.throttling import ClocksEventReason
from agent.readings import ComputeMode
from agent.views.prometheus.families import GPU_LABELS, counter, gauge, of, ratio, scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from agent.readings import DriverReading, GpuReading, GpuSample, Snapshot

KIB, MHZ = 1024, 1_000_000

# Name, documentation, value of a reading; None leaves the series out.
GAUGES: tuple[tuple[str, str, Callable[[GpuReading], float | None]], ...] = (
    ("utilization_ratio", "Time in which a kernel ran, 0 to 1.", lambda r: ratio(r.utilization.gpu_percent)),
    (
        "memory_controller_utilization_ratio",
        "Time in which memory was read or written, 0 to 1.",
        lambda r: ratio(r.utilization.memory_controller_percent),
    ),
    ("sm_activity_ratio", "SMs that were busy (GPM), 0 to 1.", lambda r: ratio(r.gpm.sm_activity_percent)),
    ("sm_occupancy_ratio", "Warps in flight (GPM), 0 to 1.", lambda r: ratio(r.gpm.sm_occupancy_percent)),
    (
        "tensor_activity_ratio",
        "Time in which tensor cores worked (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.tensor_activity_percent),
    ),
    (
        "dram_activity_ratio",
        "Memory bandwidth in use (GPM), 0 to 1.",
        lambda r: ratio(r.gpm.dram_activity_percent),
    ),
    ("encoder_utilization_ratio", "Video encoder, 0 to 1.", lambda r: ratio(r.engines.encoder_percent)),
    ("decoder_utilization_ratio", "Video decoder, 0 to 1.", lambda r: ratio(r.engines.decoder_percent)),
    ("jpeg_utilization_ratio", "JPEG decoder, 0 to 1.", lambda r: ratio(r.engines.jpeg_percent)),
    ("ofa_utilization_ratio", "Optical flow accelerator, 0 to 1.", lambda r: ratio(r.engines.ofa_percent)),
    ("memory_total_bytes", "GPU memory.", lambda r: r.memory.total_bytes),
    ("memory_used_bytes", "GPU memory in use.", lambda r: r.memory.used_bytes),
    ("memory_free_bytes", "GPU memory that can be taken.", lambda r: r.memory.free_bytes),
    (
        "bar1_total_bytes",
        "Window through which the host sees GPU memory.",
        lambda r: r.memory.bar1_total_bytes,
    ),
    ("bar1_used_bytes", "Of that window, in use.", lambda r: r.memory.bar1_used_bytes),
    ("temperature_celsius", "GPU core.", lambda r: r.thermal.gpu_celsius),
    ("memory_temperature_celsius", "GPU memory.", lambda r: r.thermal.memory_celsius),
    ("power_watts", "Draw.", lambda r: r.power.usage_watts),
    ("power_limit_watts", "Power management limit.", lambda r: r.power.limit_watts),
    (
        "power_enforced_limit_watts",
        "The least of all power limits in force.",
        lambda r: r.power.enforced_limit_watts,
    ),
    (
        "power_default_limit_watts",
        "The limit it is shipped with.",
        lambda r: r.power.default_limit_watts,
    ),
    ("performance_state", "P-state: 0 the fastest, 15 the slowest.", lambda r: r.modes.performance_state),
    ("persistence_mode", "1: the driver stays loaded.", lambda r: r.modes.persistence_mode),
    ("pcie_link_generation", "PCIe generation in use.", lambda r: r.pcie.generation),
    ("pcie_link_width", "PCIe lanes in use.", lambda r: r.pcie.width),
    (
        "pcie_max_generation",
        "PCIe generation of this GPU in this slot.",
        lambda r: r.pcie.max_generation,
    ),
    ("pcie_max_width", "PCIe lanes of this GPU in this slot.", lambda r: r.pcie.max_width),
    (
        "pcie_tx_bytes_per_second",
        "PCIe throughput that leaves the GPU.",
        lambda r: scaled(r.pcie.tx_kib_per_second, KIB),
    ),
    (
        "pcie_rx_bytes_per_second",
        "PCIe throughput that enters the GPU.",
        lambda r: scaled(r.pcie.rx_kib_per_second, KIB),
    ),
    ("fans", "Number of fans.", lambda r: r.fans.count),
    ("fan_speed_ratio", "First fan, as intended; may exceed 1.", lambda r: ratio(r.fans.speed_percent)),
    ("fan_speed_rpm", "First fan, revolutions per minute.", lambda r: r.fans.speed_rpm),
    ("mig_enabled", "1: partitioned by MIG.", lambda r: r.mig.enabled),
    (
        "retirement_pending",
        "1: a memory page is retired with the next reset.",
        lambda r: r.memory_errors.retirement_pending,
    ),
    (
        "remapping_pending",
        "1: a memory row is remapped with the next reset.",
        lambda r: r.memory_errors.remapping_pending,
    ),
    (
        "remapping_failed",
        "1: a memory row could not be remapped.",
        lambda r: r.memory_errors.remapping_failed,
    ),
    ("recovery_action", "What the driver asks for; 0: nothing.", lambda r: r.recovery.action),
)
COUNTERS: tuple[tuple[str, str, Callable[[GpuReading], float | None]], ...] = (
    ("energy_joules", "Energy used since the driver was loaded.", lambda r: r.power.energy_joules),
    ("pcie_replays", "PCIe packets sent again since the GPU was reset.", lambda r: r.pcie.replays),
)
# Name, label, documentation, value by the label's value.
BY_LABEL: tuple[tuple[str, str, str, Callable[[GpuReading], dict[str, float | None]]], ...] = (
    (
        "temperature_threshold_celsius",
        "threshold",
        "Where the driver or the hardware acts.",
        lambda r: {
            "max_operating": r.thermal.max_operating_celsius,
            "slowdown": r.thermal.slowdown_celsius,
            "shutdown": r.thermal.shutdown_celsius,
            "memory_max": r.thermal.memory_max_celsius,
        },
    ),
    (
        "clock_hertz",
        "clock",
        "Clock now.",
        lambda r: {
            "graphics": scaled(r.clocks.graphics_mhz, MHZ),
            "memory": scaled(r.clocks.memory_mhz, MHZ),
            "sm": scaled(r.clocks.sm_mhz, MHZ),
            "video": scaled(r.clocks.video_mhz, MHZ),
        },
    ),
    (
        "clock_max_hertz",
        "clock",
        "The highest clock.",
        lambda r: {
            "graphics": scaled(r.clocks.max_graphics_mhz, MHZ),
            "memory": scaled(r.clocks.max_memory_mhz, MHZ),
            "sm": scaled(r.clocks.max_sm_mhz, MHZ),
            "video": scaled(r.clocks.max_video_mhz, MHZ),
        },
    ),
    (
        "clocks_event_reason",
        "reason",
        "1: holds the clocks back now.",
        lambda r: {
            (reason.name or "").lower(): None
            if r.clocks.event_reasons is None
            else bool(r.clocks.event_reasons & reason)
            for reason in ClocksEventReason
        },
    ),
    (
        "compute_mode",
        "mode",
        "1: in force.",
        lambda r: {
            mode.name.lower(): None if r.modes.compute_mode is None else r.modes.compute_mode == mode
            for mode in ComputeMode
        },
    ),
    (
        "retired_pages",
        "cause",
        "Memory pages given up, over the life of the GPU.",
        lambda r: {
            "corrected": r.memory_errors.retired_pages_corrected,
            "uncorrected": r.memory_errors.retired_pages_uncorrected,
        },
    ),
    (
        "remapped_rows",
        "cause",
        "Memory rows given up, over the life of the GPU.",
        lambda r: {
            "corrected": r.memory_errors.remapped_rows_corrected,
            "uncorrected": r.memory_errors.remapped_rows_uncorrected,
        },
    ),
    (
        "nvlink_up",
        "link",
        "1: the NVLink is up.",
        lambda r: {str(one.link): one.is_active for one in r.nvlink.links or ()},
    ),
    (
        "nvlink_tx_bytes_per_second",
        "link",
        "Data that leaves the GPU.",
        lambda r: {str(one.link): scaled(one.tx_kib_per_second, KIB) for one in r.nvlink.links or ()},
    ),
    (
        "nvlink_rx_bytes_per_second",
        "link",
        "Data that enters the GPU.",
        lambda r: {str(one.link): scaled(one.rx_kib_per_second, KIB) for one in r.nvlink.links or ()},
    ),
)


def gpu_families(snapshot: Snapshot, driver: DriverReading) -> Iterator[Metric]:
    """Every family about GPUs as such."""
    yield _info(snapshot, driver)
    readings = [(gpu, gpu.reading) for gpu in snapshot.gpus if gpu.reading is not None]
    for name, documentation, value in GAUGES:
        yield gauge(name, documentation, GPU_LABELS, ((of(gpu), value(reading)) for gpu, reading in readings))
    for name, documentation, value in COUNTERS:
        yield counter(
            name, documentation, GPU_LABELS, ((of(gpu), value(reading)) for gpu, reading in readings)
        )
    for name, label, documentation, values in BY_LABEL:
        yield gauge(
            name,
            documentation,
            (*GPU_LABELS, label),
            ((of(gpu, key), one) for gpu, reading in readings for key, one in values(reading).items()),
        )
    yield counter(
        "ecc_errors",
        "ECC errors. Volatile: since the driver was loaded; aggregate: over the life of the GPU.",
        (*GPU_LABELS, "type", "scope"),
        (
            (of(gpu, kind, scope), getattr(reading.memory_errors, f"{kind}_{scope}"))
            for gpu, reading in readings
            for kind in ("corrected", "uncorrected")
            for scope in ("volatile", "aggregate")
        ),
    )
    yield counter(
        "nvlink_errors",
        "Errors of all NVLinks of a GPU.",
        (*GPU_LABELS, "type"),
        (
            (of(gpu, kind), _sum(getattr(link, f"{kind}_errors") for link in reading.nvlink.links or ()))
            for gpu, reading in readings
            for kind in ("replay", "recovery", "crc_flit", "crc_data")
        ),
    )
    yield from _mig_families(readings)


def _info(snapshot: Snapshot, driver: DriverReading) -> Metric:
    return gauge(
        "info",
        "Always 1; who this GPU is.",
        (*GPU_LABELS, "name", "pci_bus_id", "serial", "vbios", "compute_capability", "driver", "cuda"),
        (
            (
                of(
                    gpu,
                    gpu.identity.name or "",
                    gpu.identity.pci_bus_id or "",
                    gpu.values.identity.serial or "",
                    gpu.values.identity.vbios_version or "",
                    ".".join(map(str, gpu.values.identity.compute_capability or ())),
                    driver.driver_version or "",
                    driver.cuda_version or "",
                ),
                1,
            )
            for gpu in snapshot.gpus
        ),
    )


def _mig_families(readings: list[tuple[GpuSample, GpuReading]]) -> Iterator[Metric]:
    instances = [(gpu, one) for gpu, reading in readings for one in reading.mig.instances]
    for name, documentation, field in (
        ("mig_memory_total_bytes", "Memory of a MIG instance.", "memory_total_bytes"),
        ("mig_memory_used_bytes", "Memory of a MIG instance in use.", "memory_used_bytes"),
    ):
        yield gauge(
            name,
            documentation,
            (*GPU_LABELS, "mig", "mig_uuid", "profile"),
            (
                (
                    of(gpu, str(one.mig_index), one.uuid or "", (one.name or "").rpartition(" ")[2]),
                    getattr(one, field),
                )
                for gpu, one in instances
            ),
        )


def _sum(values: Iterator[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
