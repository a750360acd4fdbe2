"""Reasons that slow the GPU down now, or did so for more than 30 s of the last five minutes.

The power cap is no finding: a GPU that works at its limit is healthy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, COOL, critical, warning
from agent.derive.throttling import THERMAL, ClocksEventReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient

_REASONS = "nvmlDeviceGetCurrentClocksEventReasons"
_POWER = "look at the power supplies and cables of the host"
SLOWED_SECONDS = 30.0  # a tenth of the five minutes in which they are counted

KINDS = (
    THERMAL_SLOWDOWN_HW := critical(
        "thermal_slowdown_hw", "the hardware slows the GPU down because of heat", AT_ONCE, _REASONS
    ),
    THERMAL_SLOWDOWN_SW := warning(
        "thermal_slowdown_sw", "the driver slows the GPU down because of heat", AT_ONCE, _REASONS
    ),
    POWER_BRAKE := warning("power_brake", "the host's power supply slows the GPU down", AT_ONCE, _REASONS),
    SLOWED_BY_HEAT := warning(
        "slowed_by_heat",
        "heat has slowed the GPU down; not together with thermal_slowdown_*",
        "more than 30 s of the last 5 minutes",
        "field values 269, 270 and 75",
    ),
    SLOWED_BY_BRAKE := warning(
        "slowed_by_brake",
        "the power brake has slowed the GPU down; not together with power_brake",
        "more than 30 s of the last 5 minutes",
        "field value 271",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge the present reasons, else the counters of the last minutes, which also have short slowdowns."""
    reasons = patient.reading.clocks.event_reasons or 0
    if reasons & ClocksEventReason.HW_THERMAL_SLOWDOWN:
        yield THERMAL_SLOWDOWN_HW.found(
            "The GPU is too hot: the hardware slows it down to half or less", COOL
        )
    elif reasons & ClocksEventReason.SW_THERMAL_SLOWDOWN:
        yield THERMAL_SLOWDOWN_SW.found("The GPU is too hot: the driver slows it down", COOL)
    by_heat = patient.known_lately.slowed_by_heat_seconds
    if by_heat > SLOWED_SECONDS and not reasons & THERMAL:
        yield SLOWED_BY_HEAT.found(
            f"The GPU was too hot and slowed down for {by_heat:.0f} s of the last 5 minutes",
            COOL,
        )
    by_brake = patient.known_lately.slowed_by_brake_seconds
    if reasons & ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN:
        yield POWER_BRAKE.found("The power brake slows the GPU down to half or less", _POWER)
    elif by_brake > SLOWED_SECONDS:
        yield SLOWED_BY_BRAKE.found(
            f"The power brake slowed the GPU down for {by_brake:.0f} s of the last 5 minutes",
            _POWER,
        )
