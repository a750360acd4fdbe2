"""The NVML functions by subject. Importing a module exports its functions; to add one, see `registry`."""

from agent.simulation.nvml import (
    clocks,
    fields,
    gpm,
    identity,
    memory,
    memory_errors,
    mig,
    modes,
    nvlink,
    pcie,
    processes,
    system,
    thermal,
    topology,
    xid,
)
from agent.simulation.nvml.registry import FUNCTIONS, Device, device_function, library_function

__all__ = [
    "FUNCTIONS",
    "Device",
    "clocks",
    "device_function",
    "fields",
    "gpm",
    "identity",
    "library_function",
    "memory",
    "memory_errors",
    "mig",
    "modes",
    "nvlink",
    "pcie",
    "processes",
    "system",
    "thermal",
    "topology",
    "xid",
]
