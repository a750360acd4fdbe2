"""The driver of a document, with its GPUs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agent.simulation.codes import FieldId, NvmlReturn
from agent.simulation.replay.document import read_document
from agent.simulation.replay.gpus import MODEL, replay_gpu
from agent.simulation.replay.host import ReplayedResidents
from agent.simulation.replay.processes import replay_processes
from agent.simulation.replay.words import MISSING
from agent.simulation.simulation import Simulation

if TYPE_CHECKING:
    from agent.simulation.replay.words import Section

# Functions whose values are in no document.
_UNTOLD = (
    "nvmlDeviceGetConfComputeMemSizeInfo",
    "nvmlDeviceGetDisplayActive",
    "nvmlDeviceGetDisplayMode",
    "nvmlDeviceGetFanSpeedRPM",
    "nvmlDeviceGetFanSpeed_v2",
    "nvmlDeviceGetGspFirmwareMode",
    "nvmlDeviceGetNumFans",
    "nvmlDeviceGetNvLinkState",
    "nvmlDeviceGetProcessUtilization",
    "nvmlDeviceGetProcessesUtilizationInfo",
    "nvmlDeviceGetSupportedEventTypes",
    "nvmlDeviceGetTopologyCommonAncestor",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetViolationStatus",
    "nvmlDeviceRegisterEvents",
    "nvmlDeviceValidateInforom",
    "nvmlGpmQueryDeviceSupport",
)
_UNTOLD_FIELDS = (FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES)
_VERSION = re.compile(r"(\d{1,3})\.(\d)")


def replay(path: str, **timing: Any) -> Simulation:
    """A simulation with the values of the document in this file.

    `timing`: clocks and durations, as Simulation takes them. Raises DocumentError.
    """
    return replay_document(read_document(path), **timing)


def replay_document(section: Section, **timing: Any) -> Simulation:
    """The same for a parsed document."""
    gpus = list(section.sections("gpu"))
    simulation = Simulation(len(gpus), models=[MODEL], **timing)
    simulation.driver_version = section.version("kmd_version", "driver_version")
    simulation.cuda_version = _cuda_version(section)
    simulation.nvml_version = MISSING
    for symbol in _UNTOLD:
        simulation.remove_function(symbol)
    if not any(gpu.has("fb_memory_usage/reserved") for gpu in gpus):  # before R510 it counted as used
        simulation.remove_function("nvmlDeviceGetMemoryInfo_v2")
    names: dict[int, str | None] = {}
    for gpu, of_gpu in zip(simulation.gpus, gpus, strict=True):
        replay_gpu(gpu, of_gpu)
        gpu.unsupport(*_UNTOLD_FIELDS)
        names.update(replay_processes(gpu, of_gpu))
    simulation.residents = ReplayedResidents(names)
    return simulation


def _cuda_version(section: Section) -> int | NvmlReturn:
    text = section.version("cuda_umd_version", "cuda_version")
    if isinstance(text, NvmlReturn):
        return text
    version = _VERSION.fullmatch(text)
    return NvmlReturn.UNKNOWN if version is None else 1000 * int(version[1]) + 10 * int(version[2])
