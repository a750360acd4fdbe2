"""Why a value of one GPU is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What stands in the way of a value."""

    NOT_SUPPORTED = "not_supported"  # this GPU, or its mode, has no such value
    MISSING = "missing"  # this driver has no such function, or an older form of it
    NO_PERMISSION = "no_permission"  # this user, or this container, may not ask
    FAILED = "failed"  # the driver tried, and says that it could not: nvidia-smi prints ERR!
    IMPOSSIBLE = "impossible"  # the driver reported a number that cannot be


# What says most of a value that several calls, or several fields, stand for.
GRAVEST_FIRST = (
    Reason.FAILED,
    Reason.IMPOSSIBLE,
    Reason.NO_PERMISSION,
    Reason.NOT_SUPPORTED,
    Reason.MISSING,
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is known of a value that is unknown."""

    reason: Reason
    function: str  # of NVML, that was asked last
    error: str  # NVML's symbol of its return code: NVML_ERROR_UNKNOWN; SUCCESS for what is impossible
    words: str  # for people: NVML's own words; for what is impossible, what was reported
    since: float  # seconds since boot, suspended or not: of the first of the samples in which it is so
    told_before: bool  # on this GPU, since the agent started
    # As `since`: of the sample in which the driver was last asked, of class `failed` alone.
    asked: float = 0.0
