"""Why a value of one GPU is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The reason why a value is unknown."""

    NOT_SUPPORTED = "not_supported"  # this GPU, or its mode, has no such value
    MISSING = "missing"  # this driver has no such function, or an older form of it
    NO_PERMISSION = "no_permission"  # this user, or this container, has no permission
    FAILED = "failed"  # the driver tried and failed: nvidia-smi prints ERR!
    IMPOSSIBLE = "impossible"  # the driver reported an impossible number


# The order in which a reason is chosen for a value with several calls or fields.
GRAVEST_FIRST = (
    Reason.FAILED,
    Reason.IMPOSSIBLE,
    Reason.NO_PERMISSION,
    Reason.NOT_SUPPORTED,
    Reason.MISSING,
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a value is unknown, and since when."""

    reason: Reason
    function: str  # of NVML, that was asked last
    error: str  # NVML's symbol of its return code: NVML_ERROR_UNKNOWN; SUCCESS for what is impossible
    words: str  # for people: NVML's own words; for what is impossible, what was reported
    since: float  # seconds since boot, suspended or not: of the first of the samples in which it is so
    reported_before: bool  # on this GPU, since the agent started
    # As `since`: of the sample in which the driver was last asked, of class `failed` alone.
    called_at: float = 0.0
