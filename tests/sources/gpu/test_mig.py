"""MIG: instances with memory and processes of their own, found and dropped as MIG is switched."""

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
def partitioned(one: OneGpu) -> OneGpu:
    """The same, in two instances."""
    one.gpu.enable_mig("3g.40gb", "1g.10gb")
    return one


@pytest.fixture
def with_graphics(one: OneGpu) -> OneGpu:
    """The same, in two instances with graphics, as an RTX PRO 6000 has them."""
    one.gpu.enable_mig("3g.40gb+gfx", "1g.10gb+gfx")
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


def test_instances_are_reported_exactly(partitioned: OneGpu) -> None:
    assert partitioned.read().mig.instances == expected(partitioned)


def test_the_processes_of_a_partitioned_gpu_are_those_of_its_instances(partitioned: OneGpu) -> None:
    assert partitioned.read().processes == (*PROCESSES[0], *PROCESSES[1])


def test_an_mps_client_on_an_instance_is_listed_once(partitioned: OneGpu) -> None:
    partitioned.gpu.processes = [
        SimulatedProcess(10, "C+M", GIB, mig_index=0),
        SimulatedProcess(20, "M", mig_index=0),
    ]

    first, *_ = partitioned.read().mig.instances or ()

    assert first.processes == (GpuProcess(10, COMPUTE, GIB, mps=True), GpuProcess(20, COMPUTE, 0, mps=True))


def test_a_graphics_process_on_an_instance_is_listed(with_graphics: OneGpu) -> None:
    with_graphics.gpu.processes = [
        SimulatedProcess(10, "G", GIB, mig_index=0),
        SimulatedProcess(20, "C+G", GIB, mig_index=0),
    ]

    first, *_ = with_graphics.read().mig.instances or ()

    assert first.processes == (
        GpuProcess(10, ProcessType.GRAPHICS, GIB),
        GpuProcess(20, ProcessType.BOTH, GIB),
    )


