"""Whether the InfoROM of one GPU is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Inforom
from agent.sources.gpu.paces import INFOROM_PACE
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.handle import GpuHandle

FIELD = "inforom.is_valid"


class InforomSource:
    """The InfoROM of one GPU, across its handles: those of a laptop's GPU last for one sample only."""

    def __init__(self) -> None:
        self._handle: GpuHandle  # the one to measure with
        self._reading = Inforom()  # until it has been measured
        self._measured = Paced(INFOROM_PACE, lambda: Inforom(self._handle.query(FIELD, _is_valid)))

    def read(self) -> Inforom:
        """The result of the last check."""
        return self._reading

    def measure(self, handle: GpuHandle, now: float) -> None:
        """At first contact, and every hour. NVML: nvmlDeviceValidateInforom."""
        self._handle = handle
        self._reading = self._measured.get(now)


def _is_valid(handle: Any) -> bool:
    """NVML: nvmlDeviceValidateInforom. CORRUPTED_INFOROM is an answer, not a failure."""
    try:
        pynvml.nvmlDeviceValidateInforom(handle)
    except pynvml.NVMLError_CorruptedInforom:
        return False
    return True


_is_valid.__name__ = "nvmlDeviceValidateInforom"  # so it is called where its errors are shown
