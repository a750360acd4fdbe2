"""`unknown` and `failed` of detail=1: every null has its reason, and no known value is named."""

from __future__ import annotations

import json
from dataclasses import replace
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import pynvml
import pytest
from pydantic import BaseModel

from agent.derive.activity import Thresholds
from agent.readings import (
    DriverReading,
    Engines,
    GpuReading,
    GpuSample,
    GpuState,
    LedgerReading,
    Reason,
    Snapshot,
    Unknown,
)
from agent.simulation import DRIVER_GENERATIONS, MODELS, FieldId, NvmlReturn, SimulatedProcess
from agent.views.gpu import GpuJson
from agent.views.gpu.device import Gpu
from agent.views.gpu.feeds import FEEDS
from tests.sources.one_gpu import one_gpu
from tests.support.readings import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGET = 2048  # bytes a GPU
# These may be null without a reason, or the host has the reason.
NO_VALUES = {"error", "failed", "detail"}
OF_THE_HOST = {"name", "username", "cpu_percent"}  # of a process
REASONS = {*Reason, "needs_two_samples", "nothing_is_remembered", "not_read"}


def gpu_object(sample: GpuSample, *, remembers: bool = True) -> dict[str, Any]:
    """The GPU as `/gpu?detail=1` shows it."""
    snapshot = Snapshot(
        0.0,
        0.0,
        driver=DriverReading(1),
        gpus=(sample,),
        ledger=LedgerReading() if remembers else None,
    )
    made = GpuJson(snapshot, Thresholds())(DriverReading(1), [sample], detail=True)
    gpu: dict[str, Any] = json.loads(b"".join(made))["gpus"][0]
    return gpu


