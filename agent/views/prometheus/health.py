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
        "1: the state it is in; only ok and stale GPUs have live values.",
        (*GPU_LABELS, "state"),
        ((label_values(gpu, state), gpu.state is state) for gpu in snapshot.gpus for state in GpuState),
    )
    yield gauge(
        "sample_age_seconds",
        "Age of its last reading, shown or not.",
        GPU_LABELS,
        ((label_values(gpu), None if gpu.age_ms is None else gpu.age_ms / 1000) for gpu in snapshot.gpus),
    )
    yield gauge(
        "sample_duration_seconds",
        "How long the driver took for its last reading.",
        GPU_LABELS,
        ((label_values(gpu), gpu.seconds) for gpu in snapshot.gpus),
    )
    yield gauge(
        "health_verdict",
        "1: the verdict on it.",
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
        "1: what is wrong with it.",
        (*GPU_LABELS, "finding", "verdict"),
        (
            (label_values(gpu, finding.name, finding.verdict.word), 1)
            for gpu in snapshot.gpus
            for finding in health[gpu.index].findings
        ),
    )
