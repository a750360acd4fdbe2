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

# Seconds. Without persistence mode the driver first wakes every GPU, which can take several seconds.
DEADLINE = 60.0


class Missing(StrEnum):
    """The reason why there is no value."""

    NO_TAG = "nvidia-smi prints no such tag"
    NOT_AVAILABLE = "nvidia-smi says that it is not available"


Number = float | Missing
Text = str | Missing


class SmiError(Exception):
    """nvidia-smi failed; with its own message."""


@dataclass(frozen=True, slots=True)
class SmiProcess:
    """A process in <processes>."""

    pid: int
    type: str  # "C", "G", "C+G"; "M+C" for a client of MPS
    used_memory_mib: Number


@dataclass(frozen=True, slots=True)
class SmiGpu:
    """A <gpu>."""

    index: int  # the index of NVML, in whose order nvidia-smi prints
    uuid: Text
    name: Text
    memory_total_mib: Number
    memory_reserved_mib: Number  # drivers before R510 count it as used
    memory_used_mib: Number
    memory_free_mib: Number
    gpu_percent: Number
    memory_percent: Number
    temperature_celsius: Number
    power_draw_watts: tuple[float, ...] | Missing  # from R570 on an average and an instant value
    power_limit_watts: tuple[float, ...] | Missing  # requested and in force
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
    clocks_event_reasons: int | Missing  # ClocksEventReason
    clocks_event_reasons_reported: int  # the bits that nvidia-smi reports as set or not set
    fan_speed_percent: Number
    mig_mode: Text
    processes: tuple[SmiProcess, ...] | Missing


@dataclass(frozen=True, slots=True)
class SmiLog:
    """The whole document, with GPUs in the order of their NVML index."""

    driver_version: Text
    cuda_version: Text
    attached_gpus: Number
    gpus: tuple[SmiGpu, ...]


def run_smi() -> SmiLog:
    """The parsed output of nvidia-smi now. Raises SmiError."""
    return parse(document_now())


