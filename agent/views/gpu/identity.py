"""Which GPU this is, and its board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import GpuIdentity


class GpuBoard(BaseModel):
    """NVML: nvmlDeviceGetSerial, BoardPartNumber, VbiosVersion, PciInfo, CudaComputeCapability."""

    serial: str | None = Field(description="serial number of the board")
    part_number: str | None = Field(description="part number of the board")
    vbios_version: str | None = Field(description="version of the VBIOS, the firmware of the board")
    pci_bus_id: str | None = Field(description="PCI address of the GPU: domain:bus:device.function")
    compute_capability: str | None = Field(description="CUDA compute capability, as in 9.0")


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
    )
