"""Whether the InfoROM, the flash memory of the board, is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import AT_ONCE, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.derive.findings import Finding, Patient


KINDS = (
    INFOROM_CORRUPT := warning(
        "inforom_corrupt", "the checksum of the InfoROM is wrong", AT_ONCE, "nvmlDeviceValidateInforom"
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Judge the last check, which may be an hour old."""
    if patient.reading.inforom.is_valid is False:
        yield INFOROM_CORRUPT.found(
            "The InfoROM is corrupt: error counts and settings that it keeps cannot be trusted",
            "reset the GPU; if the fault remains, have the board reflashed or replaced",
        )
