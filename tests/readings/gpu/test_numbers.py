"""Each named number of the NVML header is the same here as in nvidia-ml-py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import FabricConfiguration, FabricHealthSummary, FabricState, RecoveryAction
from agent.readings.gpu.identity import Architecture
from agent.readings.gpu.modes import AddressingMode, ComputeMode, VirtualizationMode

if TYPE_CHECKING:
    from enum import IntEnum

PREFIXES: dict[type[IntEnum], str] = {
    Architecture: "NVML_DEVICE_ARCH_",
    ComputeMode: "NVML_COMPUTEMODE_",
    VirtualizationMode: "NVML_GPU_VIRTUALIZATION_MODE_",
    AddressingMode: "NVML_DEVICE_ADDRESSING_MODE_",
    FabricState: "NVML_GPU_FABRIC_STATE_",
    FabricHealthSummary: "NVML_GPU_FABRIC_HEALTH_SUMMARY_",
    FabricConfiguration: "NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_",
    RecoveryAction: "NVML_GPU_RECOVERY_ACTION_",
}
OTHER_NAMES = {"ADA_LOVELACE": "ADA"}


@pytest.mark.parametrize(
    ("kind", "prefix"), PREFIXES.items(), ids=lambda given: getattr(given, "__name__", "")
)
def test_every_number_is_that_of_nvml(kind: type[IntEnum], prefix: str) -> None:
    ours = {one.name: one.value for one in kind}

    assert ours == {name: getattr(pynvml, prefix + OTHER_NAMES.get(name, name)) for name in ours}
