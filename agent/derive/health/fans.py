"""Fans that stand still although the GPU is hot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, critical
from agent.readings import Fan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient

# Cards whose fans stop when they are cool start them again between 50 and 60 degrees.
HOT_CELSIUS = 75

KINDS = (
    FAN_STOPPED := critical(
        "fan_stopped",
        "a fan does not turn while the GPU has 75 °C or more",
        AT_ONCE,
        "nvmlDeviceGetFanSpeedRPM, nvmlDeviceGetFanSpeed_v2 and nvmlDeviceGetFanSpeed",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge only a GPU that is hot, and was hot when its fans were read."""
    fans, temperature = patient.reading.fans, patient.reading.thermal.gpu_celsius
    if temperature is None or temperature < HOT_CELSIUS:
        return
    if fans.gpu_celsius is not None and fans.gpu_celsius < HOT_CELSIUS:
        return  # it was cool when the fans were read: they may be running by now
    # If the fans are not reported one by one, the older functions report the first.
    every = [fan for fan in fans.each if fan != Fan()] or [Fan(fans.speed_percent, fans.speed_rpm)]
    stopped = sum(map(_stands_still, every))
    if stopped:
        of_them = f"{stopped} of its {len(every)} fans" if len(every) > 1 else "The fan"
        stands = "stands" if stopped == 1 else "stand"
        yield FAN_STOPPED.found(
            f"{of_them} {stands} still at {temperature} degrees Celsius",
            "check whether the fan is blocked or broken",
        )


def _stands_still(fan: Fan) -> bool:
    """Judged by the measured speed if it is known; the percentage is only the requested speed."""
    return (fan.speed_percent if fan.speed_rpm is None else fan.speed_rpm) == 0
