"""MIG: instances with memory and processes of their own, found and forgotten as MIG is switched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import Engines, GpuProcess, Mig, MigInstance, ProcessType, Utilization
from agent.simulation import NvmlReturn, SimulatedProcess
from agent.sources.return_codes import reason_of
from tests.sources.one_gpu import OneGpu, one_gpu
from tests.support.readings import with_values

if TYPE_CHECKING:
    from collections.abc import Iterator

GIB = 2**30
COMPUTE = ProcessType.COMPUTE
IN_MIG = [
    SimulatedProcess(30, "C", 3 * GIB, sm_utilization=50, mig_index=1),
    SimulatedProcess(10, "C", GIB, mig_index=0),
    SimulatedProcess(20, "C", None, mig_index=0),
    SimulatedProcess(40, "C", GIB),  # outside of every instance
]
SESSIONS = {
    f"{kind}_{name}": 0
    for kind in ("encoder", "capture")
    for name in ("sessions", "fps", "latency_microseconds")
}
PROCESSES = (
    (GpuProcess(10, COMPUTE, GIB), GpuProcess(20, COMPUTE, None)),
    (GpuProcess(30, COMPUTE, 3 * GIB),),
)


@pytest.fixture
def one() -> Iterator[OneGpu]:
    """An A100, not partitioned; `IN_MIG` runs on it."""
    with one_gpu("a100") as one:
        one.gpu.fix(memory_used=16 * GIB)
        one.gpu.processes = IN_MIG
        yield one


@pytest.fixture
def parted(one: OneGpu) -> OneGpu:
    """The same, in two instances."""
    one.gpu.enable_mig("3g.40gb", "1g.10gb")
    return one


def expected(one: OneGpu) -> tuple[MigInstance, ...]:
    """The instances as the simulation has them."""
    used = [16 * GIB * instance.memory_total // (80 * GIB) for instance in one.gpu.mig_instances]
    return tuple(
        MigInstance(
            mig_index=instance.mig_index,
            uuid=instance.uuid,
            name=f"NVIDIA A100-SXM4-80GB MIG {instance.profile}",
            memory_total_bytes=instance.memory_total,
            memory_used_bytes=used[instance.mig_index],
            memory_free_bytes=instance.memory_total - used[instance.mig_index],
            processes=PROCESSES[instance.mig_index],
            gpu_instance_id=instance.gpu_instance_id,
            compute_instance_id=instance.compute_instance_id,
        )
        for instance in one.gpu.mig_instances
    )


def test_instances_are_reported_exactly(parted: OneGpu) -> None:
    assert parted.read().mig.instances == expected(parted)


def test_the_processes_of_a_parted_gpu_are_those_of_its_instances(parted: OneGpu) -> None:
    assert parted.read().processes == (*PROCESSES[0], *PROCESSES[1])


def test_a_client_of_mps_on_an_instance_is_listed_once(parted: OneGpu) -> None:
    parted.gpu.processes = [
        SimulatedProcess(10, "C+M", GIB, mig_index=0),
        SimulatedProcess(20, "M", mig_index=0),
    ]

    first, *_ = parted.read().mig.instances or ()

    assert first.processes == (GpuProcess(10, COMPUTE, GIB, mps=True), GpuProcess(20, COMPUTE, 0, mps=True))


def test_a_parted_gpu_has_neither_utilization_nor_nvlinks_but_everything_else(parted: OneGpu) -> None:
    parted.gpu.disable_mig()
    whole = parted.read()
    parted.gpu.enable_mig("3g.40gb", "1g.10gb")
    parted.source.release(may_be_another=True)

    read = parted.read()
    assert with_values(read, pcie_samples=(), unknown=whole.unknown) == replace(
        with_values(whole, pcie_samples=()),
        utilization=Utilization(),
        processes=(*PROCESSES[0], *PROCESSES[1]),
        mig=Mig(enabled=True, pending=True, instances=expected(parted)),
        engines=replace(Engines(), **SESSIONS),
        nvlink=replace(whole.nvlink, links=None),
    )


def test_without_mig_only_the_mode_is_asked_for(one: OneGpu) -> None:
    assert one.read().mig.instances == ()
    assert one.simulation.calls["nvmlDeviceGetMigMode"] == 1
    assert one.simulation.calls["nvmlDeviceGetMaxMigDeviceCount"] == 0


def test_mig_is_enabled_before_there_is_an_instance(one: OneGpu) -> None:
    one.gpu.enable_mig()
    one.gpu.mig_instances = []

    reading = one.read()

    assert (reading.mig.enabled, reading.mig.instances) == (True, ())
    one.gpu.processes = []
    assert one.read(after=6).knows_all_processes, "an instance that there is not has none"


def test_mig_switched_on_and_off_shows_within_five_seconds(one: OneGpu) -> None:
    instances = []
    for second in range(30):
        if second == 7:
            one.gpu.enable_mig("3g.40gb", "1g.10gb")
        if second == 18:
            one.gpu.disable_mig()
        reading = one.read(after=1)
        assert reading.memory.used_bytes == 16 * GIB
        instances.append(len(reading.mig.instances or ()))

    assert instances == [0] * 10 + [2] * 10 + [0] * 10


def test_what_30_seconds_of_mig_cost(parted: OneGpu) -> None:
    for _ in range(30):
        parted.read(after=1)

    calls = parted.simulation.calls
    assert {symbol: calls[symbol] for symbol in calls if "Mig" in symbol} == {
        "nvmlDeviceGetMigMode": 6,
        "nvmlDeviceGetMaxMigDeviceCount": 6,
        "nvmlDeviceGetMigDeviceHandleByIndex": 6 * 7,
    }


UNKNOWN = [NvmlReturn.NOT_SUPPORTED, NvmlReturn.NO_PERMISSION, NvmlReturn.UNKNOWN]


@pytest.mark.parametrize("code", UNKNOWN, ids=lambda code: code.name)
@pytest.mark.parametrize(
    "symbol",
    ["nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"],
)
def test_where_instances_are_not_reported_there_is_the_whole_gpu(
    parted: OneGpu, symbol: str, code: NvmlReturn
) -> None:
    parted.simulation.fail(symbol, code)

    reading = parted.read()

    assert not reading.mig.instances
    assert {process.pid for process in reading.processes or ()} == {10, 20, 30, 40}
    field = "mig.enabled" if symbol == "nvmlDeviceGetMigMode" else "mig.instances"
    assert (reading.unknown[field].function, reading.unknown[field].reason) == (symbol, reason_of(code))


@pytest.mark.parametrize("code", UNKNOWN, ids=lambda code: code.name)
def test_processes_that_an_instance_does_not_report_cost_neither_it_nor_the_gpu(
    parted: OneGpu, code: NvmlReturn
) -> None:
    parted.gpu.fail("nvmlDeviceGetComputeRunningProcesses_v3", code)

    instances = parted.read().mig.instances

    assert instances == tuple(replace(instance, processes=None) for instance in expected(parted))


def test_an_instance_whose_list_is_forbidden_has_unknown_processes_and_not_none(parted: OneGpu) -> None:
    parted.gpu.forbidden_instances = {0}

    reading = parted.read()

    assert [instance.processes for instance in reading.mig.instances or ()] == [None, PROCESSES[1]]
    assert (reading.processes, reading.knows_all_processes) == (PROCESSES[1], False)


def test_where_every_list_is_forbidden_nothing_is_known(parted: OneGpu) -> None:
    parted.gpu.forbidden_instances = {0, 1}

    reading = parted.read()

    assert (reading.processes, reading.knows_all_processes) == (None, False)


@pytest.mark.parametrize("code", UNKNOWN, ids=lambda code: code.name)
@pytest.mark.parametrize("symbol", ["nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"])
@pytest.mark.parametrize("running", [[], IN_MIG], ids=["an empty list", "the list of root"])
def test_instances_that_are_not_reported_may_have_processes_that_the_gpu_does_not_list(
    parted: OneGpu, running: list[SimulatedProcess], symbol: str, code: NvmlReturn
) -> None:
    parted.gpu.processes = running
    parted.simulation.fail(symbol, code)

    assert parted.read().knows_all_processes is bool(running)


def test_whether_mig_is_enabled_is_unknown_where_there_is_no_mig(one: OneGpu) -> None:
    assert one.read().mig.enabled is False
    one.gpu.unsupport("nvmlDeviceGetMigMode")
    assert one.read(after=6).mig.enabled is None


def test_instances_destroyed_while_they_are_read_cost_no_sample(parted: OneGpu) -> None:
    lists_filled = 0

    def destroy(processes: list[SimulatedProcess]) -> list[SimulatedProcess]:
        nonlocal lists_filled
        lists_filled += 1
        if lists_filled == 2:  # the first was of the whole GPU, this is of its first instance
            parted.gpu.disable_mig()
        return processes

    parted.gpu.churn = destroy

    assert parted.read().memory.used_bytes == 16 * GIB
    assert lists_filled == 2
    after = parted.read(after=6)
    assert after.mig.instances == ()
    assert {process.pid for process in after.processes or ()} == {10, 20, 30, 40}


def test_an_older_driver_has_no_mig(parted: OneGpu) -> None:
    parted.simulation.set_driver_generation("r418")

    assert parted.read().mig.instances == ()


def test_r470_tells_instances(parted: OneGpu) -> None:
    parted.simulation.set_driver_generation("r470")

    assert [instance.uuid for instance in parted.read().mig.instances or ()] == [
        instance.uuid for instance in parted.gpu.mig_instances
    ]


# GPU instances and compute instances


def test_compute_instances_of_one_gpu_instance_show_the_memory_that_they_share(one: OneGpu) -> None:
    one.gpu.enable_mig("1c.2g.20gb", "1c.2g.20gb", "1g.10gb")

    told = one.read().mig.instances or ()

    assert [(each.gpu_instance_id, each.compute_instance_id) for each in told] == [(1, 0), (1, 1), (2, 0)]
    assert told[0].memory_total_bytes == told[1].memory_total_bytes
    assert told[0].memory_used_bytes == told[1].memory_used_bytes
    assert {each.gpu_instance_id: each.memory_total_bytes for each in told}.keys() == {1, 2}


def test_the_ids_of_an_instance_are_asked_once(parted: OneGpu) -> None:
    parted.read()
    again = parted.read(after=6).mig.instances

    assert again == expected(parted)
    ids = ("nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId")
    assert [parted.simulation.calls[symbol] for symbol in ids] == [2, 2]


def test_other_instances_in_the_same_places_have_their_own_ids(parted: OneGpu) -> None:
    parted.read()
    parted.gpu.enable_mig("1c.2g.20gb", "1c.2g.20gb")

    told = parted.read(after=6).mig.instances or ()

    assert [(each.gpu_instance_id, each.compute_instance_id) for each in told] == [(1, 0), (1, 1)]


def test_ids_that_a_driver_fails_to_report_are_asked_again(parted: OneGpu) -> None:
    parted.simulation.fail("nvmlDeviceGetGpuInstanceId", NvmlReturn.UNKNOWN)
    before = parted.read()
    parted.simulation.heal()
    after = parted.read(after=6)

    assert [each.gpu_instance_id for each in before.mig.instances or ()] == [None, None]
    assert before.unknown["mig.instances"].function == "nvmlDeviceGetGpuInstanceId"
    assert [each.gpu_instance_id for each in after.mig.instances or ()] == [1, 2]


@pytest.mark.parametrize("pending", [True, False])
def test_the_mode_after_the_next_reset_is_reported_beside_the_present_one(one: OneGpu, pending: bool) -> None:
    one.gpu.mig_pending = pending

    assert (one.read().mig.enabled, one.read().mig.pending) == (False, pending)
