"""Whether a GPU, or a process on it, is idle. What may be work is not idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import GpuState
from agent.readings.gpu.utilization import WORKS_PERCENT

if TYPE_CHECKING:
    from agent.readings import GpuProcess, GpuReading, GpuSample


_ENGINES = ("engines.encoder_percent", "engines.decoder_percent")


def gpu_is_idle(sample: GpuSample) -> bool | None:
    """Whether the GPU is known to be idle; None: it was not observed.

    A GPU that is asleep is idle, because it can run nothing. One that is awake is known only by its reading:
    if it was let go and is not read, another program may be using it.
    """
    if sample.state is GpuState.ASLEEP:
        return True
    return None if sample.reading is None else _works(sample.reading) is False


def process_is_idle(process: GpuProcess) -> bool | None:
    """Whether the process holds memory of the GPU without work; None: the driver leaves open if it works."""
    if process.works:
        return False
    return None if process.sm_utilization_percent is None else process.gpu_memory_bytes != 0


def _works(reading: GpuReading) -> bool | None:
    """None: unknown. A GPU that encodes or decodes video may run no kernel."""
    if reading.utilization.gpu_percent is None:
        return None
    engines = reading.engines
    used = (reading.utilization.gpu_percent, engines.encoder_percent, engines.decoder_percent)
    if any(percent is not None and percent >= WORKS_PERCENT for percent in used):
        return True
    # Some GPUs never report these engines.
    failing = (reading.unknown.get(field) for field in _ENGINES)
    return None if any(why is not None and why.reported_before for why in failing) else False
