"""A simulated NVML library: a Python object instead of `pynvml.nvmlLib`; all above it runs for real.

From the bottom up: `codes`, `wire`, `models` and `load_curves`; `gpu`, what one GPU reports; `lab`, who uses
it (`programs`, `tenants`) and what the host says of them; `library`, the driver and its GPUs; `nvml`, the
functions that ask them, a file a subject; `simulation`, which takes the place of the real library; `replay`,
a simulation after a document of nvidia-smi.
"""

from agent.simulation.call_faults import Faults
from agent.simulation.codes import ClocksEventReason, FieldId, NvmlReturn
from agent.simulation.generations import DRIVER_GENERATIONS
from agent.simulation.gpu import SimulatedGpu
from agent.simulation.mig import MigInstance
from agent.simulation.models import MODELS, GpuModel
from agent.simulation.processes import SimulatedProcess
from agent.simulation.scenarios import SCENARIOS, Scenario
from agent.simulation.simulation import MAX_GPUS, Simulation

__all__ = [
    "DRIVER_GENERATIONS",
    "MAX_GPUS",
    "MODELS",
    "SCENARIOS",
    "ClocksEventReason",
    "Faults",
    "FieldId",
    "GpuModel",
    "MigInstance",
    "NvmlReturn",
    "Scenario",
    "SimulatedGpu",
    "SimulatedProcess",
    "Simulation",
]
