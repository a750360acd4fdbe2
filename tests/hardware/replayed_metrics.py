"""The expected /metrics for each GPU of a document, parsed independently of the replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from prometheus_client.parser import text_string_to_metric_families

from agent.derive.throttling import ClocksEventReason
from tests.hardware.replayed_details import DETAILS
from tests.hardware.replayed_fabric import fabric_series
from tests.hardware.smi import Missing, SmiGpu, text_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from xml.etree.ElementTree import Element

Series = tuple[str, frozenset[tuple[str, str]]]  # name without the prefix; labels except gpu and uuid

PREFIX = "nvidia_gpu_"
MIB, MHZ = 1024**2, 1_000_000
_OF_GPU = {  # by the name in SmiGpu: the path in /gpu, the family, and the factor of its unit
    "memory_total_mib": ("memory.total_mb", "memory_total_bytes", MIB),
    "memory_used_mib": ("memory.used_mb", "memory_used_bytes", MIB),
    "memory_free_mib": ("memory.free_mb", "memory_free_bytes", MIB),
    "memory_reserved_mib": ("", "memory_reserved_bytes", MIB),
    "gpu_percent": ("utilization.gpu_percent", "utilization_ratio", 0.01),
    "memory_percent": ("utilization.memory_percent", "memory_controller_utilization_ratio", 0.01),
    "temperature_celsius": ("temperature_celsius", "temperature_celsius", 1),
    "pcie_generation": ("pcie.current_generation", "pcie_link_generation", 1),
    "pcie_width": ("pcie.current_width", "pcie_link_width", 1),
    "pcie_max_generation": ("pcie.generation", "pcie_max_generation", 1),
    "pcie_tx_kib_per_second": ("pcie.tx_throughput_mbps", "pcie_tx_bytes_per_second", 1024),
    "pcie_rx_kib_per_second": ("pcie.rx_throughput_mbps", "pcie_rx_bytes_per_second", 1024),
    "fan_speed_percent": ("fan_speed_percent", "fan_speed_ratio", 0.01),
}
_OF_DETAIL = {  # by the path in `detail`
    "modes.persistence_mode": ("persistence_mode", 1),
    "modes.ecc_enabled": ("ecc_enabled", 1),
    "modes.ecc_pending": ("ecc_pending", 1),
    "modes.mig_enabled": ("mig_enabled", 1),
    "modes.mig_pending": ("mig_pending", 1),
    "temperatures.memory_celsius": ("memory_temperature_celsius", 1),
    "temperatures.margin_celsius": ("temperature_margin_celsius", 1),
    "power.enforced_limit_watts": ("power_enforced_limit_watts", 1),
    "power.default_limit_watts": ("power_default_limit_watts", 1),
    "power.min_limit_watts": ("power_min_limit_watts", 1),
    "power.max_limit_watts": ("power_max_limit_watts", 1),
    # The mean of two draws, if both are reported.
    "power.memory.instant_watts": ("memory_power_watts", 1),
    "power.memory.average_watts": ("memory_power_watts", 1),
    "power.module.instant_watts": ("module_power_watts", 1),
    "power.module.average_watts": ("module_power_watts", 1),
    "power.module.limit_watts": ("module_power_limit_watts", 1),
    "engines.encoder_sessions.count": ("encoder_sessions", 1),
    "engines.encoder_sessions.fps": ("encoder_frames_per_second", 1),
    "engines.capture_sessions.count": ("capture_sessions", 1),
    "engines.capture_sessions.fps": ("capture_frames_per_second", 1),
    "pcie.card_generation": ("pcie_card_generation", 1),
    "pcie.port_generation": ("pcie_port_generation", 1),
    "engines.encoder_percent": ("encoder_utilization_ratio", 0.01),
    "engines.decoder_percent": ("decoder_utilization_ratio", 0.01),
    "engines.jpeg_percent": ("jpeg_utilization_ratio", 0.01),
    "engines.ofa_percent": ("ofa_utilization_ratio", 0.01),
    "bar1.total_mb": ("bar1_total_bytes", MIB),
    "bar1.used_mb": ("bar1_used_bytes", MIB),
    "pcie_replays": ("pcie_replays_total", 1),
    "retired_pages.pending": ("retirement_pending", 1),
    "remapped_rows.pending": ("remapping_pending", 1),
    "remapped_rows.failed": ("remapping_failed", 1),
    "ecc.sram_threshold_exceeded": ("sram_threshold_exceeded", 1),
    "ecc.unrepairable_memory": ("unrepairable_memory", 1),
    "repairs.channel_pending": ("channel_repair_pending", 1),
    "repairs.tpc_pending": ("tpc_repair_pending", 1),
}
_WITH_LABELS = {  # by the path in `detail`
    **{
        f"temperatures.{name}_celsius": ("temperature_threshold_celsius", 1, {"threshold": name})
        for name in ("max_operating", "slowdown", "shutdown", "memory_max")
    },
    **{
        f"temperatures.{name}_margin_celsius": (
            "temperature_margin_threshold_celsius",
            1,
            {"threshold": name},
        )
        for name in ("max_operating", "slowdown", "shutdown", "memory_max")
    },
    **{
        f"throttled_seconds.{reason}": ("throttled_seconds_total", 1, {"reason": reason})
        for reason in (
            *("sw_power_cap", "sync_boost"),
            *("sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown"),
        )
    },
    **{f"clocks.{name}_mhz": ("clock_hertz", MHZ, {"clock": name}) for name in ("sm", "video")},
    **{f"clocks.max_{name}_mhz": ("clock_max_hertz", MHZ, {"clock": name}) for name in ("sm", "video")},
    **{
        f"{kind}.{cause}": (kind, 1, {"cause": cause})
        for kind in ("retired_pages", "remapped_rows")
        for cause in ("corrected", "uncorrected")
    },
    **{
        f"ecc.{kind}_{scope}": ("ecc_errors_total", 1, {"type": kind, "scope": scope})
        for kind in ("corrected", "uncorrected")
        for scope in ("volatile", "aggregate")
    },
    **{
        f"ecc.{place}.{kind}_{scope}": (
            "ecc_errors_by_place_total",
            1,
            {"place": place, "type": kind, "scope": scope},
        )
        for place in ("dram", "sram")
        for kind in ("corrected", "uncorrected")
        for scope in ("volatile", "aggregate")
    },
    **{
        f"ecc.sram.{kind}_{scope}": (
            "ecc_errors_by_place_total",
            1,
            {"place": "sram", "type": f"uncorrected_{kind}", "scope": scope},
        )
        for kind in ("parity", "secded")
        for scope in ("volatile", "aggregate")
    },
}
_REPORTED_IN_PARTS = {  # the parts have the series
    f"ecc.sram.uncorrected_{scope}": (f"ecc.sram.parity_{scope}", f"ecc.sram.secded_{scope}")
    for scope in ("volatile", "aggregate")
}
_RECOVERY_ACTIONS = {"None": 0, "Reset": 1, "Reboot": 2, "Drain P2P": 3, "Drain and Reset": 4}
_RESETS = {"reset_required": "Reset", "drain_and_reset_recommended": "Drain and Reset"}
# Series whose labels are the information, or whose value does not come from the driver.
NOT_COMPARED = {
    "state": "judged by the agent, like the next ones",
    "health_verdict": "",
    "health_finding": "",
    "kept_out": "",
    "sample_age_seconds": "",
    "sample_duration_seconds": "",
    "driver_errors_total": "calls that the agent made",
    "info": "labels; the same texts are compared in /gpu?detail=1",
    "power_watts": "one of several draws; compared in /gpu",
    "power_limit_watts": "one of several limits; compared in /gpu",
    "fabric_status": "a return code; its words are compared in /gpu?detail=1",
    "compute_mode": "compared in /gpu?detail=1",
    "pcie_max_width": "of the slot too; the card's is compared in /gpu?detail=1",
    "processes": "the list is compared as /status shows it",
    "process_memory_used_bytes": "as processes",
    "mig_memory_total_bytes": "compared as /status?mig=1 shows it",
    "mig_memory_used_bytes": "compared as /status?mig=1 shows it",
}


def expected_series(gpu: SmiGpu, element: Element, excused: Callable[[str], bool]) -> dict[Series, float]:
    """The series of all reported values. `excused`: whether the value of a path in /gpu may be unknown."""
    return {
        (name, frozenset(labels.items())): value * factor
        for path, name, labels, value, factor in _reported(gpu, element)
        if not isinstance(value, Missing) and not excused(path)
    }


def _reported(
    gpu: SmiGpu, element: Element
) -> Iterator[tuple[str, str, dict[str, str], float | Missing, float]]:
    for field, (path, name, factor) in _OF_GPU.items():
        yield path, name, {}, getattr(gpu, field), factor
    details = dict(DETAILS)
    for path, (name, factor) in _OF_DETAIL.items():
        yield f"detail.{path}", name, {}, cast("float | Missing", details[path](element)), factor
    for path, (name, factor, labels) in _WITH_LABELS.items():
        parts = _REPORTED_IN_PARTS.get(path, ())
        if any(not isinstance(details[part](element), Missing) for part in parts):
            continue
        yield f"detail.{path}", name, labels, cast("float | Missing", details[path](element)), factor
    for path, name, labels, number in fabric_series(element):
        yield path, name, labels, number, 1
    for domain in ("graphics", "memory"):
        labels, now, most = {"clock": domain}, f"{domain}_clock_mhz", f"max_{domain}_clock_mhz"
        yield f"clocks.{domain}_mhz", "clock_hertz", labels, getattr(gpu, now), MHZ
        yield f"clocks.max_{domain}_mhz", "clock_max_hertz", labels, getattr(gpu, most), MHZ
    reasons, reported = gpu.clocks_event_reasons, gpu.clocks_event_reasons_reported
    for reason in ClocksEventReason:
        if not isinstance(reasons, Missing) and reported & reason:
            is_active = bool(reasons & reason)
            yield "throttling.reasons", "clocks_event_reason", {"reason": reason.name.lower()}, is_active, 1
    state = text_at(element, "performance_state")
    number = state if isinstance(state, Missing) else int(state[1:])
    yield "detail.modes.performance_state", "performance_state", {}, number, 1
    action = text_at(element, "gpu_recovery_action")
    if action is Missing.NO_TAG:  # before R570
        resets = [text_at(element, f"gpu_reset_status/{name}") for name in _RESETS]
        asked = [action for action, answer in zip(_RESETS.values(), resets, strict=True) if answer == "Yes"]
        action = asked[0] if asked else ("None" if resets[0] == "No" else action)
    number = action if isinstance(action, Missing) else _RECOVERY_ACTIONS[action]
    yield "", "recovery_action", {}, number, 1


def series_of(metrics: str, index: int) -> dict[Series, float]:
    """The series of this GPU in /metrics that are compared."""
    return {
        (name, frozenset((label, text) for label, text in sample.labels.items() if label not in _WHICH)): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.labels.get("gpu") == str(index)
        and (name := sample.name.removeprefix(PREFIX)) not in NOT_COMPARED
    }


_WHICH = {"gpu", "uuid"}