@pytest.mark.parametrize(
    ("code", "known"),
    [(NvmlReturn.NOT_SUPPORTED, True), (NvmlReturn.NO_PERMISSION, False), (NvmlReturn.TIMEOUT, False)],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_instance_without_a_list_of_graphics_has_none_and_a_refused_list_may_hide_some(
    with_graphics: OneGpu, code: NvmlReturn, known: bool
) -> None:
    with_graphics.gpu.fail("nvmlDeviceGetGraphicsRunningProcesses_v3", code)

    processes = [instance.processes for instance in with_graphics.read().mig.instances or ()]

    assert processes == (list(PROCESSES) if known else [None, None])


def test_an_instance_without_graphics_is_not_asked_for_graphics_processes(partitioned: OneGpu) -> None:
    partitioned.gpu.fail("nvmlDeviceGetGraphicsRunningProcesses_v3", NvmlReturn.TIMEOUT)

    assert [instance.processes for instance in partitioned.read().mig.instances or ()] == list(PROCESSES)


def test_an_instance_whose_mps_clients_are_refused_has_unknown_processes(partitioned: OneGpu) -> None:
    partitioned.gpu.processes = [SimulatedProcess(20, "M", mig_index=0)]
    partitioned.gpu.fail("nvmlDeviceGetMPSComputeRunningProcesses_v3", NvmlReturn.TIMEOUT)

    reading = partitioned.read()

    assert [instance.processes for instance in reading.mig.instances or ()] == [None, None]
    assert not reading.knows_all_processes


def test_a_partitioned_gpu_lacks_only_utilization_and_nvlinks(partitioned: OneGpu) -> None:
    partitioned.gpu.disable_mig()
    whole = partitioned.read()
    partitioned.gpu.enable_mig("3g.40gb", "1g.10gb")
    partitioned.source.release(may_be_another=True)

    read = partitioned.read()
    assert with_values(read, pcie_samples=(), unknown=whole.unknown) == replace(
        with_values(whole, pcie_samples=()),
        utilization=Utilization(),
        processes=(*PROCESSES[0], *PROCESSES[1]),
        mig=Mig(enabled=True, pending=True, instances=expected(partitioned)),
        engines=replace(Engines(), **SESSIONS),
        nvlink=replace(whole.nvlink, links=None),
    )


def test_without_mig_only_its_mode_is_read(one: OneGpu) -> None:
    assert one.read().mig.instances == ()
    assert one.simulation.calls["nvmlDeviceGetMigMode"] == 1
    assert one.simulation.calls["nvmlDeviceGetMaxMigDeviceCount"] == 0


def test_mig_is_enabled_before_there_is_an_instance(one: OneGpu) -> None:
    one.gpu.enable_mig()
    one.gpu.mig_instances = []

    reading = one.read()

    assert (reading.mig.enabled, reading.mig.instances) == (True, ())
    one.gpu.processes = []
    assert one.read(after=6).knows_all_processes, "without instances there are no processes"


def test_switching_mig_on_or_off_shows_within_five_seconds(one: OneGpu) -> None:
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


def test_thirty_seconds_of_mig_take_the_expected_nvml_calls(partitioned: OneGpu) -> None:
    for _ in range(30):
        partitioned.read(after=1)

    calls = partitioned.simulation.calls
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
def test_unreported_instances_leave_the_processes_of_the_whole_gpu(
    partitioned: OneGpu, symbol: str, code: NvmlReturn
) -> None:
    partitioned.simulation.fail(symbol, code)

    reading = partitioned.read()

    assert not reading.mig.instances
    assert {process.pid for process in reading.processes or ()} == {10, 20, 30, 40}
    field = "mig.enabled" if symbol == "nvmlDeviceGetMigMode" else "mig.instances"
    assert (reading.unknown[field].function, reading.unknown[field].reason) == (symbol, reason_of(code))


@pytest.mark.parametrize("code", UNKNOWN, ids=lambda code: code.name)
def test_unreported_processes_of_an_instance_hide_neither_the_instance_nor_the_gpu(
    partitioned: OneGpu, code: NvmlReturn
) -> None:
    partitioned.gpu.fail("nvmlDeviceGetComputeRunningProcesses_v3", code)

    instances = partitioned.read().mig.instances

    assert instances == tuple(replace(instance, processes=None) for instance in expected(partitioned))


def test_an_instance_with_a_forbidden_process_list_has_unknown_processes(partitioned: OneGpu) -> None:
    partitioned.gpu.forbidden_instances = {0}

    reading = partitioned.read()

    assert [instance.processes for instance in reading.mig.instances or ()] == [None, PROCESSES[1]]
    assert (reading.processes, reading.knows_all_processes) == (PROCESSES[1], False)


def test_processes_are_unknown_if_every_process_list_is_forbidden(partitioned: OneGpu) -> None:
    partitioned.gpu.forbidden_instances = {0, 1}

    reading = partitioned.read()

    assert (reading.processes, reading.knows_all_processes) == (None, False)


@pytest.mark.parametrize("code", UNKNOWN, ids=lambda code: code.name)
@pytest.mark.parametrize("symbol", ["nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"])
@pytest.mark.parametrize("running", [[], IN_MIG], ids=["an empty list", "the list of root"])
def test_with_unreported_instances_an_empty_process_list_may_be_incomplete(
    partitioned: OneGpu, running: list[SimulatedProcess], symbol: str, code: NvmlReturn
) -> None:
    partitioned.gpu.processes = running
    partitioned.simulation.fail(symbol, code)

    assert partitioned.read().knows_all_processes is bool(running)


@pytest.mark.parametrize("code", [NvmlReturn.NO_PERMISSION, NvmlReturn.UNKNOWN], ids=lambda code: code.name)
@pytest.mark.parametrize("running", [[], IN_MIG], ids=["an empty list", "the list of root"])
def test_while_the_mig_mode_fails_an_empty_process_list_may_be_incomplete(
    partitioned: OneGpu, running: list[SimulatedProcess], code: NvmlReturn
) -> None:
    partitioned.gpu.processes = running
    partitioned.gpu.fail("nvmlDeviceGetMigMode", code)

    assert partitioned.read().knows_all_processes is bool(running)


def test_the_mig_mode_is_unknown_where_mig_is_not_supported(one: OneGpu) -> None:
    assert one.read().mig.enabled is False
    one.gpu.unsupport("nvmlDeviceGetMigMode")
    one.gpu.processes = []
    reading = one.read(after=6)
    assert reading.mig.enabled is None
    assert reading.knows_all_processes, "without MIG there are no instances with processes of their own"


def test_instances_destroyed_during_a_sample_do_not_fail_it(partitioned: OneGpu) -> None:
    lists_filled = 0

    def destroy(processes: list[SimulatedProcess]) -> list[SimulatedProcess]:
        nonlocal lists_filled
        lists_filled += 1
        if lists_filled == 2:  # the first was of the whole GPU, this is of its first instance
            partitioned.gpu.disable_mig()
        return processes

    partitioned.gpu.churn = destroy

    assert partitioned.read().memory.used_bytes == 16 * GIB
    assert lists_filled == 2
    after = partitioned.read(after=6)
    assert after.mig.instances == ()
    assert {process.pid for process in after.processes or ()} == {10, 20, 30, 40}


def test_an_older_driver_has_no_mig(partitioned: OneGpu) -> None:
    partitioned.simulation.set_driver_generation("r418")

    assert partitioned.read().mig.instances == ()


def test_r470_reports_instances(partitioned: OneGpu) -> None:
    partitioned.simulation.set_driver_generation("r470")

    assert [instance.uuid for instance in partitioned.read().mig.instances or ()] == [
        instance.uuid for instance in partitioned.gpu.mig_instances
    ]


# GPU instances and compute instances


def test_compute_instances_of_one_gpu_instance_report_their_shared_memory(one: OneGpu) -> None:
    one.gpu.enable_mig("1c.2g.20gb", "1c.2g.20gb", "1g.10gb")

    instances = one.read().mig.instances or ()

    assert [(each.gpu_instance_id, each.compute_instance_id) for each in instances] == [
        (1, 0),
        (1, 1),
        (2, 0),
    ]
    assert instances[0].memory_total_bytes == instances[1].memory_total_bytes
    assert instances[0].memory_used_bytes == instances[1].memory_used_bytes
    assert {each.gpu_instance_id: each.memory_total_bytes for each in instances}.keys() == {1, 2}


def test_the_ids_of_an_instance_are_read_once(partitioned: OneGpu) -> None:
    partitioned.read()
    again = partitioned.read(after=6).mig.instances

    assert again == expected(partitioned)
    ids = ("nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId")
    assert [partitioned.simulation.calls[symbol] for symbol in ids] == [2, 2]


def test_new_instances_in_the_same_places_have_their_own_ids(partitioned: OneGpu) -> None:
    partitioned.read()
    partitioned.gpu.enable_mig("1c.2g.20gb", "1c.2g.20gb")

    instances = partitioned.read(after=6).mig.instances or ()

    assert [(each.gpu_instance_id, each.compute_instance_id) for each in instances] == [(1, 0), (1, 1)]


def test_instance_ids_that_the_driver_failed_to_report_are_read_again(partitioned: OneGpu) -> None:
    partitioned.simulation.fail("nvmlDeviceGetGpuInstanceId", NvmlReturn.UNKNOWN)
    before = partitioned.read()
    partitioned.simulation.heal()
    after = partitioned.read(after=6)

    assert [each.gpu_instance_id for each in before.mig.instances or ()] == [None, None]
    assert before.unknown["mig.instances"].function == "nvmlDeviceGetGpuInstanceId"
    assert [each.gpu_instance_id for each in after.mig.instances or ()] == [1, 2]


@pytest.mark.parametrize("pending", [True, False])
def test_the_mig_mode_after_the_next_reset_is_reported_beside_the_present_one(
    one: OneGpu, pending: bool
) -> None:
    one.gpu.mig_pending = pending

    assert (one.read().mig.enabled, one.read().mig.pending) == (False, pending)
