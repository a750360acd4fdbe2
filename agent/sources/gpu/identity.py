"""The identity of the GPU behind a handle, and its board."""

from __future__ import annotations

import contextlib
from ctypes import c_uint
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import GpuIdentity
from agent.sources.gpu.once import Once
from agent.sources.return_codes import FATAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment


class IdentitySource:
    """The identity of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._once = Once("identity", handle, _ONCE)
        self._board = Once("identity", handle, _BOARD, seldom=True)

    def read_reported(self, now: float) -> GpuIdentity:
        """UUID, name and bus id, as far as reported, also for a lost GPU."""
        with contextlib.suppress(*FATAL):  # the memory, which is asked next, says that it is lost
            self._once.get(now)
        return GpuIdentity(**self._once.known)

    def read(self, moment: Moment) -> GpuIdentity:
        """NVML: see the fields of GpuIdentity."""
        return GpuIdentity(**self._once.get(moment.now), **self._board.get(moment.details))


def bus_id(info: Any) -> str | None:
    """From nvmlPciInfo_t; empty if a virtual machine hides the other end of a link."""
    text = getattr(info, "busId", "")
    return (text.decode() if isinstance(text, bytes) else text).upper() or None


_ONCE: Mapping[str, Callable[[GpuHandle], Any]] = {
    "uuid": lambda handle: handle.query("identity.uuid", "nvmlDeviceGetUUID"),
    "name": lambda handle: handle.query("identity.name", "nvmlDeviceGetName"),
    "pci_bus_id": lambda handle: handle.take(
        "identity.pci_bus_id", handle.call("nvmlDeviceGetPciInfo"), bus_id
    ),
}


def _gsp_firmware_mode(handle: Any) -> int:
    """NVML: nvmlDeviceGetGspFirmwareMode; pynvml's defaults are two numbers that all threads write."""
    enabled, _default = pynvml.nvmlDeviceGetGspFirmwareMode(handle, c_uint(), c_uint())
    return int(enabled)


_gsp_firmware_mode.__name__ = "nvmlDeviceGetGspFirmwareMode"  # so it is called where its errors are shown

_BOARD: Mapping[str, Callable[[GpuHandle], Any]] = {
    "serial": lambda handle: handle.query("identity.serial", "nvmlDeviceGetSerial"),
    "part_number": lambda handle: handle.take(  # some boards answer ""
        "identity.part_number", handle.call("nvmlDeviceGetBoardPartNumber"), lambda text: text or None
    ),
    "vbios_version": lambda handle: handle.query("identity.vbios_version", "nvmlDeviceGetVbiosVersion"),
    "compute_capability": lambda handle: handle.take(
        "identity.compute_capability",
        handle.call("nvmlDeviceGetCudaComputeCapability"),
        lambda capability: (capability[0], capability[1]),
    ),
    "architecture": lambda handle: handle.query("identity.architecture", "nvmlDeviceGetArchitecture"),
    "gsp_firmware_version": lambda handle: handle.take(
        "identity.gsp_firmware_version",
        handle.call("nvmlDeviceGetGspFirmwareVersion"),
        lambda version: version or None,
    ),
    "gsp_firmware_enabled": lambda handle: handle.take(
        "identity.gsp_firmware_enabled", handle.call(_gsp_firmware_mode), bool
    ),
}
