"""Recovery actions and repairs that the driver asks for, for one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Recovery, RecoveryAction
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.paces import ERRORS_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import flag
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.fields import SlowFields
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

ACTION = pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
_FIELD = "recovery.action"
FIELDS = {ACTION: _FIELD}
# R550 and R560 report two of the actions, each as 0 or 1; other drivers refuse these fields.
_BEFORE_R570 = (pynvml.NVML_FI_DEV_RESET_STATUS, pynvml.NVML_FI_DEV_DRAIN_AND_RESET_STATUS)


class RecoverySource:
    """The recovery action and repairs of the GPU behind one handle, from these field values."""

    def __init__(self, handle: GpuHandle, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields
        self._repairs = Paced(ERRORS_PACE, lambda: _read_repairs(handle))
        self._before_r570 = Paced(ERRORS_PACE, lambda: _read_before_r570(handle))

    def read(self, moment: Moment) -> Recovery:
        """NVML: see the fields of Recovery."""
        # First, because this call may report that the GPU requires a reset.
        repairs = self._repairs.get(moment.verdicts)
        action = self._fields.get(moment.verdicts)[ACTION]
        if action is None and (action := self._before_r570.get(moment.verdicts)) is not None:
            self._handle.record.note_reported(_FIELD)
        return Recovery(action=action, requires_reset=self._handle.requires_reset, **repairs)

    def forget_repairs(self) -> None:
        """Read the pending repairs, and the actions before R570, again at the next `read`."""
        self._repairs.forget()
        self._before_r570.forget()


def _read_before_r570(handle: GpuHandle) -> int | None:
    reset, drain_and_reset = field_values(handle, _BEFORE_R570)
    if reset == 1:
        return RecoveryAction.GPU_RESET
    if drain_and_reset == 1:
        return RecoveryAction.DRAIN_AND_RESET
    # GeForce GPUs report the first alone.
    has_no_second = isinstance(drain_and_reset, Refusal) and drain_and_reset.is_absence
    return RecoveryAction.NONE if reset == 0 and (drain_and_reset == 0 or has_no_second) else None


def _read_repairs(handle: GpuHandle) -> dict[str, bool | None]:
    status = handle.call("nvmlDeviceGetRepairStatus")  # [channel, TPC]
    return {name: handle.take(f"recovery.{name}", status, value_of) for name, value_of in _REPAIRS.items()}


_REPAIRS: Mapping[str, Callable[[Any], bool | None]] = {
    "channel_repair_pending": lambda status: flag(status[0]),
    "tpc_repair_pending": lambda status: flag(status[1]),
}
