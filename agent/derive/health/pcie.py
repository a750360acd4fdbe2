"""The PCIe link, compared with the best that it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import warning
from agent.derive.pcie import expected_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient
    from agent.readings import LinkSample

# One reading of a link may be of the moment in which it leaves its idle speed, or goes back to it.
READINGS_OF_A_SLOW_LINK = 2

KINDS = (
    PCIE_DEGRADED := warning(
        "pcie_degraded",
        "fewer lanes or a lower generation than GPU and slot can have, in P0 to P2 at 50 % load or more",
        "in two readings in a row",
        "nvmlDeviceGetCurrPcieLinkGeneration, nvmlDeviceGetCurrPcieLinkWidth and /sys",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge only under load: an idle link uses a lower generation."""
    pcie = patient.reading.pcie
    most, widest = pcie.max_generation, expected_width(pcie)

    def is_degraded(link: LinkSample) -> bool:
        slow = link.generation is not None and most is not None and link.generation < most
        narrow = link.width is not None and widest is not None and link.width < widest
        return link.is_under_load and (slow or narrow)

    if len(pcie.samples) == READINGS_OF_A_SLOW_LINK and all(map(is_degraded, pcie.samples)):
        yield PCIE_DEGRADED.found(
            _beside_the_best(pcie.samples[-1], most, widest),
            "reseat the card or its riser, and look at the slot's settings in the firmware",
        )


def _beside_the_best(link: LinkSample, most: int | None, widest: int | None) -> str:
    """The link compared with the best that it can be, if both are known."""
    now, instead = [], []
    if link.generation is not None and most is not None:
        now, instead = [f"generation {link.generation}"], [str(most)]
    if link.width is not None and widest is not None:
        now, instead = [*now, f"x{link.width}"], [*instead, f"x{widest}"]
    return f"PCIe {' '.join(now)} under load, instead of {' '.join(instead)}"
