"""The InfoROM of one GPU: the flash memory of its board that holds its settings and its error counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Inforom:
    """Whether the InfoROM is valid."""

    is_valid: bool | None = None  # nvmlDeviceValidateInforom: its checksum is right
