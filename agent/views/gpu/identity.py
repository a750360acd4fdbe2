"""Which GPU this is, and its board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.readings import Architecture

if TYPE_CHECKING:
    from agent.readings import GpuIdentity


class GpuBoard(BaseModel):
    """NVML: nvmlDeviceGetSerial, BoardPartNumber, VbiosVersion, PciInfo, CudaComputeCapability, Architecture,
    GspFirmwareVersion, GspFirmwareMode.
    """

    serial: str | None = Field(description="serial number of the board")
    part_number: str | None = Field(description="part number of the board")
    vbios_version: str | None = Field(description="version of the VBIOS, the firmware of the board")
    pci_bus_id: str | None = Field(description="PCI address of the GPU: domain:bus:device.function")
    compute_capability: str | None = Field(description="CUDA compute capability, as in 9.0")
    architecture: str | None = Field(
        description="generation of the GPU, as in Hopper; NVML's number if it is newer than the agent"
    )
    gsp_firmware_version: str | None = Field(
        description="version of the firmware of the GPU system processor; null: the driver does its work"
    )
    gsp_firmware_enabled: bool | None = Field(description="whether the GPU system processor is in use")


def board_view(identity: GpuIdentity) -> GpuBoard:
    """The wire shape of what is written on the board."""
    return GpuBoard(
        serial=identity.serial,
        part_number=identity.part_number,
        vbios_version=identity.vbios_version,
        pci_bus_id=identity.pci_bus_id,
        compute_capability=None
        if identity.compute_capability is None
        else "{}.{}".format(*identity.compute_capability),
        architecture=_architecture(identity.architecture),
        gsp_firmware_version=identity.gsp_firmware_version,
        gsp_firmware_enabled=identity.gsp_firmware_enabled,
    )


def _architecture(number: int | None) -> str | None:
    """As nvidia-smi prints it."""
    if number is None:
        return None
    return Architecture(number).name.replace("_", " ").title() if number in set(Architecture) else str(number)
