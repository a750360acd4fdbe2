"""For how long each reason slowed down one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import Reason, Throttling
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.paces import COUNTERS_PACE
from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.nvml import number
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.sources.gpu.handle import GpuHandle


class _Counter(NamedTuple):
    """The sources of a counter; the first that reports it is used."""

    fields: tuple[int, ...]  # of nvmlDeviceGetFieldValues
    policy: int | None = None  # of nvmlDeviceGetViolationStatus, where no field reports it


# The second ids are those of R575 and of the first R580, which numbered them so. There, and in other drivers,
# the other ids are settings of power smoothing: of 32 bits, and so no counters.
_COUNTERS: Mapping[str, _Counter] = {
    "power_cap_seconds": _Counter(
        (pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP,), pynvml.NVML_PERF_POLICY_POWER
    ),
    "sync_boost_seconds": _Counter(
        (pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST,), pynvml.NVML_PERF_POLICY_SYNC_BOOST
    ),
    "software_thermal_seconds": _Counter((269, 251)),
    "hardware_thermal_seconds": _Counter((270, 252)),
    "power_brake_seconds": _Counter((271, 253)),
    "thermal_seconds": _Counter((pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL,), pynvml.NVML_PERF_POLICY_THERMAL),
}
_FIELDS = tuple(field for counter in _COUNTERS.values() for field in counter.fields)
NANOSECONDS = 1e9


class ThrottlingSource:
    """The counters of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._paced = Paced(COUNTERS_PACE, self._read)

    def read(self, now: float) -> Throttling:
        """NVML: see the fields of Throttling."""
        return self._paced.get(now)

    def _read(self) -> Throttling:
        values = dict(zip(_FIELDS, field_values(self._handle, _FIELDS, counters=True), strict=True))
        return Throttling(
            **{name: self._seconds(f"throttling.{name}", one, values) for name, one in _COUNTERS.items()}
        )

    def _seconds(self, field: str, counter: _Counter, values: Mapping[int, Any]) -> float | None:
        answers = [values[one] for one in counter.fields]
        if counter.policy is not None and all(map(_may_be_asked_elsewhere, answers)):
            status = self._handle.call("nvmlDeviceGetViolationStatus", counter.policy)
            answers.append(status if isinstance(status, Refusal) else number(status, "violationTime"))
        refusals = [answer for answer in answers if isinstance(answer, Refusal)]
        nanoseconds = next((answer for answer in answers if not isinstance(answer, Refusal)), None)
        self._handle.record.note(field, gravest(refusals) if nanoseconds is None else None)
        return None if nanoseconds is None else nanoseconds / NANOSECONDS


def _may_be_asked_elsewhere(answer: Any) -> bool:
    """Whether a substitute may be used; not for a value that is forbidden."""
    return isinstance(answer, Refusal) and answer.reason is not Reason.NO_PERMISSION
