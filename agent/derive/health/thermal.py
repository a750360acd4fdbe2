"""How near the GPU is to the temperature at which the hardware slows it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import COOL, warning
from agent.derive.throttling import THERMAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient

LOW_MARGIN_SECONDS = 60.0

KINDS = (
    THERMAL_MARGIN_EXHAUSTED := warning(
        "thermal_margin_exhausted",
        "the margin (T.Limit) is at or below that of the hardware slowdown; not together with"
        " thermal_slowdown_*",
        "for 60 s",
        "nvmlDeviceGetMarginTemperature and field value 194",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge only a GPU that reports both margins; a thermal slowdown is a finding of its own."""
    thermal = patient.reading.thermal
    margin, limit = thermal.margin_celsius, thermal.slowdown_margin_celsius
    if margin is None or limit is None or margin > limit:
        return
    is_slowed = (patient.reading.clocks.event_reasons or 0) & THERMAL
    if patient.known_lately.low_margin_seconds >= LOW_MARGIN_SECONDS and not is_slowed:
        yield THERMAL_MARGIN_EXHAUSTED.found(
            f"The margin to the thermal limit is {margin} degrees Celsius: the hardware slows the GPU"
            f" down at {limit} or less",
            COOL,
        )
