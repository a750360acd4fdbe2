"""Whether a GPU is well: a verdict, the reasons in words, and what to do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.derive.findings import Finding, HealthVerdict, Patient
from agent.derive.health_rules import RULES
from agent.derive.once import once_per_snapshot
from agent.readings import NVSWITCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import Snapshot


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on one GPU, or on the host. None: nothing is known of it yet."""

    verdict: HealthVerdict | None
    findings: tuple[Finding, ...] = ()  # the worst first

    @property
    def reasons(self) -> list[str]:
        """One sentence for each finding, with what to do."""
        return [f"{finding.what}; {finding.todo}" for finding in self.findings]


@once_per_snapshot
def examine(snapshot: Snapshot) -> Mapping[int, Health]:
    """The health of every GPU, by index."""
    to_switches: dict[str | None, int] = defaultdict(int)
    for gpu in snapshot.gpus:
        nvlink, model = gpu.values.nvlink, gpu.identity.name
        if NVSWITCH in (nvlink.peers or ()):
            to_switches[model] = max(to_switches[model], nvlink.most_active)
    ghosts = snapshot.ledger.ghost_utilization if snapshot.ledger else {}
    return {
        gpu.index: judge_health(
            Patient(
                gpu,
                gpu.values,
                snapshot.taken_at,
                max(gpu.values.nvlink.most_active, to_switches[gpu.identity.name]),
                ghosts.get(gpu.identity.uuid or "", False),
            )
        )
        for gpu in snapshot.gpus
    }


def judge_health(patient: Patient) -> Health:
    """The health of one GPU."""
    findings = sorted(
        (finding for rule in RULES for finding in rule(patient)), key=lambda finding: -finding.verdict
    )
    if findings:
        return Health(findings[0].verdict, tuple(findings))
    return Health(None if patient.gpu.reading is None else HealthVerdict.HEALTHY)
