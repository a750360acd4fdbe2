"""A simulated NVML library: a Python object instead of `pynvml.nvmlLib`; all code above it is the real one.

From the bottom up: `codes`, `wire`, `models`, `load_curves` and `gpu_values`; `gpu`, one GPU and its faults;
`lab`, its users (`programs`, `tenants`) and their processes on the host; `library`, the driver and its GPUs;
`nvml`, the NVML functions, a file for each subject; `simulation`, which replaces the real library; `replay`,
a simulation from a document of nvidia-smi.
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
