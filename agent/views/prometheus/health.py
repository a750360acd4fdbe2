"""How far each GPU can be trusted, and how well it is; also of those that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import HealthVerdict
from agent.derive.health import examine
from agent.readings import GpuState
from agent.views.prometheus.families import GPU_LABELS, gauge, label_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from agent.readings import Snapshot


def health_families(snapshot: Snapshot) -> Iterator[Metric]:
    """States, verdicts, findings."""
    health = examine(snapshot)
    yield gauge(
        "state",
        "1 for the state that the GPU is in, else 0; only ok and stale GPUs have live values.",
        (*GPU_LABELS, "state"),
        ((label_values(gpu, state), gpu.state is state) for gpu in snapshot.gpus for state in GpuState),
    )
    yield gauge(
        "sample_age_seconds",
        "Age of the GPU's last reading, whether its values are shown or not, in seconds.",
        GPU_LABELS,
        ((label_values(gpu), None if gpu.age_ms is None else gpu.age_ms / 1000) for gpu in snapshot.gpus),
    )
    yield gauge(
        "sample_duration_seconds",
        "Time that the driver took for the GPU's last reading, in seconds.",
        GPU_LABELS,
        ((label_values(gpu), gpu.seconds) for gpu in snapshot.gpus),
    )
    yield gauge(
        "health_verdict",
        "1 for the verdict on the GPU's health, else 0.",
        (*GPU_LABELS, "verdict"),
        (
            (
                label_values(gpu, verdict.word),
                None if (found := health[gpu.index].verdict) is None else found is verdict,
            )
            for gpu in snapshot.gpus
            for verdict in HealthVerdict
        ),
    )
    yield gauge(
        "health_finding",
        "1 for each finding about the GPU's health; absent if there is none.",
        (*GPU_LABELS, "finding", "verdict"),
        (
            (label_values(gpu, finding.name, finding.verdict.word), 1)
            for gpu in snapshot.gpus
            for finding in health[gpu.index].findings
        ),
    )
