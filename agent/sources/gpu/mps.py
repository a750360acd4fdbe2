"""Clients of MPS, the Multi-Process Service.

Driver 580 has a client on the list of all compute processes as well, with the same memory, and MPS's own
server on that list alone (seen on an H100; nvidia-smi writes M+C and C). NVML promises neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from nvitop import libnvml

from agent.sources.gpu.paces import FIXED_PACE
from agent.sources.gpu.processes import read_growing_list
from agent.sources.gpu.unknown import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.sources.gpu.handle import GpuHandle


def mps_clients(raw: Any) -> list[Any]:
    """NVML: nvmlDeviceGetMPSComputeRunningProcesses, of the GPU or MIG device behind NVML's handle `raw`."""
    return read_growing_list(libnvml.nvmlDeviceGetMPSComputeRunningProcesses, raw)


mps_clients.__name__ = "nvmlDeviceGetMPSComputeRunningProcesses"  # so it is called where its errors are shown


class MpsClients:
    """Reads the clients on one GPU and on its MIG devices. A GPU without such a list is queried seldom.

    `clock`: seconds of the monotonic clock.
    """

    def __init__(self, handle: GpuHandle, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._due_at = float("-inf")

    def clients_of(self, raw: Any) -> Iterable[Any] | Refusal:
        """The listed clients, none where there is no such list; or why there may be some."""
        now = self._clock()
        if now < self._due_at:
            return ()
        answer: Any = self._handle.call_exactly(mps_clients, raw)
        if isinstance(answer, Refusal) and answer.is_absence:
            self._due_at = now + FIXED_PACE
            return ()
        return cast("Iterable[Any] | Refusal", answer)