def sample_of(reading: GpuReading) -> GpuSample:
    return GpuSample(0, GpuState.OK, reading, sampled_at=1.0, age_ms=1, xids={})


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """The names of all null values; for a null inside a list, the name of the list."""
    if isinstance(value, dict):
        for name, held in value.items():
            yield from nulls(held, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        if any(
            held is None
            for entry in value
            if isinstance(entry, dict)
            for name, held in entry.items()
            if name not in OF_THE_HOST
        ):
            yield path
    elif value is None and path not in NO_VALUES:
        yield path


def known_names(value: Any, path: str = "") -> Iterator[str]:
    """The names of all known values, without lists, which may be partly known."""
    if isinstance(value, dict):
        for name, held in value.items():
            yield from known_names(held, f"{path}.{name}" if path else name)
    elif value is not None and not isinstance(value, list):
        yield path


def check_names(gpu: dict[str, Any]) -> dict[str, str]:
    """The reason of each unknown name, after checking that each null has one and no known value has."""
    unknown: dict[str, list[str]] = gpu["detail"]["unknown"]
    assert unknown.keys() <= REASONS
    named = {name: reason for reason, names in unknown.items() for name in names}
    assert len(named) == sum(map(len, unknown.values())), "each has one reason"

    def covers(path: str) -> bool:
        parts = path.split(".")
        return any(".".join(parts[: n + 1]) in named for n in range(len(parts)))

    assert [path for path in nulls(gpu) if not covers(path)] == []
    assert [path for path in known_names(gpu) if covers(path)] == []
    assert set(gpu["detail"]["failed"]) <= set(unknown.get("failed", ()))
    assert size(gpu) <= BUDGET
    return named


def size(gpu: dict[str, Any]) -> int:
    parts = {name: gpu["detail"][name] for name in ("unknown", "failed")}
    return len(json.dumps(parts, separators=(",", ":")).encode())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("generation", DRIVER_GENERATIONS)
def test_every_null_has_a_reason_and_no_known_value_has_one(generation: str, model: str) -> None:
    with one_gpu(model) as one:
        one.simulation.set_driver_generation(generation)
        check_names(gpu_object(sample_of(one.read())))

        named = check_names(gpu_object(sample_of(one.read(after=6))))

    assert "needs_two_samples" not in named.values()


def test_after_one_sample_rates_are_listed_as_needing_two_samples() -> None:
    with one_gpu() as one:
        unknown = gpu_object(sample_of(one.read()))["detail"]["unknown"]

    assert unknown["needs_two_samples"] == [
        "memory.bandwidth_utilization_percent",
        "utilization.sm_percent",
        "pcie.tx_throughput_mbps",
        "pcie.rx_throughput_mbps",
        "pcie.total_throughput_mbps",
        "pcie.utilization_percent",
        "detail.performance",
        "detail.nvlinks",
        "detail.inforom_valid",
    ]


def test_pcie_lanes_that_a_virtual_machine_has_not_seen_under_load_are_unknown() -> None:
    with one_gpu() as one:
        one.gpu.virtualization_mode = 1
        one.gpu.fix(gpu_utilization=0, performance_state=8)
        one.read()
        unknown = check_names(gpu_object(sample_of(one.read(after=6))))

    assert {name for name, reason in unknown.items() if reason == "nothing_is_remembered"} == {
        "pcie.width",
        "pcie.max_bandwidth_mbps",
        "pcie.utilization_percent",
        "detail.pcie.widest_under_load",
    }


@pytest.mark.parametrize("state", [GpuState.LOST, GpuState.STUCK, GpuState.STARTING, GpuState.STALE])
@pytest.mark.parametrize("known_before", [True, False])
def test_every_value_of_a_gpu_without_a_reading_is_listed_as_not_read(
    state: GpuState, known_before: bool
) -> None:
    with one_gpu() as one:
        lasting = one.read().lasting() if known_before else None

    named = check_names(gpu_object(GpuSample(0, state, lasting=lasting, error="no answer")))

    assert set(named.values()) == {"not_read"}


def test_unknown_memory_of_a_process_has_a_reason() -> None:
    with one_gpu() as one:
        one.gpu.processes = [SimulatedProcess(4_194_303, "C", None)]
        named = check_names(gpu_object(sample_of(one.read())))

    assert named["top_processes"] == "not_supported"


@pytest.mark.parametrize("remembers", [True, False], ids=["no event was awaited yet", "no history is kept"])
def test_unknown_xids_have_a_reason(*, remembers: bool) -> None:
    with one_gpu() as one:
        sample = GpuSample(0, GpuState.OK, one.read(), sampled_at=1.0, age_ms=1)

    assert check_names(gpu_object(sample, remembers=remembers))["detail.xids"] == "nothing_is_remembered"


@pytest.mark.parametrize("code", [NvmlReturn.UNKNOWN, pynvml.NVML_ERROR_IRQ_ISSUE])
def test_a_driver_on_which_every_call_fails_has_a_short_list_of_reasons(code: int) -> None:
    with one_gpu() as one:
        one.read()
        functions = {*one.simulation.calls} - {"nvmlInitWithFlags", "nvmlDeviceGetHandleByIndex_v2"}
        one.source.release()
        for symbol in functions - {"nvmlDeviceGetClockInfo"}:
            one.simulation.fail(symbol, code)
        one.read(after=1)

        gpu = gpu_object(sample_of(one.read(after=1)))

    named = check_names(gpu)
    assert set(named.values()) == {"failed"}
    assert set(gpu["detail"]["failed"].values()) == {str(pynvml.NVMLError(code))}
    assert BUDGET - 128 < size(gpu) <= BUDGET, "one more does not fit"


def test_failed_has_the_values_of_a_failing_function_with_the_message_of_nvml() -> None:
    with one_gpu("a100") as one:
        one.gpu.fail("nvmlDeviceGetPowerUsage", NvmlReturn.TIMEOUT)
        one.gpu.unsupport(FieldId.POWER_INSTANT, FieldId.POWER_AVERAGE)  # they would replace it
        one.gpu.fail("nvmlDeviceGetUtilizationRates", NvmlReturn.UNKNOWN)
        detail = gpu_object(sample_of(one.read()))["detail"]

    assert detail["failed"] == {
        "memory.bandwidth_utilization_percent": "Unknown Error",
        "utilization": "Unknown Error",
        "power.usage_watts": "Timeout",
        "power.budget_watts": "Timeout",
        "power.efficiency_percent": "Timeout",
    }


def test_every_name_that_may_be_null_has_its_feeding_fields() -> None:
    names = set(may_be_null(Gpu)) - NO_VALUES
    fields = {*leaves(GpuReading(0.0)), "processes", "xids"}

    assert names == FEEDS.keys(), "FEEDS in agent/views/gpu/feeds.py"
    assert {feed for feeds in FEEDS.values() for feed in feeds} <= fields


def may_be_null(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The names that may be null by the types of the model, with each list of which a value may be null."""
    for name, field in model.model_fields.items():
        kinds = [*_kinds(field.annotation)]
        within = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        entries = [kind for kind in kinds if get_origin(kind) is list]
        of_a_list = [*_kinds(get_args(entries[0])[0])] if entries else []
        if type(None) in kinds or any(
            any(may_be_null(kind))
            for kind in of_a_list
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ):
            yield path + name
        for kind in within:
            yield from may_be_null(kind, f"{path}{name}.")


def _kinds(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        yield from get_args(annotation)
    else:
        yield annotation


def test_an_object_that_is_null_for_two_reasons_is_listed_value_by_value() -> None:
    parts = ("decoder_percent", "jpeg_percent", "ofa_percent", "encoder_sessions", "capture_sessions")
    sessions = [
        f"{kind}_{value}" for kind in ("encoder", "capture") for value in ("fps", "latency_microseconds")
    ]
    why = {"encoder_percent": Reason.NOT_SUPPORTED} | dict.fromkeys([*parts, *sessions], Reason.NO_PERMISSION)
    unknown = {
        f"engines.{name}": Unknown(
            reason, "nvmlDeviceGetX", "NVML_ERROR_X", "X", since=0.0, reported_before=False
        )
        for name, reason in why.items()
    }
    with one_gpu() as one:
        reading = replace(one.read(), engines=Engines(), unknown=unknown)

    told = gpu_object(sample_of(reading))["detail"]["unknown"]

    assert told[Reason.NOT_SUPPORTED] == ["detail.engines.encoder_percent"]
    assert told[Reason.NO_PERMISSION] == [f"detail.engines.{name}" for name in parts]
