"""Runs `nvidia-smi -q -x` and parses its output."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from agent.derive.throttling import ClocksEventReason

if TYPE_CHECKING:
    from collections.abc import Iterable

# Seconds; without persistence mode the driver first wakes every GPU, which takes some of them several.
DEADLINE = 60.0


class Untold(StrEnum):
    """Why there is no value."""

    NO_TAG = "nvidia-smi prints no such tag"
    NOT_AVAILABLE = "nvidia-smi says that it is not available"


Number = float | Untold
Text = str | Untold


class SmiError(Exception):
    """nvidia-smi could not be asked; the message says why in its own words."""


@dataclass(frozen=True, slots=True)
class SmiProcess:
    """An entry of <processes>."""

    pid: int
    type: str  # "C", "G", "C+G"; "M+C" for a client of MPS
    used_memory_mib: Number


@dataclass(frozen=True, slots=True)
class SmiGpu:
    """A <gpu>."""

    index: int  # NVML's: nvidia-smi prints in its order
    uuid: Text
    name: Text
    memory_total_mib: Number
    memory_reserved_mib: Number  # drivers before R510 do not tell it apart from what is used
    memory_used_mib: Number
    memory_free_mib: Number
    gpu_percent: Number
    memory_percent: Number
    temperature_celsius: Number
    power_draw_watts: tuple[float, ...] | Untold  # from R570 on an average and an instant value
    power_limit_watts: tuple[float, ...] | Untold  # requested and in force
    graphics_clock_mhz: Number
    memory_clock_mhz: Number
    max_graphics_clock_mhz: Number
    max_memory_clock_mhz: Number
    pcie_max_generation: Number
    pcie_generation: Number
    pcie_max_width: Number
    pcie_width: Number
    pcie_tx_kib_per_second: Number
    pcie_rx_kib_per_second: Number
    clocks_event_reasons: int | Untold  # ClocksEventReason
    clocks_event_reasons_told: int  # the bits of which it says whether they are set
    fan_speed_percent: Number
    mig_mode: Text
    processes: tuple[SmiProcess, ...] | Untold


@dataclass(frozen=True, slots=True)
class SmiLog:
    """The whole document; GPUs in the order of their NVML index."""

    driver_version: Text
    cuda_version: Text
    attached_gpus: Number
    gpus: tuple[SmiGpu, ...]


def run_smi() -> SmiLog:
    """Ask nvidia-smi now. Raises SmiError."""
    return parse(document_now())


def document_now() -> str:
    """What nvidia-smi -q -x says now. Raises SmiError."""
    try:
        done = subprocess.run(  # the one of this machine, from its PATH
            ["nvidia-smi", "-q", "-x"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SmiError(f"nvidia-smi: {error}") from error
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split()) or "nothing"
        raise SmiError(f"nvidia-smi ended with {done.returncode} and said: {said[:300]}")
    return done.stdout


def parse(document: str) -> SmiLog:
    """The document as values; a missing tag is Untold, never a fault. Raises SmiError for what is no XML."""
    root = parse_xml(document)
    return SmiLog(
        driver_version=told_version(root, "kmd_version", "driver_version"),
        cuda_version=told_version(root, "cuda_umd_version", "cuda_version"),
        attached_gpus=told_number(root, "attached_gpus"),
        gpus=tuple(_gpu(index, gpu) for index, gpu in enumerate(root.findall("gpu"))),
    )


def parse_xml(document: str) -> ElementTree.Element:
    """The elements of the document. Raises SmiError for what is no XML."""
    start = document.find("<?xml")  # some drivers print a warning first
    try:
        return ElementTree.fromstring(document[max(start, 0) :])  # noqa: S314  (nvidia-smi's own output)
    except ElementTree.ParseError as error:
        raise SmiError(f"nvidia-smi printed no XML: {error}") from error


def untold_fields(gpu: SmiGpu) -> list[str]:
    """The names of what this document does not tell."""
    return [item.name for item in fields(gpu) if isinstance(getattr(gpu, item.name), Untold)]


def _gpu(index: int, gpu: ElementTree.Element) -> SmiGpu:
    reasons, told = _clocks_event_reasons(gpu)
    return SmiGpu(
        index=index,
        uuid=told_text(gpu, "uuid"),
        name=told_text(gpu, "product_name"),
        memory_total_mib=told_number(gpu, "fb_memory_usage/total"),
        memory_reserved_mib=told_number(gpu, "fb_memory_usage/reserved"),
        memory_used_mib=told_number(gpu, "fb_memory_usage/used"),
        memory_free_mib=told_number(gpu, "fb_memory_usage/free"),
        gpu_percent=told_number(gpu, "utilization/gpu_util"),
        memory_percent=told_number(gpu, "utilization/memory_util"),
        temperature_celsius=told_number(gpu, "temperature/gpu_temp"),
        power_draw_watts=_power(gpu, "power_draw", "average_power_draw", "instant_power_draw"),
        power_limit_watts=_power(
            gpu, "power_limit", "enforced_power_limit", "current_power_limit", "requested_power_limit"
        ),
        graphics_clock_mhz=told_number(gpu, "clocks/graphics_clock"),
        memory_clock_mhz=told_number(gpu, "clocks/mem_clock"),
        max_graphics_clock_mhz=told_number(gpu, "max_clocks/graphics_clock"),
        max_memory_clock_mhz=told_number(gpu, "max_clocks/mem_clock"),
        pcie_max_generation=told_number(gpu, "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
        pcie_generation=told_number(gpu, "pci/pci_gpu_link_info/pcie_gen/current_link_gen"),
        pcie_max_width=told_number(gpu, "pci/pci_gpu_link_info/link_widths/max_link_width"),
        pcie_width=told_number(gpu, "pci/pci_gpu_link_info/link_widths/current_link_width"),
        pcie_tx_kib_per_second=told_number(gpu, "pci/tx_util"),
        pcie_rx_kib_per_second=told_number(gpu, "pci/rx_util"),
        clocks_event_reasons=reasons,
        clocks_event_reasons_told=told,
        fan_speed_percent=told_number(gpu, "fan_speed"),
        mig_mode=told_text(gpu, "mig_mode/current_mig"),
        processes=_processes(gpu),
    )


def told_text(element: ElementTree.Element, *paths: str) -> Text:
    """The first of these that tells something."""
    return _first_told(element.findtext(path) for path in paths)


def told_version(element: ElementTree.Element, *paths: str) -> Text:
    """The same without a remark, as in "610.57.04 [Deprecated; ...]"."""
    texts = (element.findtext(path) for path in paths)
    return _first_told(None if text is None else text.strip().partition(" [")[0] for text in texts)


def _first_told(texts: Iterable[str | None]) -> Text:
    found: Text = Untold.NO_TAG
    for text in texts:
        if text is not None:
            found = text.strip()
            if _tells(found):
                return found
            found = Untold.NOT_AVAILABLE
    return found


def is_failed(element: ElementTree.Element, path: str) -> bool:
    """Whether it says that asking for the number failed, and not that there is no such value."""
    words = element.findtext(path, "").strip().strip("[] ").lower()
    return bool(words) and isinstance(told_number(element, path), Untold) and not words.startswith(_ABSENT)


_ABSENT = ("n/a", "not supported", "not available")
_REFUSALS = (
    *("n/a", "not supported", "not available", "not found", "unknown error", "err!"),
    *("insufficient permissions", "gpu is lost", "gpu requires reset"),
)


def _tells(text: str) -> bool:
    """Not "N/A", "[N/A]", "[Not Supported]", "Requested functionality has been deprecated" ..."""
    if text.startswith("[") and text.endswith("]"):
        return False
    words = text.strip("[] ").lower()
    return bool(words) and not words.startswith(_REFUSALS) and "deprecated" not in words


def told_number(element: ElementTree.Element, *paths: str) -> Number:
    """The number in front of the unit: "45 C", "16x", "700.00 W"."""
    text = told_version(element, *paths)
    if isinstance(text, Untold):
        return text
    number = re.match(r"-?\d+(\.\d+)?", text)
    return float(number.group()) if number else Untold.NOT_AVAILABLE


def _power(gpu: ElementTree.Element, *names: str) -> tuple[float, ...] | Untold:
    """Every value under one of these names, of the GPU alone, not of its memory or module."""
    sections = ("gpu_power_readings", "power_readings")  # from R535 on, and before
    return _all_told(told_number(gpu, f"{section}/{name}") for section in sections for name in names)


def _all_told(values: Iterable[Number]) -> tuple[float, ...] | Untold:
    values = list(values)
    told = tuple(value for value in values if not isinstance(value, Untold))
    return told or (Untold.NOT_AVAILABLE if Untold.NOT_AVAILABLE in values else Untold.NO_TAG)


_REASONS = {
    "gpu_idle": ClocksEventReason.GPU_IDLE,
    "applications_clocks_setting": ClocksEventReason.APPLICATIONS_CLOCKS_SETTING,
    "sw_power_cap": ClocksEventReason.SW_POWER_CAP,
    "hw_slowdown": ClocksEventReason.HW_SLOWDOWN,
    "sync_boost": ClocksEventReason.SYNC_BOOST,
    "sw_thermal_slowdown": ClocksEventReason.SW_THERMAL_SLOWDOWN,
    "hw_thermal_slowdown": ClocksEventReason.HW_THERMAL_SLOWDOWN,
    "hw_power_brake_slowdown": ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN,
    "display_clocks_setting": ClocksEventReason.DISPLAY_CLOCK_SETTING,
}


def _clocks_event_reasons(gpu: ElementTree.Element) -> tuple[int | Untold, int]:
    """The bits that are set, and those of which it says whether they are."""
    active = told = 0
    any_tag = False
    for name, bit in _REASONS.items():
        text = told_text(
            gpu,
            f"clocks_event_reasons/clocks_event_reason_{name}",  # from R535 on
            f"clocks_throttle_reasons/clocks_throttle_reason_{name}",
        )
        any_tag = any_tag or text is not Untold.NO_TAG
        if text in ("Active", "Not Active"):
            told |= bit
            active |= bit if text == "Active" else 0
    if told:
        return active, told
    return (Untold.NOT_AVAILABLE if any_tag else Untold.NO_TAG), told


def _processes(gpu: ElementTree.Element) -> tuple[SmiProcess, ...] | Untold:
    listed = gpu.find("processes")
    if listed is None:
        return Untold.NO_TAG
    if len(listed) == 0 and not _tells((listed.text or "").strip() or "none"):
        return Untold.NOT_AVAILABLE
    return tuple(
        SmiProcess(int(pid), str(told_text(info, "type")), told_number(info, "used_memory"))
        for info in listed.findall("process_info")
        for pid in [told_number(info, "pid")]
        if not isinstance(pid, Untold)
    )
