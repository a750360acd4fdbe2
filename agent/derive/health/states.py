"""A GPU that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, critical, warning
from agent.readings import GpuState
from agent.readings.troubles import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient


KINDS = (
    LOST := critical(
        "lost", "the driver refuses to read the GPU, and says why", AT_ONCE, "any NVML function"
    ),
    STUCK := critical(
        "stuck", "a driver call has not returned for SAMPLE_TIMEOUT", AT_ONCE, "the agent's clock"
    ),
    SILENT := warning("silent", "no answer for so long that no value is shown", AT_ONCE, "the agent's clock"),
)
_CANNOT_BE_READ = {GpuState.LOST: LOST, GpuState.STUCK: STUCK, GpuState.STALE: SILENT}


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge a GPU without a reading."""
    gpu = patient.gpu
    if gpu.reading is None and gpu.state in _CANNOT_BE_READ:
        yield _CANNOT_BE_READ[gpu.state].found(gpu.error or UNREADABLE.what, gpu.todo or UNREADABLE.todo)
