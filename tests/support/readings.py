"""Readings of a GPU from flat names, each a subject and its field, such as `power_usage_watts`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from agent.readings import GpuReading

_NOTHING = GpuReading(sampled_since_boot=0.0)
_SUBJECTS = {field.name: getattr(_NOTHING, field.name) for field in fields(GpuReading)}
_FIELDS = {
    f"{subject}_{field.name}": (subject, field.name)
    for subject, values in _SUBJECTS.items()
    if is_dataclass(values)
    for field in fields(values)
}


def reading(**values: Any) -> GpuReading:
    """A reading in which only these values are known."""
    return with_values(_NOTHING, **values)


def with_values(reading: GpuReading, **values: Any) -> GpuReading:
    """The same reading with these values. A whole subject, or a field outside of one, has its own name."""
    reading = replace(reading, **{name: value for name, value in values.items() if name in _SUBJECTS})
    for name, value in values.items():
        if name not in _SUBJECTS:
            subject, field = _FIELDS[name]
            changed: dict[str, Any] = {subject: replace(getattr(reading, subject), **{field: value})}
            reading = replace(reading, **changed)
    return reading


def leaves(reading: GpuReading) -> dict[str, Any]:
    """Every value by its dotted name, such as power.usage_watts."""
    return {
        f"{subject}.{field}": getattr(getattr(reading, subject), field) for subject, field in _FIELDS.values()
    }
