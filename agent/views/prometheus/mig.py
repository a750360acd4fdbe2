"""The MIG instances of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.views.prometheus.families import GPU_LABELS, UNKNOWN_UUID, gauge, label_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.readings import GpuReading, GpuSample, MigInstance
    from agent.views.prometheus.exposition import Family
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    (
        "mig_enabled",
        "1 if the GPU is partitioned by MIG, else 0; absent where the GPU has no MIG.",
        lambda r: r.mig.enabled,
    ),
    (
        "mig_pending",
        "1 if MIG will partition the GPU after the next reset, else 0; absent where the GPU has no MIG.",
        lambda r: r.mig.pending,
    ),
)


def mig_families(readings: Sequence[tuple[GpuSample, GpuReading]]) -> Iterator[Family]:
    """The families of each instance."""
    instances = [(gpu, one) for gpu, reading in readings for one in reading.mig.instances or ()]
    for name, documentation, field in (
        (
            "mig_memory_total_bytes",
            "Memory of a MIG instance, in bytes; instances with the same gpu_instance_id share it.",
            "memory_total_bytes",
        ),
        (
            "mig_memory_used_bytes",
            "Memory of a MIG instance in use, in bytes; instances with the same gpu_instance_id share it.",
            "memory_used_bytes",
        ),
    ):
        yield gauge(
            name,
            documentation,
            (*GPU_LABELS, "mig", "mig_uuid", "profile", "gpu_instance_id", "compute_instance_id"),
            ((label_values(gpu, *_labels(one)), getattr(one, field)) for gpu, one in instances),
        )


def _labels(one: MigInstance) -> tuple[str, ...]:
    ids = (one.gpu_instance_id, one.compute_instance_id)
    return (
        str(one.mig_index),
        one.uuid or UNKNOWN_UUID,
        one.profile or "",
        *("" if number is None else str(number) for number in ids),
    )
