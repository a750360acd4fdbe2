"""The NVLink fabric: state of the registration, and health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

_VERSIONS = {0x0200_0024: 2, 0x0300_0028: 3}  # of nvmlGpuFabricInfoV_t; the third has the summary


@device_function("nvmlDeviceGetGpuFabricInfo")
def fabric_info(device: Device, info: Any) -> None:
    info = wire.target(info)
    fabric = device.gpu.fabric
    info.state = wire.value_or_raise(fabric.state)
    info.status, info.cliqueId = fabric.status, fabric.clique_id
    info.clusterUuid[:] = fabric.cluster_uuid


@device_function("nvmlDeviceGetGpuFabricInfoV")
def fabric_info_v(device: Device, info: Any) -> None:
    version = _VERSIONS.get(wire.target(info).version)
    if version is None or version > device.library.fabric_info:
        raise NvmlFailure(NvmlReturn.ARGUMENT_VERSION_MISMATCH)
    fabric_info(device, info)
    wire.target(info).healthMask = device.gpu.fabric.health_mask
    if version == 3:
        wire.target(info).healthSummary = device.gpu.fabric.health_summary