def document_now() -> str:
    """The output of nvidia-smi -q -x now. Raises SmiError."""
    try:
        done = subprocess.run(  # nvidia-smi of this machine, from its PATH
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
    """The values of the document; a value without a tag is Missing. Raises SmiError if it is not XML."""
    root = parse_xml(document)
    return SmiLog(
        driver_version=version_at(root, "kmd_version", "driver_version"),
        cuda_version=version_at(root, "cuda_umd_version", "cuda_version"),
        attached_gpus=number_at(root, "attached_gpus"),
        gpus=tuple(_gpu(index, gpu) for index, gpu in enumerate(root.findall("gpu"))),
    )


def parse_xml(document: str) -> ElementTree.Element:
    """The elements of the document. Raises SmiError if it is not XML."""
    start = document.find("<?xml")  # some drivers print a warning first
    try:
        return ElementTree.fromstring(document[max(start, 0) :])  # noqa: S314  (nvidia-smi's own output)
    except ElementTree.ParseError as error:
        raise SmiError(f"nvidia-smi printed no XML: {error}") from error


def missing_fields(gpu: SmiGpu) -> list[str]:
    """The names of the values that are missing in this document."""
    return [item.name for item in fields(gpu) if isinstance(getattr(gpu, item.name), Missing)]


def _gpu(index: int, gpu: ElementTree.Element) -> SmiGpu:
    reasons, reported = _clocks_event_reasons(gpu)
    return SmiGpu(
        index=index,
        uuid=text_at(gpu, "uuid"),
        name=text_at(gpu, "product_name"),
        memory_total_mib=number_at(gpu, "fb_memory_usage/total"),
        memory_reserved_mib=number_at(gpu, "fb_memory_usage/reserved"),
        memory_used_mib=number_at(gpu, "fb_memory_usage/used"),
        memory_free_mib=number_at(gpu, "fb_memory_usage/free"),
        gpu_percent=number_at(gpu, "utilization/gpu_util"),
        memory_percent=number_at(gpu, "utilization/memory_util"),
        temperature_celsius=number_at(gpu, "temperature/gpu_temp"),
        power_draw_watts=_power(gpu, "power_draw", "average_power_draw", "instant_power_draw"),
        power_limit_watts=_power(
            gpu, "power_limit", "enforced_power_limit", "current_power_limit", "requested_power_limit"
        ),
        graphics_clock_mhz=number_at(gpu, "clocks/graphics_clock"),
        memory_clock_mhz=number_at(gpu, "clocks/mem_clock"),
        max_graphics_clock_mhz=number_at(gpu, "max_clocks/graphics_clock"),
        max_memory_clock_mhz=number_at(gpu, "max_clocks/mem_clock"),
        pcie_max_generation=number_at(gpu, "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
        pcie_generation=number_at(gpu, "pci/pci_gpu_link_info/pcie_gen/current_link_gen"),
        pcie_max_width=number_at(gpu, "pci/pci_gpu_link_info/link_widths/max_link_width"),
        pcie_width=number_at(gpu, "pci/pci_gpu_link_info/link_widths/current_link_width"),
        pcie_tx_kib_per_second=number_at(gpu, "pci/tx_util"),
        pcie_rx_kib_per_second=number_at(gpu, "pci/rx_util"),
        clocks_event_reasons=reasons,
        clocks_event_reasons_reported=reported,
        fan_speed_percent=number_at(gpu, "fan_speed"),
        mig_mode=text_at(gpu, "mig_mode/current_mig"),
        processes=_processes(gpu),
    )


def text_at(element: ElementTree.Element, *paths: str) -> Text:
    """The first of these tags that has a value."""
    return _first_value(element.findtext(path) for path in paths)


def version_at(element: ElementTree.Element, *paths: str) -> Text:
    """The same without a remark such as the one in "610.57.04 [Deprecated; ...]"."""
    texts = (element.findtext(path) for path in paths)
    return _first_value(None if text is None else text.strip().partition(" [")[0] for text in texts)


def _first_value(texts: Iterable[str | None]) -> Text:
    found: Text = Missing.NO_TAG
    for text in texts:
        if text is not None:
            found = text.strip()
            if _has_value(found):
                return found
            found = Missing.NOT_AVAILABLE
    return found


def is_failed(element: ElementTree.Element, path: str) -> bool:
    """Whether reading the number failed, as opposed to a GPU that does not have it."""
    words = element.findtext(path, "").strip().strip("[] ").lower()
    return bool(words) and isinstance(number_at(element, path), Missing) and not words.startswith(_ABSENT)


_ABSENT = ("n/a", "not supported", "not available")
_REFUSALS = (
    *("n/a", "not supported", "not available", "not found", "unknown error", "err!"),
    *("insufficient permissions", "gpu is lost", "gpu requires reset"),
)


def _has_value(text: str) -> bool:
    """Whether it is a value: not "N/A", "[Not Supported]", "Requested functionality has been deprecated"."""
    if text.startswith("[") and text.endswith("]"):
        return False
    words = text.strip("[] ").lower()
    return bool(words) and not words.startswith(_REFUSALS) and "deprecated" not in words


def number_at(element: ElementTree.Element, *paths: str) -> Number:
    """The number in front of the unit: "45 C", "16x", "700.00 W"."""
    text = version_at(element, *paths)
    if isinstance(text, Missing):
        return text
    number = re.match(r"-?\d+(\.\d+)?", text)
    return float(number.group()) if number else Missing.NOT_AVAILABLE


def _power(gpu: ElementTree.Element, *names: str) -> tuple[float, ...] | Missing:
    """Every value with one of these names for the GPU, not for its memory or module."""
    sections = ("gpu_power_readings", "power_readings")  # from R535 on, and before
    return _all_values(number_at(gpu, f"{section}/{name}") for section in sections for name in names)


def _all_values(values: Iterable[Number]) -> tuple[float, ...] | Missing:
    values = list(values)
    reported = tuple(value for value in values if not isinstance(value, Missing))
    return reported or (Missing.NOT_AVAILABLE if Missing.NOT_AVAILABLE in values else Missing.NO_TAG)


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


def _clocks_event_reasons(gpu: ElementTree.Element) -> tuple[int | Missing, int]:
    """The bits that are set, and all bits that are reported."""
    active = reported = 0
    any_tag = False
    for name, bit in _REASONS.items():
        text = text_at(
            gpu,
            f"clocks_event_reasons/clocks_event_reason_{name}",  # from R535 on
            f"clocks_throttle_reasons/clocks_throttle_reason_{name}",
        )
        any_tag = any_tag or text is not Missing.NO_TAG
        if text in ("Active", "Not Active"):
            reported |= bit
            active |= bit if text == "Active" else 0
    if reported:
        return active, reported
    return (Missing.NOT_AVAILABLE if any_tag else Missing.NO_TAG), reported


def _processes(gpu: ElementTree.Element) -> tuple[SmiProcess, ...] | Missing:
    listed = gpu.find("processes")
    if listed is None:
        return Missing.NO_TAG
    if len(listed) == 0 and not _has_value((listed.text or "").strip() or "none"):
        return Missing.NOT_AVAILABLE
    return tuple(
        SmiProcess(int(pid), str(text_at(info, "type")), number_at(info, "used_memory"))
        for info in listed.findall("process_info")
        for pid in [number_at(info, "pid")]
        if not isinstance(pid, Missing)
    )
