"""Ghost utilization: a GPU that reports utilization without doing any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import warning
from agent.derive.unlisted import GHOST_PERCENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient


KINDS = (
    GHOST_UTILIZATION := warning(
        "ghost_utilization",
        "90 % utilization or more, without a process and without memory in use",
        "in all samples of a minute",
        "nvmlDeviceGetUtilizationRates",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge the last minute; see agent/derive/unlisted.py."""
    if patient.has_ghost_utilization:
        yield GHOST_UTILIZATION.found(
            f"At least {GHOST_PERCENT} % utilization for a minute, without a process or memory in use",
            "it can be used, but its utilization cannot be trusted; reload the driver or reboot",
        )
