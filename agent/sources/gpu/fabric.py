"""The NVLink fabric that one GPU belongs to."""

from __future__ import annotations

import uuid
from ctypes import byref
from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import Fabric, FabricState
from agent.sources.gpu.paces import DETAIL_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import call_c_function
from agent.sources.paced_value import Paced
from agent.sources.return_codes import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle

_FUNCTION = "nvmlDeviceGetGpuFabricInfoV"
# Drivers before R580 know the second form at most, and those before R550 the last, which has no health.
_FORMS = (
    (_FUNCTION, pynvml.c_nvmlGpuFabricInfo_v3_t),
    (_FUNCTION, pynvml.c_nvmlGpuFabricInfo_v2_t),
    ("nvmlDeviceGetGpuFabricInfo", pynvml.c_nvmlGpuFabricInfo_t),
)


class FabricSource:
    """The fabric of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._paced = Paced(DETAIL_PACE, self._read)

    def read(self, now: float) -> Fabric:
        """NVML: see Fabric."""
        return self._paced.get(now)

    def _read(self) -> Fabric:
        info = self._handle.call(_newest_form)
        values: dict[str, Any] = {
            name: self._handle.take(f"fabric.{name}", _with(info, one.member), one.value_of)
            for name, one in _VALUES.items()
        }
        status = values["status"]
        return Fabric(status_words=None if status is None else _words(status), **values)


def _newest_form(handle: Any) -> Any:
    """NVML: nvmlDeviceGetGpuFabricInfoV, or nvmlDeviceGetGpuFabricInfo, as the driver has them."""
    for function, struct in _FORMS:
        info = struct()
        try:
            call_c_function(function, handle, byref(info))
        except (pynvml.NVMLError_FunctionNotFound, pynvml.NVMLError_ArgumentVersionMismatch):
            continue
        return info
    raise pynvml.NVMLError_FunctionNotFound


_newest_form.__name__ = _FUNCTION  # so it is called where its errors are shown


def _with(info: Any, member: str) -> Any:
    """The answer; a Refusal if there is a fabric, but the driver's version of the struct lacks the member."""
    if isinstance(info, Refusal) or not info.state or hasattr(info, member):
        return info
    return Refusal(_FUNCTION, pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH)


class _Value(NamedTuple):
    member: str  # of the struct
    value_of: Callable[[Any], int | str | bool | None]


def _once_completed(member: str, value_of: Callable[[Any], int | str | None] = int) -> _Value:
    """A value that is valid only after completion."""
    return _Value(
        member,
        lambda info: value_of(getattr(info, member)) if info.state == FabricState.COMPLETED else None,
    )


def _health(shift: int, width: int) -> _Value:
    """A part of the health mask; 0: the GPU does not report it."""
    return _Value("healthMask", lambda info: info.healthMask >> shift & width or None if info.state else None)


def _flag(shift: int) -> _Value:
    """A part of the health mask with a boolean value."""
    return _Value(
        "healthMask",
        lambda info: {1: True, 2: False}.get(info.healthMask >> shift & 0b11) if info.state else None,
    )


def _uuid(raw: Any) -> str | None:
    """As nvidia-smi writes it; all zeros where the fabric has none, as inside a single machine."""
    return str(uuid.UUID(bytes=bytes(raw))) if any(raw) else None


def _words(status: int) -> str:
    return "Success" if status == pynvml.NVML_SUCCESS else words_of(status)


# By the field of Fabric. Where in the mask a part stands: nvml.h, NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_*.
_VALUES: Mapping[str, _Value] = {
    "state": _Value("state", lambda info: info.state or None),
    "status": _once_completed("status"),
    "cluster_uuid": _once_completed("clusterUuid", _uuid),
    "clique_id": _once_completed("cliqueId"),
    "health_summary": _Value(
        "healthSummary", lambda info: info.healthSummary or None if info.state else None
    ),
    "bandwidth_degraded": _flag(0),
    "route_recovery_in_progress": _flag(2),
    "route_unhealthy": _flag(4),
    "access_timeout_recovery": _flag(6),
    "incorrect_configuration": _health(8, 0b1111),
    "partition_assigned": _flag(12),
    "manager_connected": _flag(14),
}
