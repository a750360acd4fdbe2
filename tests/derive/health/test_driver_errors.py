"""A driver that fails to report values: a finding only if it lasts and matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.derive.candidates import candidates
from agent.derive.findings import HealthVerdict
from agent.derive.free import Wish, choose
from agent.derive.health import Health, examine
from agent.derive.health.driver_errors import MOST_NAMED
from agent.readings import GpuIdentity, GpuSample, GpuState, Reason, Snapshot, Unknown
from tests.support.readings import reading

NOW = 5000.0  # seconds since boot
HEALTHY_READING = reading(
    identity=GpuIdentity(uuid="GPU-0", name="NVIDIA H100"),
    memory_total_bytes=80 * 2**30,
    memory_used_bytes=0,
    processes=(),
    sampled_since_boot=NOW,
)


def failed(
    function: str, *, ago: float = 60.0, reported_before: bool = False, error: str = "UNKNOWN", **changes: Any
) -> Unknown:
    """A value that failed `ago` seconds ago for the first time."""
    words = {"UNKNOWN": "Unknown Error", "TIMEOUT": "Timeout"}.get(error, error)
    unknown = Unknown(
        Reason.FAILED,
        function,
        f"NVML_ERROR_{error}",
        words,
        since=NOW - ago,
        reported_before=reported_before,
        called_at=NOW,
    )
    return replace(unknown, **changes)


MEMORY = {"memory.used_bytes": failed("nvmlDeviceGetMemoryInfo")}
UTILIZATION = {"utilization.gpu_percent": failed("nvmlDeviceGetUtilizationRates")}
POWER = {"power.usage_watts": failed("nvmlDeviceGetPowerUsage", error="TIMEOUT")}
TEMPERATURE = {"thermal.gpu_celsius": failed("nvmlDeviceGetTemperature")}


def snapshot(unknown: dict[str, Unknown], **sample: Any) -> Snapshot:
    gpu = GpuSample(0, GpuState.OK, replace(HEALTHY_READING, unknown=unknown))
    return Snapshot(1e9, 0, gpus=(replace(gpu, **sample),), taken_since_boot=NOW)


def health(unknown: dict[str, Unknown], **sample: Any) -> Health:
    return examine(snapshot(unknown, **sample))[0]


@pytest.mark.parametrize(
    ("unknown", "what", "todo"),
    [
        (MEMORY, "nvmlDeviceGetMemoryInfo (Unknown Error)", "look for XID errors in dmesg"),
        (UTILIZATION, "nvmlDeviceGetUtilizationRates (Unknown Error)", "look for XID errors in dmesg"),
        (TEMPERATURE, "nvmlDeviceGetTemperature (Unknown Error)", "look for XID errors in dmesg"),
        (POWER, "nvmlDeviceGetPowerUsage (Timeout)", "look at the load of the host"),
    ],
    ids=["memory", "utilization", "temperature", "power"],
)
def test_a_vital_value_that_fails_for_a_minute_is_a_warning(
    unknown: dict[str, Unknown], what: str, todo: str
) -> None:
    found = health(unknown)

    assert found.verdict is HealthVerdict.WARNING
    assert [finding.name for finding in found.findings] == ["driver_errors"]
    assert found.findings[0].what == f"The driver has failed for a minute or longer to answer {what}"
    assert found.findings[0].todo.startswith(todo)


def test_an_error_of_less_than_a_minute_is_no_finding() -> None:
    assert health({"power.usage_watts": failed("nvmlDeviceGetPowerUsage", ago=59.9)}).findings == ()


def test_without_memory_and_utilization_a_gpu_is_critical_and_not_offered() -> None:
    assert health(MEMORY | UTILIZATION).verdict is HealthVerdict.CRITICAL
    (passed_over,) = choose(candidates(snapshot(MEMORY | UTILIZATION)), Wish()).unsuitable
    assert passed_over[1] == (
        "it is not healthy: The driver has failed for a minute or longer to answer nvmlDeviceGetMemoryInfo"
        " (Unknown Error), nvmlDeviceGetUtilizationRates (Unknown Error)"
    )


def test_without_memory_or_utilization_a_gpu_has_a_warning_and_is_not_offered() -> None:
    for one, name in ((MEMORY, "memory in use"), (UTILIZATION, "utilization")):
        assert health(one | POWER).verdict is HealthVerdict.WARNING
        (passed_over,) = choose(candidates(snapshot(one | POWER)), Wish()).unsuitable
        assert passed_over[1] == f"its {name} is unknown: Unknown Error"


def test_a_gpu_without_power_and_temperature_is_offered() -> None:
    """Its memory and its utilization show whether it is in use."""
    assert choose(candidates(snapshot(POWER | TEMPERATURE)), Wish()).satisfied
    assert not choose(candidates(snapshot(POWER | MEMORY)), Wish()).satisfied
    assert not choose(candidates(snapshot(POWER | UTILIZATION)), Wish()).satisfied


@pytest.mark.parametrize("reported_before", [False, True])
def test_an_optional_value_is_judged_only_if_it_was_reported_before(reported_before: bool) -> None:
    """Eight real V100s always answer Unknown Error for one PCIe value, and are healthy."""
    replays = failed("nvmlDeviceGetPcieReplayCounter", ago=1e6, reported_before=reported_before)

    assert len(health({"pcie.replays": replays}).findings) == int(reported_before)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.FAILED])
def test_no_other_reason_for_an_unknown_value_is_a_finding(reason: Reason) -> None:
    unknown = {
        field: failed("nvmlDevice", ago=1e6, reported_before=True, reason=reason)
        for field in (*MEMORY, *UTILIZATION, *POWER, *TEMPERATURE, "pcie.replays")
    }

    assert health(unknown) == Health(HealthVerdict.HEALTHY)


def test_a_required_reset_is_no_driver_error_but_has_its_own_finding() -> None:
    temperature = failed("nvmlDeviceGetTemperature", ago=1e6, reported_before=True, error="RESET_REQUIRED")

    names = [finding.name for finding in health({"thermal.gpu_celsius": temperature}).findings]
    assert "driver_errors" not in names


@pytest.mark.parametrize(("asked", "findings"), [(NOW - 241, 0), (NOW - 240, 1)])
def test_a_single_error_of_a_rarely_read_value_is_no_finding(asked: float, findings: int) -> None:
    """The value failed five minutes ago; it counts only if a second call has failed since then."""
    power = failed("nvmlDeviceGetPowerUsage", ago=300, called_at=asked)

    assert len(health({"power.usage_watts": power}).findings) == findings


def test_a_lost_gpu_is_judged_only_as_lost() -> None:
    """Values that failed before it was lost do not matter any more."""
    before = replace(HEALTHY_READING, unknown=MEMORY | UTILIZATION).lasting()
    found = health({}, state=GpuState.LOST, reading=None, lasting=before, error="The GPU is lost")

    assert [finding.name for finding in found.findings] == ["lost"]


def test_the_sentence_names_at_most_three_functions_vital_ones_first() -> None:
    many = {
        f"clocks.{number}": failed(f"nvmlDeviceGetClock{number}", reported_before=True) for number in range(9)
    }
    (finding,) = health(many | POWER).findings

    assert finding.what == (
        "The driver has failed for a minute or longer to answer nvmlDeviceGetPowerUsage (Timeout),"
        " nvmlDeviceGetClock0 (Unknown Error), nvmlDeviceGetClock1 (Unknown Error) and 7 more"
    )
    assert finding.todo.startswith("look at the load of the host"), "the advice fits the first function"
    assert MOST_NAMED == 3
    for fewer, more in ((2, ""), (3, " and 1 more")):
        few = dict(list(many.items())[:fewer]) | POWER
        assert health(few).findings[0].what == finding.what.removesuffix(" and 7 more") + more


def test_a_function_of_several_values_is_named_once() -> None:
    values = {
        field: failed("nvmlDeviceGetMemoryInfo") for field in ("memory.used_bytes", "memory.total_bytes")
    }

    assert health(values).findings[0].what.count("nvmlDeviceGetMemoryInfo") == 1
