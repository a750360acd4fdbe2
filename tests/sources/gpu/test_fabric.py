"""The NVLink fabric: every state, every part of its health, and every version of its struct."""

from __future__ import annotations

from dataclasses import astuple, fields, replace
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import Fabric, FabricConfiguration, FabricHealthSummary, FabricState, Reason
from agent.simulation import NvmlReturn
from agent.simulation import fabric as simulated
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.simulation.call_faults import Faults

CLUSTER = bytes(range(16))
COMPLETED = Fabric(
    state=FabricState.COMPLETED,
    status=0,
    status_words="Success",
    cluster_uuid="00010203-0405-0607-0809-0a0b0c0d0e0f",
    clique_id=7,
    health_summary=FabricHealthSummary.UNHEALTHY,
    bandwidth_degraded=True,
    route_recovery_in_progress=False,
    route_unhealthy=True,
    access_timeout_recovery=False,
    incorrect_configuration=FabricConfiguration.INSUFFICIENT_NVLINKS,
    partition_assigned=False,
    manager_connected=True,
)
HEALTH = tuple(one.name for one in fields(Fabric))[5:]
NO_HEALTH = replace(COMPLETED, **dict.fromkeys(HEALTH))
INFO, OLD_INFO = "nvmlDeviceGetGpuFabricInfoV", "nvmlDeviceGetGpuFabricInfo"


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.fabric = simulated.Fabric(
            state=simulated.COMPLETED,
            cluster_uuid=CLUSTER,
            clique_id=7,
            health_summary=simulated.UNHEALTHY,
            bandwidth_degraded=True,
            route_recovery_in_progress=False,
            route_unhealthy=True,
            access_timeout_recovery=False,
            incorrect_configuration=5,
            partition_assigned=False,
            manager_connected=True,
        )
        yield one


def reasons(one: OneGpu) -> dict[str, Reason]:
    """Why each field of Fabric is unknown."""
    unknown = one.read().unknown
    prefix = "fabric."
    return {field.removeprefix(prefix): unknown[field].reason for field in unknown if prefix in field}


def test_every_part_of_the_fabric_is_reported_exactly(one: OneGpu) -> None:
    assert one.read().fabric == COMPLETED
    assert None not in astuple(COMPLETED)
    assert reasons(one) == {}


@pytest.mark.parametrize(
    ("part", "field", "answers"),
    [
        ("DEGRADED_BW", "bandwidth_degraded", {1: True, 2: False}),
        ("ROUTE_RECOVERY", "route_recovery_in_progress", {1: True, 2: False}),
        ("ROUTE_UNHEALTHY", "route_unhealthy", {1: True, 2: False}),
        ("ACCESS_TIMEOUT_RECOVERY", "access_timeout_recovery", {1: True, 2: False}),
        ("INCORRECT_CONFIGURATION", "incorrect_configuration", {1: 1, 8: 8, 15: 15}),
        ("PARTITION_ASSIGNED", "partition_assigned", {1: True, 2: False}),
        ("GFM_STATE", "manager_connected", {1: True, 2: False}),
    ],
)
def test_each_part_of_the_health_is_read_from_its_bits_of_the_mask(
    one: OneGpu, part: str, field: str, answers: dict[int, int]
) -> None:
    shift = getattr(pynvml, f"NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_{part}")
    for reported, meaning in answers.items():
        one.gpu.fabric = _WithMask(reported << shift)

        fabric = one.read(after=10).fabric

        assert {name: getattr(fabric, name) for name in HEALTH} == dict.fromkeys(HEALTH) | {field: meaning}


class _WithMask(simulated.Fabric):
    """A fabric that reports only this mask."""

    def __init__(self, mask: int) -> None:
        super().__init__(state=simulated.COMPLETED)
        self._mask = mask

    @property
    def health_mask(self) -> int:
        return self._mask


def test_a_gpu_without_a_fabric_reports_it_as_not_supported(one: OneGpu) -> None:
    one.gpu.fabric = simulated.Fabric()

    assert one.read().fabric == Fabric()
    assert set(reasons(one).values()) == {Reason.NOT_SUPPORTED}
    assert one.read().driver_errors == {}


@pytest.mark.parametrize("state", [FabricState.NOT_STARTED, FabricState.IN_PROGRESS])
def test_a_registration_has_no_result_until_it_is_completed(one: OneGpu, state: FabricState) -> None:
    one.gpu.fabric = simulated.Fabric(state=state, status=NvmlReturn.UNKNOWN, clique_id=3)

    assert one.read().fabric == Fabric(state=state)


def test_a_failed_registration_reports_its_status_in_words(one: OneGpu) -> None:
    one.gpu.fabric.status = NvmlReturn.UNKNOWN

    fabric = one.read().fabric

    assert (fabric.state, fabric.status, fabric.status_words) == (3, 999, "Unknown Error")


def test_a_cluster_uuid_of_zeros_is_unknown(one: OneGpu) -> None:
    one.gpu.fabric.cluster_uuid = bytes(16)

    assert one.read().fabric == replace(COMPLETED, cluster_uuid=None)


def test_an_unknown_fabric_state_is_reported_as_its_number(one: OneGpu) -> None:
    one.gpu.fabric.state = 4

    assert one.read().fabric.state == 4


@pytest.mark.parametrize(
    ("generation", "reported", "missing"),
    [
        ("r575", replace(COMPLETED, health_summary=None), {"health_summary"}),
        ("r535", NO_HEALTH, set(HEALTH)),
    ],
)
def test_an_older_driver_reports_the_parts_that_its_struct_has(
    one: OneGpu, generation: str, reported: Fabric, missing: set[str]
) -> None:
    one.simulation.set_driver_generation(generation)

    assert one.read().fabric == reported
    assert reasons(one) == dict.fromkeys(missing, Reason.MISSING)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (NvmlReturn.NOT_SUPPORTED, Reason.NOT_SUPPORTED),
        (NvmlReturn.NO_PERMISSION, Reason.NO_PERMISSION),
        (NvmlReturn.UNKNOWN, Reason.FAILED),
        (NvmlReturn.ARGUMENT_VERSION_MISMATCH, Reason.MISSING),
        (NvmlReturn.FUNCTION_NOT_FOUND, Reason.MISSING),
    ],
)
@pytest.mark.parametrize("whole", [False, True], ids=["of the GPU", "of the library"])
def test_each_part_of_the_fabric_has_the_reason_why_it_is_unknown(
    one: OneGpu, code: NvmlReturn, reason: Reason, whole: bool
) -> None:
    faults: Faults = one.simulation if whole else one.gpu
    for function in (INFO, OLD_INFO):
        faults.fail(function, code)

    assert one.read().fabric == Fabric()
    reported = {one.name for one in fields(Fabric)} - {"status_words"}
    assert reasons(one) == dict.fromkeys(reported, reason)
