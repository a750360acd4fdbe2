"""Readings for the tests of what is derived from them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from agent.readings import GpuIdentity, GpuReading

_IDENTITY = {field.name for field in fields(GpuIdentity)}


def reading(**values: Any) -> GpuReading:
    """A reading that knows these values and nothing else; those of the identity too."""
    identity = GpuIdentity(**{name: value for name, value in values.items() if name in _IDENTITY})
    live = {name: value for name, value in values.items() if name not in _IDENTITY}
    return GpuReading(sampled_at=0.0, sampled_monotonic=0.0, identity=identity, **live)
