"""Recovery actions and repairs that the driver asks for, for one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Recovery
from agent.sources.gpu.paces import ERRORS_PACE
from agent.sources.nvml import flag
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.fields import SlowFields
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

ACTION = pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
FIELDS = {ACTION: "recovery.action"}


class RecoverySource:
    """The recovery action and repairs of the GPU behind one handle, from these field values."""

    def __init__(self, handle: GpuHandle, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields
        self._repairs = Paced(ERRORS_PACE, lambda: _read_repairs(handle))

    def read(self, moment: Moment) -> Recovery:
        """NVML: see the fields of Recovery."""
        # First, because this call may report that the GPU requires a reset.
        repairs = self._repairs.get(moment.verdicts)
        action = self._fields.get(moment.verdicts)[ACTION]
        return Recovery(action=action, requires_reset=self._handle.requires_reset, **repairs)

    def forget_repairs(self) -> None:
        """Read the pending repairs again at the next `read`."""
        self._repairs.forget()


def _read_repairs(handle: GpuHandle) -> dict[str, bool | None]:
    status = handle.call("nvmlDeviceGetRepairStatus")  # [channel, TPC]
    return {name: handle.take(f"recovery.{name}", status, value_of) for name, value_of in _REPAIRS.items()}


_REPAIRS: Mapping[str, Callable[[Any], bool | None]] = {
    "channel_repair_pending": lambda status: flag(status[0]),
    "tpc_repair_pending": lambda status: flag(status[1]),
}
