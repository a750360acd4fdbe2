"""State of each GPU, and health of each GPU and the host; also for GPUs that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import HealthVerdict
from agent.derive.health import examine
from agent.derive.host_health import examine_host
from agent.derive.not_offered import is_kept_out
from agent.readings import GpuState
from agent.views.prometheus.families import GPU_LABELS, gauge, label_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import Snapshot
    from agent.views.prometheus.exposition import Family


def host_health_families(snapshot: Snapshot) -> Iterator[Family]:
    """Verdict and findings; also without a driver."""
    health = examine_host(snapshot)
    yield gauge(
        "host_health_verdict",
        "1 for the verdict on the health of the host, else 0; absent while it is unknown.",
        ("verdict",),
        (
            ((verdict.word,), None if health.verdict is None else health.verdict is verdict)
            for verdict in HealthVerdict
        ),
    )
    yield gauge(
        "host_health_finding",
        "1 for each finding about the health of the host; absent if there is none.",
        ("finding", "verdict"),
        (((finding.name, finding.verdict.word), 1) for finding in health.findings),
    )


def health_families(snapshot: Snapshot) -> Iterator[Family]:
    """States, verdicts, findings, and the GPUs that the operator keeps out of /free."""
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
    yield gauge(
        "kept_out",
        "1 if the operator keeps the GPU out of /free (NOT_OFFERED), else 0; absent while that is unknown.",
        GPU_LABELS,
        ((label_values(gpu), is_kept_out(gpu, snapshot)) for gpu in snapshot.gpus),
    )
