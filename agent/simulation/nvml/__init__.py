"""The simulated NVML functions, a file for each subject.

Importing a module exports its functions; to add one, see `registry.py`.
"""

from agent.simulation.nvml import (
    clocks,
    engines,
    fabric,
    fans,
    fields,
    gpm,
    identity,
    inforom,
    memory,
    memory_errors,
    mig,
    modes,
    nvlink,
    pcie,
    power,
    processes,
    recovery,
    system,
    thermal,
    throttling,
    topology,
    utilization,
    xid,
)
from agent.simulation.nvml.registry import FUNCTIONS, NvmlFunction

__all__ = [
    "FUNCTIONS",
    "NvmlFunction",
    "clocks",
    "engines",
    "fabric",
    "fans",
    "fields",
    "gpm",
    "identity",
    "inforom",
    "memory",
    "memory_errors",
    "mig",
    "modes",
    "nvlink",
    "pcie",
    "power",
    "processes",
    "recovery",
    "system",
    "thermal",
    "throttling",
    "topology",
    "utilization",
    "xid",
]
