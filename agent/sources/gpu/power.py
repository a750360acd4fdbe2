"""The power draw of one GPU, and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Power
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.paces import DETAIL_PACE, SLOW_PACE
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.sources.gpu.fields import SlowFields
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

AVERAGE, INSTANT = pynvml.NVML_FI_DEV_POWER_AVERAGE, pynvml.NVML_FI_DEV_POWER_INSTANT
_MEMORY, _MODULE = pynvml.NVML_POWER_SCOPE_MEMORY, pynvml.NVML_POWER_SCOPE_MODULE
# By the name in Power; the scope stands beside the id where it is not the GPU alone.
_FIELDS: Mapping[str, int | tuple[int, int]] = {
    "average_watts": AVERAGE,
    "instant_watts": INSTANT,
    "memory_average_watts": (AVERAGE, _MEMORY),
    "memory_instant_watts": (INSTANT, _MEMORY),
    "module_average_watts": (AVERAGE, _MODULE),
    "module_instant_watts": (INSTANT, _MODULE),
    "module_limit_watts": (pynvml.NVML_FI_DEV_POWER_CURRENT_LIMIT, _MODULE),
}
FIELDS = {field: f"power.{name}" for name, field in _FIELDS.items()}


class PowerSource:
    """The power of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields
        self._limits = Paced(SLOW_PACE, lambda: _read_limits(handle))
        self._energy = Paced(DETAIL_PACE, lambda: _read_energy(handle))
        self._fixed = Fixed(handle, lambda: _read_fixed(handle))

    def read(self, moment: Moment) -> Power:
        """NVML: see the fields of Power."""
        fields = self._fields.get(moment.verdicts)
        return Power(
            usage_watts=_watts(self._handle.query("power.usage_watts", "nvmlDeviceGetPowerUsage")),
            **{name: _watts(fields[field]) for name, field in _FIELDS.items()},
            **self._limits.get(moment.details),
            **self._energy.get(moment.details),
            **self._fixed.get(moment.details),
        )


def _watts(milliwatts: int | None) -> float | None:
    """NVML reports power in mW."""
    return None if milliwatts is None else milliwatts / 1000


def _read_energy(handle: GpuHandle) -> dict[str, float | None]:
    energy = handle.query("power.energy_joules", "nvmlDeviceGetTotalEnergyConsumption")
    return {"energy_joules": None if energy is None else energy / 1000}


def _read_limits(handle: GpuHandle) -> dict[str, float | None]:
    return {
        "limit_watts": _watts(handle.query("power.limit_watts", "nvmlDeviceGetPowerManagementLimit")),
        "enforced_limit_watts": _watts(
            handle.query("power.enforced_limit_watts", "nvmlDeviceGetEnforcedPowerLimit")
        ),
    }


def _read_fixed(handle: GpuHandle) -> dict[str, float | None]:
    limits = handle.call("nvmlDeviceGetPowerManagementLimitConstraints")  # [least, most]
    return {
        "min_limit_watts": _watts(handle.take("power.min_limit_watts", limits, lambda both: both[0])),
        "max_limit_watts": _watts(handle.take("power.max_limit_watts", limits, lambda both: both[1])),
        "default_limit_watts": _watts(
            handle.query("power.default_limit_watts", "nvmlDeviceGetPowerManagementDefaultLimit")
        ),
    }
