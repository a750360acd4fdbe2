"""Which GPUs there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, gauge, label_values

if TYPE_CHECKING:
    from agent.readings import DriverReading, Snapshot
    from agent.views.prometheus.exposition import Family


def info_family(snapshot: Snapshot, driver: DriverReading) -> Family:
    """One series for each GPU, whether it can be read or not."""
    return gauge(
        "info",
        "Always 1; the labels identify the GPU.",
        (*GPU_LABELS, "name", "pci_bus_id", "serial", "vbios", "compute_capability", "driver", "cuda"),
        (
            (
                label_values(
                    gpu,
                    gpu.identity.name or "",
                    gpu.identity.pci_bus_id or "",
                    gpu.identity.serial or "",
                    gpu.identity.vbios_version or "",
                    ".".join(map(str, gpu.identity.compute_capability or ())),
                    driver.driver_version or "",
                    driver.cuda_version or "",
                ),
                1,
            )
            for gpu in snapshot.gpus
        ),
    )
