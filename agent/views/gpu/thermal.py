"""How hot one GPU is, and how hot it may get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import Thermal


class GpuTemperatures(BaseModel):
    """NVML: field value 82, nvmlDeviceGetTemperatureThreshold. Degrees Celsius.

    The margins, which nvidia-smi calls T.Limit: nvmlDeviceGetMarginTemperature, field values 193 to 196.
    """

    memory_celsius: int | None = Field(description="temperature of the GPU memory, degrees Celsius")
    max_operating_celsius: int | None = Field(
        description="temperature from which the driver slows the GPU down"
    )
    slowdown_celsius: int | None = Field(description="temperature from which the hardware slows itself down")
    shutdown_celsius: int | None = Field(description="temperature at which the GPU shuts itself down")
    memory_max_celsius: int | None = Field(
        description="memory temperature from which the driver slows the memory down"
    )
    margin_celsius: int | None = Field(
        description="degrees Celsius by which the GPU may still get hotter; can be below 0, as the next"
    )
    max_operating_margin_celsius: int | None = Field(
        description="margin at and below which the driver slows the GPU down"
    )
    slowdown_margin_celsius: int | None = Field(
        description="margin at and below which the hardware slows itself down"
    )
    shutdown_margin_celsius: int | None = Field(description="margin at which the GPU shuts itself down")
    memory_max_margin_celsius: int | None = Field(
        description="margin of the memory at and below which the driver slows the memory down"
    )


def temperatures_view(thermal: Thermal) -> GpuTemperatures:
    """The wire shape of all but the temperature of the core."""
    return GpuTemperatures(
        memory_celsius=thermal.memory_celsius,
        max_operating_celsius=thermal.max_operating_celsius,
        slowdown_celsius=thermal.slowdown_celsius,
        shutdown_celsius=thermal.shutdown_celsius,
        memory_max_celsius=thermal.memory_max_celsius,
        margin_celsius=thermal.margin_celsius,
        max_operating_margin_celsius=thermal.max_operating_margin_celsius,
        slowdown_margin_celsius=thermal.slowdown_margin_celsius,
        shutdown_margin_celsius=thermal.shutdown_margin_celsius,
        memory_max_margin_celsius=thermal.memory_max_margin_celsius,
    )
