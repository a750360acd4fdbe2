"""Whether a GPU is healthy: a verdict, the reasons in words, and what to do.

A file for each subject has its rules, and names the kinds of findings that they make. A rule judges one
thing, independently of the others. An unknown value is no finding: a GPU is judged by the values that it
reports. `docs/findings.md` has every kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.derive.findings import Finding, HealthVerdict, Patient
from agent.derive.health import (
    driver_errors,
    fabric,
    fans,
    inforom,
    memory_errors,
    nvlink,
    pcie,
    recovery,
    states,
    thermal,
    throttling,
    utilization,
    xid,
)
from agent.derive.once import once_per_snapshot
from agent.readings import Lately

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.derive.findings import Kind
    from agent.readings import GpuSample, Snapshot

# In the order in which findings of one verdict are listed.
SUBJECTS = (
    states,
    xid,
    recovery,
    memory_errors,
    inforom,
    throttling,
    thermal,
    pcie,
    fabric,
    nvlink,
    fans,
    utilization,
    driver_errors,
)
RULES = tuple(subject.judge for subject in SUBJECTS)
KINDS: tuple[Kind, ...] = tuple(kind for subject in SUBJECTS for kind in subject.KINDS)

# What a GPU without power no longer has.
ENDED_BY_SLEEP = {throttling.THERMAL_SLOWDOWN_HW.name, fans.FAN_STOPPED.name}

_NOTHING = Lately()


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on one GPU, or on the host. None: nothing is known yet."""

    verdict: HealthVerdict | None
    findings: tuple[Finding, ...] = ()  # the worst first

    @property
    def reasons(self) -> list[str]:
        """One sentence for each finding, with what to do."""
        return [f"{finding.what}; {finding.todo}" for finding in self.findings]


@once_per_snapshot
def examine(snapshot: Snapshot) -> Mapping[int, Health]:
    """The health of every GPU, by index."""
    expected_nvlinks = nvlink.expected_links(snapshot)
    expected_speeds = nvlink.expected_speeds(snapshot)
    ghosts = snapshot.ledger.ghost_utilization if snapshot.ledger else {}
    lately = snapshot.ledger.lately if snapshot.ledger else None

    def judge(gpu: GpuSample) -> Health:
        return judge_health(
            Patient(
                gpu,
                gpu.values,
                snapshot.taken_at,
                expected_nvlinks[gpu.index],
                expected_speeds[gpu.identity.name],
                ghosts.get(gpu.identity.uuid or "", False),
                None if lately is None else lately.get(gpu.identity.uuid or "", _NOTHING),
            )
        )

    def examine_one(gpu: GpuSample) -> Health:
        """One that falls asleep stays critical until it is read again; anything less has no verdict."""
        if gpu.before is None:
            return judge(gpu)
        last = [found for found in judge(gpu.as_last_read).findings if found.name not in ENDED_BY_SLEEP]
        return _worst_of(last) if last and last[0].verdict is HealthVerdict.CRITICAL else judge(gpu)

    return {gpu.index: examine_one(gpu) for gpu in snapshot.gpus}


def judge_health(patient: Patient) -> Health:
    """The health of one GPU."""
    findings = sorted(
        (finding for rule in RULES for finding in rule(patient)), key=lambda finding: -finding.verdict
    )
    if findings:
        return _worst_of(findings)
    return Health(None if patient.gpu.reading is None else HealthVerdict.HEALTHY)


def _worst_of(findings: list[Finding]) -> Health:
    """With at least one finding, the worst first."""
    return Health(findings[0].verdict, tuple(findings))
