"""Values that the driver fails to report of a GPU: when that is a finding, and what to do.

Only a failure that lasts is judged: a single ERR! of nvidia-smi passes by itself. An optional value is judged
only if it was reported before: some drivers fail for ever at one such value of a healthy GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.findings import HealthVerdict, Kind
from agent.readings import Reason
from agent.readings.troubles import todo_about_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.derive.findings import Finding, Patient
    from agent.readings import Unknown

LASTING_SECONDS = 60.0
MEMORY = frozenset({"memory.total_bytes", "memory.used_bytes", "memory.free_bytes"})
UTILIZATION = frozenset({"utilization.gpu_percent"})
# Judged even if never reported: a GPU that has such a value reports it, or says not supported.
VITAL = MEMORY | UTILIZATION | {"thermal.gpu_celsius", "power.usage_watts"}
MOST_NAMED = 3  # functions in the sentence; a GPU that no longer reports anything would fill pages
RESET_REQUIRED = "NVML_ERROR_RESET_REQUIRED"  # a state of the GPU, which is a finding of its own

KINDS = (
    DRIVER_ERRORS := Kind(
        "driver_errors",
        (HealthVerdict.WARNING, HealthVerdict.CRITICAL),
        "the driver fails to report memory, utilization, temperature, power or a value that it reported"
        " before; critical if both memory and utilization fail",
        "for a minute",
        "any NVML function",
    ),
)


def judge(patient: Patient) -> Iterator[Finding]:
    """Critical where neither memory nor utilization is reported."""
    failures = _lasting_failures(patient)
    if not failures:
        return
    is_blind = not failures.keys().isdisjoint(MEMORY) and not failures.keys().isdisjoint(UTILIZATION)
    gravest = min(failures, key=lambda field: (field not in VITAL, field))
    yield DRIVER_ERRORS.found(
        f"The driver has failed for a minute or longer to answer {_calls(failures)}",
        todo_about_value(failures[gravest].error),
        verdict=HealthVerdict.CRITICAL if is_blind else None,
    )


def _lasting_failures(patient: Patient) -> dict[str, Unknown]:
    """The failures by field.

    Time counts from call to call, because an error of a value that is read seldom may have passed.
    """
    return {
        field: unknown
        for field, unknown in patient.reading.unknown.items()
        if unknown.reason is Reason.FAILED
        and unknown.error != RESET_REQUIRED
        and unknown.called_at - unknown.since >= LASTING_SECONDS
        and (unknown.reported_before or field in VITAL)
    }


def _calls(failures: Mapping[str, Unknown]) -> str:
    """The functions with NVML's errors, those of vital values first."""
    fields = sorted(failures, key=lambda field: (field not in VITAL, field))
    calls = list(dict.fromkeys(f"{failures[field].function} ({failures[field].words})" for field in fields))
    named, more = calls[:MOST_NAMED], len(calls) - MOST_NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
