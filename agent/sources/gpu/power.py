"""What power one GPU draws, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Power
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.fields import SlowFields
    from agent.sources.gpu.handle import GpuHandle

AVERAGE, INSTANT = pynvml.NVML_FI_DEV_POWER_AVERAGE, pynvml.NVML_FI_DEV_POWER_INSTANT
FIELDS = {AVERAGE: "power.average_watts", INSTANT: "power.instant_watts"}


class PowerSource:
    """The power of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields
        self._slow = Paced(SLOW_PACE, lambda: _read_slow(handle))
        self._fixed = Paced(FIXED_PACE, lambda: _read_fixed(handle))

    def read(self, now: float) -> Power:
        """NVML: see the fields of Power."""
        fields = self._fields.get(now)
        return Power(
            usage_watts=_watts(self._handle.ask("power.usage_watts", "nvmlDeviceGetPowerUsage")),
            average_watts=_watts(fields[AVERAGE]),
            instant_watts=_watts(fields[INSTANT]),
            **self._slow.get(now),
            **self._fixed.get(now),
        )


def _watts(milliwatts: int | None) -> float | None:
    """NVML tells power in mW."""
    return None if milliwatts is None else milliwatts / 1000


def _read_slow(handle: GpuHandle) -> dict[str, float | None]:
    energy = handle.ask("power.energy_joules", "nvmlDeviceGetTotalEnergyConsumption")
    return {
        "limit_watts": _watts(handle.ask("power.limit_watts", "nvmlDeviceGetPowerManagementLimit")),
        "enforced_limit_watts": _watts(
            handle.ask("power.enforced_limit_watts", "nvmlDeviceGetEnforcedPowerLimit")
        ),
        "energy_joules": None if energy is None else energy / 1000,
    }


def _read_fixed(handle: GpuHandle) -> dict[str, float | None]:
    return {
        "default_limit_watts": _watts(
            handle.ask("power.default_limit_watts", "nvmlDeviceGetPowerManagementDefaultLimit")
        ),
    }
