"""Substitutes: if one NVML function does not report a value, another may.

Field values are the substitutes, all in one call, at most once a second. A field without a value is read
again after five minutes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Reason
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.paced_value import JITTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.readings import GpuReading
    from agent.sources.gpu.handle import GpuHandle

CALL_PACE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class StandIn:
    """The substitutes for the function of a value: the first that reports it is used."""

    fields: tuple[int, ...] = ()  # of nvmlDeviceGetFieldValues, after `known`
    value_of: Callable[[int], Any] = int  # of a field, as the reading has it
    known: Callable[[GpuReading], Any] = lambda _: None  # what the reading has under another name
    pace: float = SLOW_PACE  # seconds between two reads of a field that is reported


def _from_thousandths(number: int) -> float:
    """Of mW and mJ."""
    return number / 1000


def _first_fan(name: str) -> Callable[[GpuReading], Any]:
    return lambda reading: getattr(reading.fans.each[0], name) if reading.fans.each else None


# By the field of the reading.
STAND_INS: Mapping[str, StandIn] = {
    "power.usage_watts": StandIn(
        (pynvml.NVML_FI_DEV_POWER_INSTANT, pynvml.NVML_FI_DEV_POWER_AVERAGE),
        _from_thousandths,
        pace=CALL_PACE,
    ),
    "power.enforced_limit_watts": StandIn((pynvml.NVML_FI_DEV_POWER_CURRENT_LIMIT,), _from_thousandths),
    # Notebook GPUs report only the limit in force, because it cannot be set.
    "power.limit_watts": StandIn(
        (pynvml.NVML_FI_DEV_POWER_REQUESTED_LIMIT, pynvml.NVML_FI_DEV_POWER_CURRENT_LIMIT),
        _from_thousandths,
        known=lambda reading: reading.power.enforced_limit_watts,
    ),
    "power.default_limit_watts": StandIn((pynvml.NVML_FI_DEV_POWER_DEFAULT_LIMIT,), _from_thousandths),
    "power.min_limit_watts": StandIn((pynvml.NVML_FI_DEV_POWER_MIN_LIMIT,), _from_thousandths),
    "power.max_limit_watts": StandIn((pynvml.NVML_FI_DEV_POWER_MAX_LIMIT,), _from_thousandths),
    "power.energy_joules": StandIn(
        (pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, pynvml.NVML_FI_DEV_ENERGY), _from_thousandths
    ),
    "fans.speed_percent": StandIn(known=_first_fan("speed_percent")),
    "fans.speed_rpm": StandIn(known=_first_fan("speed_rpm")),
    "pcie.replays": StandIn((pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER,)),
    "memory_errors.corrected_volatile": StandIn((pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL,)),
    "memory_errors.uncorrected_volatile": StandIn((pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL,)),
    "memory_errors.corrected_aggregate": StandIn((pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL,)),
    "memory_errors.uncorrected_aggregate": StandIn((pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL,)),
}
_values: Callable[[GpuReading], tuple[Any, ...]] = attrgetter(*STAND_INS)


class StandIns:
    """Of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._field_values: dict[int, int | None] = {}  # by field
        self._due_at: dict[int, float] = {}  # by field; seconds of the monotonic clock
        self._called_at = float("-inf")

    def fill(self, reading: GpuReading, now: float) -> GpuReading:
        """The reading, completed with values from substitutes."""
        missing = [
            path
            for path, value in zip(STAND_INS, _values(reading), strict=True)
            if value is None and not _is_forbidden(reading, path)
        ]
        if not missing:
            return reading
        self._read_fields(missing, now)
        found = {path: value for path in missing if (value := self._value(path, reading)) is not None}
        return _with(reading, found) if found else reading

    def forget(self, subject: str) -> None:
        """The values of a subject are no longer valid: read them at the next `fill`."""
        for path, stand_in in STAND_INS.items():
            if path.startswith(f"{subject}."):
                for field in stand_in.fields:
                    self._due_at.pop(field, None)

    def _read_fields(self, missing: Iterable[str], now: float) -> None:
        due = {
            field: STAND_INS[path].pace
            for path in missing
            for field in STAND_INS[path].fields
            if now >= self._due_at.get(field, now)
        }
        if not due or now - self._called_at < CALL_PACE - JITTER:
            return
        self._called_at = now
        for field, answer in zip(due, field_values(self._handle, tuple(due)), strict=True):
            refused = isinstance(answer, Refusal)
            self._field_values[field] = None if refused else answer
            self._due_at[field] = now + (FIXED_PACE if refused else due[field]) - JITTER

    def _value(self, path: str, reading: GpuReading) -> Any:
        stand_in = STAND_INS[path]
        known = stand_in.known(reading)
        if known is not None:
            return known
        values = (self._field_values.get(field) for field in stand_in.fields)
        return next((stand_in.value_of(value) for value in values if value is not None), None)


def _is_forbidden(reading: GpuReading, path: str) -> bool:
    why = reading.unknown.get(path)
    return why is not None and why.reason is Reason.NO_PERMISSION


def _with(reading: GpuReading, values: Mapping[str, Any]) -> GpuReading:
    changes: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, value in values.items():
        subject, _, name = path.partition(".")
        changes[subject][name] = value
    unknown = {path: why for path, why in reading.unknown.items() if path not in values}
    parts = {subject: replace(getattr(reading, subject), **held) for subject, held in changes.items()}
    return replace(reading, unknown=MappingProxyType(unknown), **parts)
