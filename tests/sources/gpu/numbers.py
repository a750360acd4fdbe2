"""A reading with something in every list, and any number in it changed."""

from __future__ import annotations

import dataclasses
from typing import Any

from agent.readings import (
    Fan,
    Fans,
    GpuProcess,
    GpuReading,
    LinkSample,
    MemoryErrors,
    Mig,
    MigInstance,
    NvLink,
    NvLinks,
    Pcie,
    ProcessType,
    RemapBanks,
    SramSources,
)

GIB = 1 << 30

PROCESS = GpuProcess(4711, ProcessType.COMPUTE, GIB)
# A GPU that reports little, but something in every list.
PLAIN = GpuReading(
    100.0,
    fans=Fans(each=(Fan(), Fan())),
    pcie=Pcie(samples=(LinkSample(), LinkSample())),
    nvlink=NvLinks((NvLink(0, is_active=True), NvLink(1, is_active=True)), most_active=2),
    memory_errors=MemoryErrors(
        remap_banks=RemapBanks(640, 0, 0, 0, 0), sram_sources=SramSources(0, 0, 0, 0, 0)
    ),
    processes=(PROCESS, PROCESS),
    mig=Mig(enabled=True, instances=(MigInstance(0, processes=(PROCESS,)), MigInstance(1))),
)


def with_value(held: Any, path: str, value: Any) -> Any:
    """A reading with another value at this path; in a tuple in its first element."""
    name, _, rest = path.partition(".")
    if isinstance(held, tuple):
        return (with_value(held[0], path, value), *held[1:])
    return dataclasses.replace(
        held, **{name: with_value(getattr(held, name), rest, value) if rest else value}
    )


def value_at(held: Any, path: str) -> Any:
    """What a reading has at this path; in a tuple in its first element."""
    for name in path.split("."):
        held = getattr(held[0] if isinstance(held, tuple) else held, name)
    return held
