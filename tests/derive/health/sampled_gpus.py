"""GPUs for tests of rules: healthy except for the fault of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.derive.health import Health, examine
from agent.readings import (
    GpuIdentity,
    GpuSample,
    GpuState,
    Lately,
    LedgerReading,
    MemoryErrors,
    Snapshot,
)
from tests.support.readings import reading, with_values

if TYPE_CHECKING:
    from agent.derive.findings import HealthVerdict

NOW = 1_000_000.0
HEALTHY_READING = reading(
    identity=GpuIdentity(uuid="GPU-0", name="NVIDIA H100", compute_capability=(9, 0)),
    utilization_gpu_percent=90,
    thermal_gpu_celsius=60,
    pcie_generation=5,
    pcie_width=16,
    pcie_max_generation=5,
    pcie_max_width=16,
    pcie_port_width=16,
    clocks_event_reasons=0,
    fans_speed_percent=50,
    modes_performance_state=0,
    memory_errors=MemoryErrors(uncorrected_volatile=0, remapping_pending=False),
)


def gpu(index: int = 0, **values: Any) -> GpuSample:
    """A GPU that is healthy except for these values of its reading."""
    return GpuSample(index, GpuState.OK, with_values(HEALTHY_READING, **values), sampled_at=NOW, age_ms=0)


def health(*gpus: GpuSample, lately: Lately | None = None) -> Health:
    """The health of the first GPU, with these recent conditions."""
    ledger = None if lately is None else LedgerReading(lately={"GPU-0": lately})
    return examine(Snapshot(NOW, 0, gpus=gpus, ledger=ledger))[gpus[0].index]


def findings(*gpus: GpuSample, lately: Lately | None = None) -> list[tuple[str, HealthVerdict]]:
    """Names and verdicts of the findings of the first GPU."""
    return [(finding.name, finding.verdict) for finding in health(*gpus, lately=lately).findings]
