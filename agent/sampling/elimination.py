"""Identifies a GPU that could never be read, by elimination."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.readings import GpuIdentity, GpuReading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.readings import GpuSample


def with_the_last_one_named(gpus: Sequence[GpuSample], bus_ids: Sequence[str]) -> tuple[GpuSample, ...]:
    """The GPUs; if exactly one has no bus id, it gets the one that no other GPU has.

    `bus_ids`: of all NVIDIA GPUs on the PCI buses. With two or more left it is unknown which is which.
    """
    nameless = [gpu for gpu in gpus if gpu.identity.pci_bus_id is None]
    left = set(bus_ids) - {gpu.identity.pci_bus_id for gpu in gpus}
    if len(nameless) == len(left) == 1:
        (last,), (bus_id,) = nameless, left
        if last.reading is None:
            return tuple(_named(gpu, bus_id) if gpu is last else gpu for gpu in gpus)
    return tuple(gpus)


def _named(gpu: GpuSample, bus_id: str) -> GpuSample:
    lasting = gpu.lasting or GpuReading(sampled_since_boot=0.0)
    identity = GpuIdentity(lasting.identity.uuid, lasting.identity.name, bus_id)
    return replace(gpu, lasting=replace(lasting, identity=identity))
