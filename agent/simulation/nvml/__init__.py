"""The NVML functions by subject. Importing a module exports its functions; to add one, see `registry`."""

from agent.simulation.nvml import (
    clocks,
    errors,
    events,
    fields,
    gpm,
    handles,
    identity,
    memory,
    mig,
    modes,
    nvlink,
    pcie,
    processes,
    sensors,
    system,
    topology,
)
from agent.simulation.nvml.registry import FUNCTIONS, Device, device_function, library_function

__all__ = [
    "FUNCTIONS",
    "Device",
    "clocks",
    "device_function",
    "errors",
    "events",
    "fields",
    "gpm",
    "handles",
    "identity",
    "library_function",
    "memory",
    "mig",
    "modes",
    "nvlink",
    "pcie",
    "processes",
    "sensors",
    "system",
    "topology",
]
